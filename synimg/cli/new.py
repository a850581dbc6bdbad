"""The command `synimg new`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.say import say
from synimg.errors import SynimgError


def new(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="file to write")],
    preset: Annotated[str, typer.Option(help="where to start from")] = "demo",
    microscope: Annotated[
        str | None, typer.Option(help="confocal, airyscan, two_photon, ...: its optics and camera")
    ] = None,
    camera: Annotated[Path | None, typer.Option(help="file of a camera that 'synimg camera' measured")] = None,
) -> None:
    """Write a commented configuration.

    Example: `synimg new mouse.toml --preset demo --microscope airyscan`
    """
    from synimg import config as configuration
    from synimg.store.atomic import write_text

    if config.suffix != ".toml":
        raise SynimgError(f"{config}: a configuration's name ends in .toml")
    if config.exists():
        raise SynimgError(f"{config}: exists already; choose another name or remove it first")
    start, source = configuration.preset(preset), f"preset '{preset}'"
    if microscope is not None:
        shape, start = start.volume.shape_vox, configuration.seen_by(start, microscope)
        source = f"{source} and microscope '{microscope}'"
        if start.volume.shape_vox != shape:
            now, before = ("{} x {} x {}".format(*n) for n in (start.volume.shape_vox, shape))
            say(f"note: the same block of tissue takes {now} of its voxels, not {before}")
    if camera is not None:
        values = start.model_dump() | {"camera": configuration.read_camera(camera).model_dump()}
        start, source = configuration.Config.parse(values, str(camera)), f"{source} and the camera of {camera}"
    write_text(config, configuration.to_toml(start, f"synimg configuration, from {source}"))
    say(f"{config}: written from {source}; edit it, then: synimg generate {config} --out mouse01")
