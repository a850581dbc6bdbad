"""Images from other labs: TIFF files, whose resolution tags are not believed, and the formats of microscopes and OME, whose are."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.image import Box
from synimg.store.microscopes import read_channel
from synimg.store.place import Place
from synimg.store.tiff import TRUNCATED, damage_heard, reading_tiff, whole_tiff
from synimg.store.tiff_stack import stack_of


@dataclass(frozen=True)
class ForeignChannel:
    """A channel as it was found.

    values : (y, x) or (z, y, x) ndarray, grey levels
    full_scale : float, largest value that the camera can give, as far as the file says; nan for floating point
    claimed_um : pixel size that a TIFF file's tag claims, or None
    lost : boxes (z, y, x) that are missing or damaged, and why; zero
    """

    values: NDArray[Any]
    full_scale: float
    claimed_um: float | None
    lost: dict[Box, str] = field(default_factory=dict)


def read_channel_of(place: Place, n_axes: int) -> ForeignChannel:
    """A channel of an image.

    Parameters
    ----------
    place : Place
        Where it lies.
    n_axes : {2, 3}
        Spatial axes of the image: as many as the voxel size has numbers.

    Raises
    ------
    SynimgError
        As `read_tiff`, and where a microscope's file has other axes or no reader.
    """
    if place.scene is None:
        return read_tiff(place.path, place.index, n_axes)
    lost: dict[Box, str] = {}
    if ome_zarr.is_ome_zarr(place.path):
        source, bits = ome_zarr.open_channel(ome_zarr.describe(place.path), place.index), None
        values, lost = source.read_intact(((0, 0, 0), source.shape))
    else:
        values, bits = read_channel(place.scene, place.index)
    if n_axes == 2 and values.shape[0] > 1:
        raise SynimgError(f"{place.path}: has {values.shape[0]} planes; --voxel-um takes three numbers, Z,Y,X")
    values = values[0] if n_axes == 2 else values
    stated = float(2**bits - 1) if bits and values.dtype.kind in "iu" else np.inf
    full_scale = stated if values.max() <= stated < _largest(values) else _largest(values)
    return ForeignChannel(values, full_scale, None, lost)


def read_tiff(path: Path, index: int, n_axes: int) -> ForeignChannel:
    """A channel of the image in a TIFF file.

    Parameters
    ----------
    path : Path
        A TIFF file, greyscale, with one or several channels.
    index : int
        Of the channel.
    n_axes : {2, 3}
        Spatial axes of the image: as many as the voxel size has numbers.

    Raises
    ------
    SynimgError
        If the file is missing, truncated, no TIFF, in colour, has other axes or fewer channels.
    """
    path = Path(path)
    if path.is_dir():
        raise SynimgError(
            f"{path}: a folder; images are TIFF files, and the image of a data set goes by the data set's folder"
        )
    if not path.is_file():
        raise SynimgError(f"{path}: no such file")
    with whole_tiff(path) as tiff:
        series = tiff.series[0]
        values, axes, tags = series.asarray(), series.axes, tiff.pages[0].tags  # type: ignore[union-attr]
        claimed = None if tiff.is_ome else _claimed_um(tags)
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; puncta are measured in greyscale channels: export those")
    channels = _channels_first(values, axes, n_axes, path)
    if index >= len(channels):
        raise SynimgError(f"{path}: has {len(channels)} channels; channel {index} is not among them, the first is 0")
    return ForeignChannel(channels[index], _largest(channels), claimed)


def refuse_without_shape(path: Path) -> None:
    """Refuse a TIFF file that is cut off so that not even its shape is known.

    Raises
    ------
    SynimgError
        If it is.
    """
    with reading_tiff(str(path), TRUNCATED), damage_heard() as heard, tifffile.TiffFile(path) as tiff:
        stack_of(tiff, path, bool(heard))


def _largest(values: NDArray[Any]) -> float:
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else float("nan")


def _channels_first(values: NDArray[Any], axes: str, n_axes: int, path: Path) -> NDArray[Any]:
    """`values` as (c, y, x) or (c, z, y, x)."""
    for extra in [a for a, n in zip(axes, values.shape, strict=True) if n == 1 and a not in "YX"]:
        values = np.squeeze(values, axis=axes.index(extra))
        axes = axes.replace(extra, "")
    if n_axes == 3:
        axes = axes.replace("I", "Z").replace("Q", "Z")
    wanted = "ZYX" if n_axes == 3 else "YX"
    if "C" not in axes:
        values, axes = values[None], "C" + axes
    if set(axes) != {"C", *wanted}:
        raise SynimgError(
            f"{path}: has the axes {axes} and the shape {values.shape}; --voxel-um with {n_axes} numbers needs {wanted}"
        )
    return np.transpose(values, [axes.index(a) for a in "C" + wanted])


def _claimed_um(tags: Any) -> float | None:
    """Pixel size that the resolution tag claims; a tag without unit is read as pixels per um, as ImageJ writes it."""
    if "XResolution" not in tags or "ResolutionUnit" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    unit_um = {2: 2.54e4, 3: 1e4}.get(int(tags["ResolutionUnit"].value), 1.0)
    return None if not numerator else unit_um * denominator / numerator
