"""OME-Zarr images of any lab, versions 0.4 and 0.5: axes, voxel size, channels and voxels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import read_json
from synimg.store.image import Box, chunks_of, missing_chunk, open_array
from synimg.store.source import Source

Floats = NDArray[np.float64]
UM_PER = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4, "meter": 1e6}
SPATIAL = "zyx"


@dataclass(frozen=True)
class OmeZarr:
    """What an OME-Zarr image says of itself.

    path : the image
    axes : name of each axis
    scale, shift : (axes,) ndarray, voxel size and place of voxel 0 of the finest level; along z, y, x in um
    has_size, has_place : whether a scale, and a translation, is stated
    levels : arrays, the finest first
    channels : what ``omero`` says of each channel
    """

    path: Path
    axes: list[str]
    scale: Floats
    shift: Floats
    has_size: bool
    has_place: bool
    levels: list[str]
    channels: list[dict[str, Any]]


def is_ome_zarr(path: Path) -> bool:
    """Whether it is a folder with the name of an OME-Zarr image."""
    return path.name.rstrip("/").endswith(".zarr") and path.is_dir()


def describe(path: Path) -> OmeZarr:
    """What an OME-Zarr image says of itself.

    Raises
    ------
    SynimgError
        If the folder is no such image.
    """
    attributes = _attributes(path)
    if not attributes.get("multiscales"):
        raise SynimgError(f"{path}: a zarr folder, but not an OME-Zarr image (no multiscales)")
    try:
        multiscale = attributes["multiscales"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in multiscale["axes"]]
        units = [UM_PER.get(axis.get("unit", "micrometer"), 1.0) for axis in axes]
        scale, shift, has_size, has_place = np.ones(len(axes)), np.zeros(len(axes)), False, False
        for step in multiscale["datasets"][0].get("coordinateTransformations", []):
            if step["type"] == "scale":
                scale, has_size = np.array(step["scale"], float), True
            if step["type"] == "translation":
                shift, has_place = np.array(step["translation"], float), True
        levels = [str(dataset["path"]) for dataset in multiscale["datasets"]]
        channels = (attributes.get("omero") or {}).get("channels", [])
        names = [axis["name"] for axis in axes]
        return OmeZarr(path, names, scale * units, shift * units, has_size, has_place, levels, channels)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SynimgError(f"{path}: its OME-Zarr metadata are damaged ({type(error).__name__}: {error})") from None


def _attributes(path: Path) -> dict[str, Any]:
    if (path / "zarr.json").is_file():
        found: dict[str, Any] = read_json(path / "zarr.json").get("attributes", {})
        inner: dict[str, Any] = found.get("ome", {})
        return inner
    if (path / ".zattrs").is_file():
        old: dict[str, Any] = read_json(path / ".zattrs")
        return old
    raise SynimgError(f"{path}: no OME-Zarr image there (neither zarr.json nor .zattrs)")


def open_channel(image: OmeZarr, index: int) -> Source:
    """A channel of the finest level, at the first time point."""
    folder, source = image.path / image.levels[0], open_array(image.path, image.levels[0])
    sizes = dict(zip(image.axes, source.shape, strict=True))
    chunk = dict(zip(image.axes, source.chunks, strict=True))
    left = [a for a in image.axes if a in SPATIAL]
    shape: Any = tuple(sizes.get(a, 1) for a in SPATIAL)

    def read(box: Box) -> NDArray[Any]:
        of_axis: dict[str, slice | int] = {a: slice(s, s + n) for a, s, n in zip(SPATIAL, *box, strict=True)}
        of_axis["c"] = index
        where = tuple(of_axis.get(a, 0) for a in image.axes)
        region = ", ".join(f"{a} {s}:{s + n}" for a, s, n in zip(SPATIAL, *box, strict=True))
        if file := missing_chunk(folder, source, where):
            raise SynimgError(
                f"{image.path}: a chunk in {region} is missing, {file.relative_to(image.path)}; copy the image again (a program "
                "that writes no chunks of zeros leaves it out, too)"
            )
        try:
            values = np.asarray(source[where])
        except (ValueError, RuntimeError, OSError) as error:
            raise SynimgError(
                f"{image.path}: a chunk in {region} is truncated or altered ({str(error).splitlines()[0]}); copy the image again"
            ) from None
        values = np.transpose(values, [left.index(a) for a in SPATIAL if a in left])
        return values if values.ndim == 3 else values[None]

    return Source(shape, source.dtype, read, lambda box: chunks_of(shape, tuple(chunk.get(a, 1) for a in SPATIAL), box))
