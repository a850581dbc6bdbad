"""The command `synimg camera`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import Json, files
from synimg.cli.say import say
from synimg.errors import SynimgError


def camera(
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="TIFF or OME-Zarr, if there are no flat frames")
    ] = None,
    dark: Annotated[list[str] | None, typer.Option(help="frames without light: FILE[,FILE...]")] = None,
    flat: Annotated[
        list[str] | None, typer.Option(help="two frames or more of one even light: FILE[,FILE...]; once per level")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="channel of files with several, from 0")] = 0,
    out: Annotated[Path | None, typer.Option(help="CAMERA.toml to write, with a picture beside it")] = None,
    as_json: Json = False,
) -> None:
    """Find a camera's offset, gain and read noise, with errors: from dark and flat frames, or from an image itself.

    Examples: `synimg camera --dark dark.tif --flat dim1.tif,dim2.tif --flat bright.tif --out camera.toml`,
    `synimg camera image.tif --out camera.toml`, then `synimg new mouse.toml --camera camera.toml`
    """
    from synimg.analysis.camera_files import find_camera, refuse_ending, save_camera
    from synimg.progress import bars
    from synimg.viewers.figures.camera import save_camera_figure

    if out is not None:
        refuse_ending(out, "a camera")
    with bars() as report:
        found = find_camera(files(",".join(dark or [])), [files(level) for level in flat or []], image, channel, report)
    if as_json:
        typer.echo(json.dumps(found.facts(), indent=1))
    else:
        typer.echo("\n".join(found.lines()))
    for note in found.notes:
        say(f"note: {note}")
    written = [] if out is None else save_camera(found, out, save_camera_figure)
    if written:
        say(f"{', '.join(map(str, written))}: written")
    if found.image is not None and found.image.doubts:
        raise SynimgError(
            f"{image}: the camera is unknown: {'; '.join(found.image.doubts)}. Take dark and flat frames, or measure shapes only"
        )
