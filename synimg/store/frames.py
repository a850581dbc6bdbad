"""Frames of a camera, from TIFF files and OME-Zarr images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.image import open_array
from synimg.store.tiff import whole_tiff


@dataclass(frozen=True)
class Frames:
    """Frames of one channel, read when they are asked for.

    path : the file
    n : frames
    n_channels : channels of the file, of which these frames are one
    shape : (y, x) pixels of a frame
    plane : frame k, or a part of it
    """

    path: Path
    n: int
    n_channels: int
    shape: tuple[int, int]
    plane: Callable[[int, tuple[slice, slice]], NDArray[Any]]

    def all(self) -> NDArray[Any]:
        """All frames (n, y, x)."""
        return np.stack([self.plane(k, (slice(None), slice(None))) for k in range(self.n)])


def open_frames(path: Path, channel: int = 0) -> Frames:
    """The frames of a channel of a TIFF file or an OME-Zarr image: planes along z, or in time.

    Parameters
    ----------
    path : Path
        ``.tif`` or a folder ``.zarr``.
    channel : int
        Index of the channel.

    Raises
    ------
    SynimgError
        If there is no such image or channel, the image is in colour, or has no whole or real numbers.
    """
    path = Path(path)
    if not path.exists():
        raise SynimgError(f"{path}: no such file")
    if (path / "dataset.json").is_file():
        raise SynimgError(f"{path}: a data set knows its camera; of its voxels alone: {path / 'image.ome.zarr'}")
    source, axes = _open_zarr(path) if path.is_dir() else _open_tiff(path)
    if source.dtype.kind not in "uif":
        raise SynimgError(f"{path}: holds {source.dtype}, not grey levels")
    axes = axes.upper()
    n_channels = source.shape[axes.index("C")] if "C" in axes else 1
    if channel >= n_channels:
        raise SynimgError(f"{path}: has {n_channels} channels, counted from 0; channel {channel} is not among them")
    others = [i for i, name in enumerate(axes) if name not in "CYX"]
    sizes = [source.shape[i] for i in others]

    def plane(k: int, where: tuple[slice, slice]) -> NDArray[Any]:
        at = dict(zip(others, np.unravel_index(k, sizes), strict=True)) if others else {}
        inside = {"C": channel, "Y": where[0], "X": where[1]}
        index = tuple(int(at[i]) if i in at else inside[name] for i, name in enumerate(axes))
        try:
            values = np.asarray(source[index])
        except (ValueError, RuntimeError, OSError) as error:
            raise SynimgError(f"{path}: frame {k} is truncated or altered ({str(error).splitlines()[0]})") from None
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise SynimgError(f"{path}: holds NaN or infinite values; replace them before measuring")
        return values if axes.index("Y") < axes.index("X") else values.T

    shape = source.shape[axes.index("Y")], source.shape[axes.index("X")]
    return Frames(path, int(np.prod(sizes)), n_channels, shape, plane)


def _open_tiff(path: Path) -> tuple[Any, str]:
    """The values of a TIFF file, left on the disk where they lie there as they are, and its axes."""
    with whole_tiff(path) as tiff:
        series = tiff.series[0]
        values = series.asarray() if series.dataoffset is None else tifffile.memmap(path, mode="r")
        axes = series.axes
    if "S" in axes and axes.index("S") < axes.index("Y"):
        axes = axes.replace("S", "I")  # three or four frames are easily written as samples of a colour picture
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; noise is measured in grey levels: export those")
    return values, axes


def _open_zarr(path: Path) -> tuple[Any, str]:
    """The finest level of an OME-Zarr 0.4 or 0.5 image, and its axes."""
    image = ome_zarr.describe(path)
    return open_array(path, image.levels[0]), "".join(image.axes)
