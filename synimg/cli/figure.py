"""The command `synimg figure`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import Run
from synimg.cli.say import say
from synimg.errors import SynimgError


def figure(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a figure; without it all are listed")] = None,
    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="a data set, or the folder of a measured recording")
    ] = None,
    run: Run = "default",
    out: Annotated[Path | None, typer.Option(help="file: .png, .pdf or .svg; NAME.png if not given")] = None,
) -> None:
    """Draw one figure of a data set, or of a lab's measured recording; without arguments, list them all.

    Examples: `synimg figure`, `synimg figure factor mouse01 --out factor.pdf`, `synimg figure tile measured/mouse.ome`
    """
    from textwrap import fill

    from synimg.viewers.gallery import FIGURES, save

    if name is None:
        for known, entry in FIGURES.items():
            of_labs = " (of recordings, too)" if entry.of_labs else ""
            typer.echo(fill(f"{known}: {entry.what}{of_labs}", 80, subsequent_indent="    "))
        return
    if dataset is None:
        raise SynimgError(f"figure {name} of what? give a data set: synimg figure {name} mouse01 --out {name}.png")
    path = save(name, dataset, out or Path(f"{name}.png"), run)
    say(f"{path}: {name} of {dataset}")
