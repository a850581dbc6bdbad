"""Configurations from TOML files and from the presets that come with the package."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from synimg.cameras.protocol import Camera
from synimg.config.config import Config
from synimg.config.microscope_values import names_in
from synimg.errors import SynimgError, nearest


def load(source: Config | str | Path) -> Config:
    """The configuration of a `Config`, of a TOML file, or of a preset's name.

    Paths of morphologies, of a measured PSF, of a camera's pixels and of an imported network in a file are relative to it.
    """
    if isinstance(source, Config):
        return source
    path = Path(source)
    if not path.exists() and path.suffix != ".toml":
        return preset(str(source))
    if not path.is_file():
        raise SynimgError(f"{path}: no such configuration; 'synimg new {path}' writes one")
    try:
        config = parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise SynimgError(f"{path}: not a text file; a configuration is TOML, 'synimg new' writes one") from None
    files = tuple(str((path.parent / name).resolve()) for name in config.tissue.morphologies)
    found = {
        k: str((path.parent / v).resolve()) for k, v in config.imported.model_dump().items() if v and k != "population"
    }
    psf = config.psf
    if psf.kind == "measured":
        psf = psf.model_copy(update={"file": str((path.parent / psf.file).resolve())})
    camera = camera_beside(config.camera, path)
    if getattr(camera, "pixels_file", ""):
        camera.maps((0, 0), config.volume.shape_vox[1:])  # refuses a sensor that does not fit
    return config.model_copy(
        update={
            "psf": psf,
            "camera": camera,
            "tissue": config.tissue.model_copy(update={"morphologies": files}),
            "imported": config.imported.model_copy(update=found),
        }
    )


def parse(text: str, where: str) -> Config:
    """The configuration in the TOML `text`; `where` begins the sentence of an error."""
    return Config.parse(read_toml(text, where), where)


def read_toml(text: str | bytes, where: str) -> dict[str, Any]:
    """What a TOML text holds."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SynimgError(f"{where}: not valid TOML: {error}") from None


def presets() -> list[str]:
    """Names of the presets."""
    return names_in(resources.files("synimg.presets"))


def preset(name: str) -> Config:
    """The configuration of a preset: the defaults with the preset's changes.

    Raises
    ------
    SynimgError
        For an unknown name, with the nearest known one.
    """
    if name not in presets():
        raise SynimgError(f"unknown preset '{name}'; {nearest(name, presets())}")
    text = resources.files("synimg.presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse(text, f"preset {name}")


def read_camera(path: str | Path) -> Camera:
    """The section ``camera`` of a TOML file, as ``synimg camera`` writes it; the file of its pixels is found beside it.

    Raises
    ------
    SynimgError
        If there is no such file or section, or the camera has unknown or wrong values.
    """
    path = Path(path)
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; 'synimg camera' writes one")
    values = read_toml(path.read_bytes(), str(path))
    if not isinstance(values.get("camera"), dict):
        raise SynimgError(f"{path}: the section [camera] is missing")
    camera: Camera = camera_beside(Config.parse({"camera": values["camera"]}, str(path)).camera, path)
    return camera


def camera_beside(camera: Any, path: Path) -> Any:
    """A camera whose file of pixels, if it has one, is taken relative to the file `path`."""
    file = getattr(camera, "pixels_file", "")
    return camera.model_copy(update={"pixels_file": str((path.parent / file).resolve())}) if file else camera
