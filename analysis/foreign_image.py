"""An image from any lab as it is read for its puncta: shares of full scale, voxel size, and what a user must know of them."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.plausible import is_top, refuse_values
from synimg.errors import SynimgError
from synimg.store.foreign import ForeignChannel, read_channel_of, refuse_without_shape
from synimg.store.image import Box, within
from synimg.store.place import Place, exchanged, stated_voxel_um

Floats = NDArray[np.float64]
OF_8_BITS = "8-bit images: their electrons are right only if nothing scaled them for display"


def voxel_size_of(name: str, places: dict[str, Place], given: tuple[float, ...] | None) -> tuple[Floats, list[str]]:
    """Voxel size of an image, and what a user must know about it.

    Raises
    ------
    SynimgError
        If none is given and the files state none, or two.
    """
    stated = {stated_voxel_um(place) for place in places.values()}
    first = next(iter(stated)) if len(stated) == 1 else None
    if given is None and first is None:
        place = next(iter(places.values()))
        if place.scene is None and place.path.is_file():
            refuse_without_shape(place.path)
        raise SynimgError(
            f"--voxel-um is missing: give the voxel size in um as Z,Y,X (2-D: Y,X); {place.path} "
            + (
                "and its other channels state several"
                if len(stated) > 1
                else "does not state it (a TIFF file's tag is not believed)"
            )
        )
    if given is None:
        size = np.array(first)
        return size, [f"{name}: voxels of {_text(size)} um, as the file's metadata state"]
    said = []
    if first is not None and (len(first) != len(given) or not np.allclose(first, given, rtol=0.02)):
        said = [f"{name}: the file's metadata state voxels of {_text(np.array(first))} um; the given size is used"]
    if not np.isclose(given[-2], given[-1], rtol=0.1):
        order = "Z,Y,X" if len(given) == 3 else "Y,X"
        said.append(
            f"{name}: pixels of {_text(np.array(given[-2:]))} um are not square, which few microscopes record; "
            f"--voxel-um takes {order}"
        )
    return np.array(given), said


def _text(size_um: Floats) -> str:
    return " x ".join(f"{v:.4g}" for v in size_um)


@dataclass(frozen=True)
class ForeignImage:
    """An image as it was read.

    shares : channels as shares of full scale
    said : what a user must know about them
    scales, tops : their full scales, and from which share of it on they are saturated
    lost : boxes (z, y, x) that could not be read in some channel
    """

    shares: dict[str, Floats]
    said: list[str]
    scales: dict[str, float]
    tops: dict[str, float]
    lost: list[Box]


def read_image(name: str, places: dict[str, Place], n_axes: int, is_known: bool) -> ForeignImage:
    """Read an image."""
    shares: dict[str, Floats] = {}
    scales: dict[str, float] = {}
    tops: dict[str, float] = {}
    said: list[str] = []
    lost: set[Box] = set()
    for channel, place in places.items():
        where = f"{place.path} ('{channel}')" if len(places) > 1 else str(place.path)
        found = _without_holes(read_channel_of(place, n_axes))
        refuse_values(found.values, where)
        values = found.values.astype(np.float64)
        scale = found.full_scale if np.isfinite(found.full_scale) else float(values.max())
        shares[channel], scales[channel], tops[channel] = values / scale, scale, 1.0
        largest = float(values.max())
        if largest < scale and is_top(largest, n := int((values == largest).sum())):
            tops[channel] = largest / scale
            said.append(f"{where}: {n} voxels have the largest grey level, {largest:.0f}, and count as saturated")
        said += _sentences(found, is_known)
        if found.lost:
            lost |= found.lost.keys()
            said.append(f"{name}: {next(iter(found.lost.values()))}")
    shapes = {channel: share.shape for channel, share in shares.items()}
    if len(set(shapes.values())) > 1:
        raise SynimgError(f"{name}: its channels differ in shape ({shapes}); they must show the same field")
    said += exchanged(places)
    said += [
        f"{name}: '{first}' and '{second}' hold the same voxels, so their pairs mean nothing; check --channel"
        for first, second in itertools.combinations(shares, 2)
        if np.array_equal(shares[first], shares[second])
    ]
    return ForeignImage(shares, said, scales, tops, sorted(lost))


def _without_holes(found: ForeignChannel) -> ForeignChannel:
    """A channel with the median of what could be read in the place of what could not, so that no edge is seen there.

    Raises
    ------
    SynimgError
        If nothing of it could be read.
    """
    if not found.lost:
        return found
    values = found.values.copy()
    stack = values if values.ndim == 3 else values[None]
    gone: NDArray[np.bool_] = np.zeros(stack.shape, bool)
    for box in found.lost:
        gone[within(box, ((0, 0, 0), stack.shape))] = True
    if gone.all():
        raise SynimgError(f"no part of the image can be measured: {next(iter(found.lost.values()))}")
    stack[gone] = np.median(stack[~gone]).astype(values.dtype)
    return replace(found, values=values)


def _sentences(image: ForeignChannel, is_known: bool) -> list[str]:
    said = []
    if is_known:
        said.append(
            "electrons and their errors are those of the given camera; a neighbour nearer than 3 sigma adds to both"
        )
        if image.full_scale <= 255:
            said.append(OF_8_BITS)
    elif image.full_scale <= 255:
        said.append(
            "8-bit images, scaled for display: no photons and no standard errors can be given, only counts, places, "
            "shapes and relative brightness"
        )
    else:
        said.append(
            "the camera's gain and offset are unknown: brightness is relative, and no standard errors can be given "
            "('synimg camera' finds them, --camera takes them)"
        )
    if image.claimed_um is not None:
        what = (
            "the 96-dpi default of screens" if 200 < image.claimed_um < 400 else "a tag that programs often set wrongly"
        )
        said.append(f"a file states {image.claimed_um:.4g} um per pixel ({what}): not believed, the given size is used")
    return said
