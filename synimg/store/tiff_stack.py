"""The planes of a TIFF file, each read by itself: of a file that is cut off, those that are there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synimg.store.tiff import UNREADABLE, cut_off, damage_heard

Stated = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class TiffStack:
    """Planes of a file.

    axes, shape : as tifffile names them, y and x last, or samples of a colour
    dtype : of the voxels
    plane : plane k in the order of the other axes; raises what tifffile raises where it is not there
    is_damaged : whether tifffile met errors on its way to the planes
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    plane: Callable[[int], NDArray[Any]]
    is_damaged: bool


def stack_of(tiff: tifffile.TiffFile, path: Path, is_damaged: bool) -> TiffStack:
    """The planes of the first image of a file; `is_damaged` says that there were errors when it was opened.

    Raises
    ------
    SynimgError
        If the file is cut off, and what its planes are is lost with its end.

    Notes
    -----
    ImageJ and tifffile state the shape at the start of a file, so that of one that is cut off the planes that are left have
    their place. ImageJ lays them one behind the other, so that not even the list of pages is needed.
    """
    is_cut_off = cut_off(tiff, path)
    with damage_heard() as heard:
        try:
            series = tiff.series[0]
        except UNREADABLE:
            if is_cut_off is None:
                raise
            series = None
    first: Any = tiff.pages.first
    stated = _stated(tiff, first) if is_cut_off or heard else None
    if stated is not None:
        lies_apart = len(tiff.pages) > 1 and tiff.pages[1].dataoffsets[0] != first.dataoffsets[0] + first.nbytes
        is_contiguous = first.is_final and not lies_apart
        plane = _contiguous(tiff, path, first) if is_contiguous else _by_page(tiff.pages)
        return TiffStack(*stated, first.dtype, plane, True)
    if is_cut_off and (series is None or series.kind != "ome"):
        raise is_cut_off
    assert series is not None
    is_contiguous = series.dataoffset is not None and not series.is_multifile
    plane = _contiguous(tiff, path, series.keyframe) if is_contiguous else _by_page(series.pages)
    return TiffStack(series.axes, series.shape, series.dtype, plane, is_damaged or bool(heard))


def _by_page(pages: Any) -> Callable[[int], NDArray[Any]]:
    """Reads plane k of those that have a page each."""

    def plane(k: int) -> NDArray[Any]:
        page = pages[k]
        if page is None:
            raise tifffile.TiffFileError("its page is missing")
        values: NDArray[Any] = page.asarray()
        return values

    return plane


def _contiguous(tiff: tifffile.TiffFile, path: Path, first: Any) -> Callable[[int], NDArray[Any]]:
    """Reads plane k of those that lie one behind the other."""
    offset, dtype, size = first.dataoffsets[0], first.dtype.newbyteorder(tiff.byteorder), first.shape
    count = int(np.prod(size))

    def plane(k: int) -> NDArray[Any]:
        values = np.fromfile(path, dtype, count, offset=offset + k * count * dtype.itemsize)
        if values.size < count:
            raise tifffile.TiffFileError("the file ends before it does")
        return values.reshape(size)

    return plane


def _stated(tiff: tifffile.TiffFile, first: Any) -> Stated | None:
    """Axes and shape that ImageJ or tifffile state in the first page, of planes as that page is."""
    shape: tuple[int, ...]
    if tiff.is_imagej:
        said = tiff.imagej_metadata or {}
        if said.get("order", "czt").lower() not in {"czt", "default"}:
            return None
        axes, shape = "TZCYX", (*(int(said.get(n, 1)) for n in ("frames", "slices", "channels")), *first.shape)
    elif first.is_shaped:
        said = json.loads(first.shaped_description)
        shape = tuple(int(n) for n in said["shape"])
        axes = said.get("axes") or "Q" * (len(shape) - 2) + "YX"
    else:
        return None
    return (axes, shape) if len(axes) == len(shape) and shape[-2:] == first.shape else None
