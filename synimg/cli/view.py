"""The command `synimg view`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import DatasetPath, Run
from synimg.cli.say import say
from synimg.errors import SynimgError


def view(
    dataset: DatasetPath,
    run: Run = "default",
    screenshot: Annotated[Path | None, typer.Option(help="save a picture of the window as PNG and leave")] = None,
    growth: Annotated[bool, typer.Option("--growth", help="play back how the map grew over the window")] = False,
    film: Annotated[
        Path | None, typer.Option(help="save growth and a turn as .gif, or a strip (.png); no window")
    ] = None,
) -> None:
    """Open a data set in napari, or play back how its synapse map grew.

    Examples: `synimg view mouse01`, `synimg view mouse01 --growth`, `synimg view mouse01 --film growth.gif`
    """
    if film is not None:
        from synimg.viewers.growth import film as save_film

        if screenshot is not None:
            raise SynimgError("--film and --screenshot exclude each other: a film opens no window")
        save_film(dataset, film)
        say(f"{film}: film of {dataset}")
        return
    from synimg.viewers.view import view as run_view

    run_view(dataset, run, screenshot, growth)
    if screenshot is not None:
        say(f"{screenshot}: picture of {dataset}")
