"""The command `synimg dyes`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.cli.options import Json, numbers
from synimg.cli.say import say
from synimg.errors import SynimgError


def dyes(
    movie: Annotated[list[Path], typer.Argument(metavar="MOVIE...", help="TIFF or OME-Zarr, a field each")],
    camera: Annotated[Path, typer.Option(help="file of 'synimg camera', of this camera as it was set")],
    psf: Annotated[str, typer.Option(help="sd Z,Y,X of the point spread function in um, as beads show it")],
    voxel_um: Annotated[str, typer.Option(help="Z,Y,X: Y,X of these pixels, Z the step of the stacks to be measured")],
    standard: Annotated[
        float | None, typer.Option(min=1, help="dyes in each spot, where that is known; they need not bleach")
    ] = None,
    labelled: Annotated[float, typer.Option(help="share of a standard's places that has a dye")] = 1.0,
    exposure: Annotated[float, typer.Option(help="light of a frame over that of a plane of those stacks")] = 1.0,
    of: Annotated[str | None, typer.Option(help="old or new: whose dye it is; that of both if not given")] = None,
    channel: Annotated[int, typer.Option(min=0, help="channel of files with several, from 0")] = 0,
    out: Annotated[Path | None, typer.Option(help="DYES.toml to write, with a picture beside it")] = None,
    as_json: Json = False,
) -> None:
    """Find the photons of one dye, with errors: from single dyes that bleach on a cover slip, or from a known standard.

    Examples: `synimg dyes f1.tif f2.tif --camera camera.toml --psf 0.27,0.1,0.1 --voxel-um 0.2,0.07,0.07 --out dyes.toml`,
    `synimg dyes origami.tif --standard 20 --labelled 0.85 ... --out dyes.toml`, then
    `synimg measure ... --recording dyes.toml`
    """
    from synimg.analysis.camera_files import refuse_ending
    from synimg.analysis.dye_files import DyeSettings, find_dyes, save_dyes
    from synimg.config import read_camera
    from synimg.progress import bars
    from synimg.viewers.figures.dyes import save_dyes_figure

    if out is not None:
        refuse_ending(out, "dyes")
    sizes: list[Any] = [numbers("--psf", psf), numbers("--voxel-um", voxel_um)]
    for option, size in zip(("--psf", "--voxel-um"), sizes, strict=True):
        if len(size) != 3:
            raise SynimgError(f"{option}: it takes three numbers, Z,Y,X, in um")
    for option, value, top in (("--labelled", labelled, 1.0), ("--exposure", exposure, 1e6)):
        if not 0 < value <= top:
            raise SynimgError(f"{option} = {value:g}: it takes a number above 0" + (" and up to 1" if top == 1 else ""))
    if labelled != 1 and standard is None:
        raise SynimgError("--labelled is for a standard: give --standard too")
    if of not in {None, "old", "new"}:
        raise SynimgError(f"--of {of}: it takes old or new")
    settings = DyeSettings(sizes[0], sizes[1], exposure, standard, labelled)
    with bars() as report:
        found = find_dyes(movie, read_camera(camera), settings, channel, report)
    typer.echo(json.dumps(found.facts(), indent=1) if as_json else "\n".join(found.lines()))
    for note in found.notes:
        say(f"note: {note}")
    if out is not None:
        written = save_dyes(found, out, of, save_dyes_figure)
        say(f"{', '.join(map(str, written))}: written; next: synimg measure ... --recording {out}")
