"""Where the channels of an image lie, and what their files state: names, sizes, places."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.image import open_array
from synimg.store.microscopes import Scene, distinct, is_microscope_file, scenes
from synimg.store.results import identity_of
from synimg.store.tiff import damage_heard

UM_PER = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4}


@dataclass(frozen=True)
class Place:
    """Where a channel of an image lies: a file, the channel's index in it, and the scene of a microscope's file."""

    path: Path
    index: int
    scene: Scene | None = None

    def identity(self) -> list[Any]:
        """What tells it from another, and from the same in another version of the file; JSON-ready."""
        return [*identity_of(self.path), self.index, self.scene and self.scene.name]


def place_again(identity: list[Any]) -> Place:
    """The place of which `Place.identity` was kept.

    Raises
    ------
    SynimgError
        If the file is gone, or was changed since.
    """
    path, index, name = Path(identity[0]), int(identity[-2]), identity[-1]
    if not path.exists():
        raise SynimgError(f"{path}: no such file; what was measured in it is there, but not its voxels")
    scene = None
    if name is not None:
        found = [scene_of_zarr(path)] if ome_zarr.is_ome_zarr(path) else scenes(path)
        scene = next((scene for scene in found if scene.name == name), None)
    place = Place(path, index, scene)
    if place.identity() != identity:
        raise SynimgError(f"{path}: was changed since it was measured; measure it again")
    return place


def stated_voxel_um(place: Place) -> tuple[float, ...] | None:
    """Voxel size (y, x) or (z, y, x) [um] as the metadata of a microscope or of OME-TIFF state it; None where they do not."""
    if place.scene is not None:
        sizes, n_planes = place.scene.voxel_um, place.scene.shape[0]
    elif (described := _ome_pixels(place.path)) is None:
        return None
    else:
        sizes = tuple(_size_um(described, axis) for axis in "ZYX")  # type: ignore[assignment]
        n_planes = int(described.get("SizeZ", 1))
    wanted = sizes if n_planes > 1 else sizes[1:]
    return None if any(size is None for size in wanted) else tuple(float(size) for size in wanted if size is not None)


def stated_position_um(place: Place) -> list[float] | None:
    """Where the stage stood (z, y, x) [um] for the first voxel, as OME-TIFF or OME-Zarr state it; None where they do not."""
    if ome_zarr.is_ome_zarr(place.path):
        image = ome_zarr.describe(place.path)
        shift = dict(zip(image.axes, image.shift, strict=True))
        return [float(shift.get(a, 0.0)) for a in "zyx"] if image.has_place else None
    described = _ome_pixels(place.path) if place.scene is None else None
    planes = (described or {}).get("Plane", [])
    first = planes[0] if isinstance(planes, list) and planes else planes
    if not first or any(f"Position{axis}" not in first for axis in "ZYX"):
        return None
    return [float(first[f"Position{a}"]) * UM_PER.get(str(first.get(f"Position{a}Unit", "µm")), 1.0) for a in "ZYX"]


def channel_names(place: Place) -> list[str]:
    """What the metadata of a microscope, of OME-Zarr or of OME-TIFF call the channels of an image; nothing where they do not."""
    return list(place.scene.channels) if place.scene is not None else ome_channels(place.path)


def ome_channels(path: Path) -> list[str]:
    """The names of the channels in OME-TIFF, if all have one."""
    stated = (_ome_pixels(path) or {}).get("Channel", [])
    names = [str(channel.get("Name") or "") for channel in (stated if isinstance(stated, list) else [stated])]
    return names if all(names) else []


def exchanged(places: dict[str, Place]) -> list[str]:
    """That channels have the names which the file gives to others, if they do."""
    wrong = []
    for name, place in places.items():
        names = channel_names(place)
        if name in names and names[place.index] != name:
            wrong.append(
                f"'{name}' is asked for as its channel {place.index}, which it calls '{names[place.index]}', and not as channel "
                f"{names.index(name)}, which it calls '{name}'"
            )
    first = next(iter(places.values())).path
    return [f"{first}: {'; '.join(wrong)}: check that the channels are not exchanged"] if wrong else []


def _ome_pixels(path: Path) -> dict[str, Any] | None:
    """What OME-TIFF states of its first image's voxels; None of another file."""
    try:
        with damage_heard(), tifffile.TiffFile(path) as tiff:
            described = tiff.ome_metadata
        images = tifffile.xml2dict(described)["OME"]["Image"] if described else None
    except (tifffile.TiffFileError, ValueError, KeyError, IndexError, OSError, SyntaxError):
        return None  # reading it will say what is wrong
    if images is None:
        return None
    pixels: dict[str, Any] = (images[0] if isinstance(images, list) else images).get("Pixels", {})
    return pixels


def _size_um(pixels: dict[str, Any], axis: str) -> float | None:
    size, unit = pixels.get(f"PhysicalSize{axis}"), UM_PER.get(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
    return float(size) * unit if size and unit and float(size) > 0 else None


def has_scenes(path: Path) -> bool:
    """Whether a file states its channels and voxel size, as those of microscopes and OME-Zarr do."""
    return is_microscope_file(path) or ome_zarr.is_ome_zarr(path)


def scene_of_zarr(path: Path) -> Scene:
    """An OME-Zarr image as the one scene of a microscope's file."""
    image = ome_zarr.describe(path)
    array = open_array(path, image.levels[0])
    shape = dict(zip(image.axes, array.shape, strict=True))
    scale = dict(zip(image.axes, image.scale, strict=True))
    names = distinct([str(c.get("label") or "") for c in image.channels], shape.get("c", 1))
    z, y, x = (float(scale[a]) if image.has_size and a in scale else None for a in "zyx")
    size = shape.get("z", 1), shape["y"], shape["x"]
    return Scene(path, path.name, names, (z, y, x), size, shape.get("t", 1), array.dtype)
