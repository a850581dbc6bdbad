"""The channels of a stack from any lab as one zarr array of grey levels (channel, z, y, x), of which boxes can be read."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from synimg import compute
from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.atomic import disk_errors, read_json, write_json
from synimg.store.foreign import TRUNCATED, Place
from synimg.store.image import Box, open_array, read_intact
from synimg.store.microscopes import open_planes
from synimg.store.tiff import damage_heard, reading_tiff
from synimg.store.tiff_stack import TiffStack, stack_of

MOST_SLAB_VOX = 2**25
MOST_RUNS = 3
"""Places that a sentence names."""
CHUNK = (16, 128, 128)
COPIED = "copied.json"
LARGEST = 65535

Planes = Callable[[int, int], NDArray[Any]]
"""Planes (z, y, x) of one channel from the first to before the last."""


def as_array(places: dict[str, Place], copy: Path, report: compute.Report = compute.silent) -> Path:
    """The zarr folder whose array ``0`` holds the channels of a stack in their order, as grey levels from 0 to 65535.

    Parameters
    ----------
    places : dict of Place
        Where each channel lies.
    copy : Path
        Folder for a copy of the voxels. An OME-Zarr image that has these channels alone, in this order, needs none; the copy
        of a call that was stopped is gone on with.
    report : callable
        As in `generate`.

    Raises
    ------
    SynimgError
        If channels differ in shape, voxels are no grey levels, or every plane is damaged in some channel.

    Notes
    -----
    Planes are copied some at a time: what is in memory does not grow with their number. Those that cannot be read are zero,
    and `lost_planes` tells them.
    """
    direct = _as_it_is(list(places.values()))
    if direct is not None:
        return direct
    try:
        return _copy(places, copy, report)
    except SynimgError:
        shutil.rmtree(copy, ignore_errors=True)  # of what cannot be measured nothing is to be gone on with
        raise


def stack_shape(places: dict[str, Place]) -> tuple[int, int, int]:
    """Voxels (z, y, x) of a stack.

    Raises
    ------
    SynimgError
        If its channels differ in shape, or are no stack.
    """
    with _opened(places) as (shape, _):
        return shape


def _as_it_is(places: list[Place]) -> Path | None:
    """The OME-Zarr image in which the channels lie as they are wanted, if they do."""
    path = places[0].path
    if any(place.path != path for place in places) or not ome_zarr.is_ome_zarr(path):
        return None
    image = ome_zarr.describe(path)
    array = open_array(path, image.levels[0])
    is_plain = image.levels[0] == "0" and image.axes == ["c", "z", "y", "x"] and array.dtype == np.uint16
    return path if is_plain and [place.index for place in places] == list(range(array.shape[0])) else None


def _copy(places: dict[str, Place], copy: Path, report: compute.Report) -> Path:
    """Copy the voxels, from where an earlier call was stopped."""
    with _opened(places) as (shape, planes):
        depth = min(max(MOST_SLAB_VOX // (shape[1] * shape[2]), 1), CHUNK[0], shape[0])
        what = [*shape, depth, *(place.identity() for place in places.values())]
        done, lost = _copied(copy, what)
        with disk_errors(copy):
            if not done:
                chunks = (1, depth, *(min(c, n) for c, n in zip(CHUNK[1:], shape[1:], strict=True)))
                zarr.create_array(
                    copy / "0",
                    shape=(len(planes), *shape),
                    chunks=chunks,
                    dtype=np.uint16,
                    fill_value=0,
                    overwrite=True,
                )
            target: Any = zarr.open_array(copy / "0", mode="r+").with_config({"write_empty_chunks": True})
            for z in range(done, shape[0], depth):
                report("reading the image", z, shape[0])
                end = min(z + depth, shape[0])
                for c, (name, read) in enumerate(planes.items()):
                    target[c, z:end], damaged = _slab(read, (z, end), shape[1:], places[name], name)
                    lost += [{"channel": name, "plane": plane, "why": why} for plane, why in damaged.items()]
                write_json(copy / COPIED, {"what": what, "planes": end, "lost": lost})
    if len({one["plane"] for one in lost}) == shape[0]:
        raise SynimgError(f"no part of the image can be measured: {lost[0]['why']}")
    report("reading the image", shape[0], shape[0])
    return copy


def _copied(copy: Path, what: list[Any]) -> tuple[int, list[dict[str, Any]]]:
    """How many planes an earlier call has copied of the same files, and which of them are lost."""
    if not (copy / COPIED).is_file():
        return 0, []
    facts = read_json(copy / COPIED)
    return (int(facts["planes"]), facts["lost"]) if facts["what"] == what else (0, [])


def lost_planes(image: Path) -> tuple[list[Box], list[str]]:
    """Boxes of the planes that could not be copied in some channel, and a sentence for each such channel."""
    if not (image / COPIED).is_file():
        return [], []
    shape, lost = open_array(image).shape, read_json(image / COPIED)["lost"]
    boxes: list[Box] = [
        ((first, 0, 0), (last + 1 - first, *shape[2:])) for first, last in _runs({one["plane"] for one in lost})
    ]
    said = []
    for name in dict.fromkeys(one["channel"] for one in lost):
        mine = [one for one in lost if one["channel"] == name]
        which = ", ".join(
            f"{a} to {b}" if b > a else str(a) for a, b in _runs({one["plane"] for one in mine})[:MOST_RUNS]
        )
        said.append(
            f"{len(mine)} of the {shape[1]} planes of channel '{name}' cannot be read, counted from 0: {which}"
            f"{', and more' if len(_runs({one['plane'] for one in mine})) > MOST_RUNS else ''}; {mine[0]['why']}"
        )
    return boxes, said


def _runs(planes: set[int]) -> list[tuple[int, int]]:
    """First and last of the planes that follow one another."""
    runs = [list(run) for _, run in groupby(enumerate(sorted(planes)), key=lambda at: at[1] - at[0])]
    return [(run[0][1], run[-1][1]) for run in runs]


def _slab(
    read: Planes, planes: tuple[int, int], size: tuple[int, ...], place: Place, channel: str
) -> tuple[NDArray[np.uint16], dict[int, str]]:
    """Grey levels of the planes from the first to before the last, zero where a plane cannot be read, and why it cannot."""
    try:
        values = read(*planes)
    except SynimgError:
        pass  # plane by plane: only those that are damaged are lost
    else:
        return _grey(values, place, channel), {}
    grey, lost = np.zeros((planes[1] - planes[0], *size), np.uint16), {}
    for target, z in zip(grey, range(*planes), strict=True):
        try:
            values = read(z, z + 1)
        except SynimgError as error:
            lost[z] = str(error)
        else:
            target[...] = _grey(values, place, channel)[0]
    return grey, lost


def _grey(values: NDArray[Any], place: Place, channel: str) -> NDArray[np.uint16]:
    """Voxels as grey levels from 0 to 65535.

    Raises
    ------
    SynimgError
        If they are others.
    """
    where = f"{place.path} ('{channel}')"
    if values.dtype.kind not in "ui":
        raise SynimgError(
            f"{where}: holds {values.dtype}; receptors are counted in the grey levels that the camera gave, whole numbers from "
            f"0 to {LARGEST}"
        )
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > LARGEST:
        raise SynimgError(
            f"{where}: has grey levels from {low} to {high}; receptors are counted in those that the camera gave, 0 to {LARGEST}"
        )
    return values.astype(np.uint16)


@contextmanager
def _opened(places: dict[str, Place]) -> Iterator[tuple[tuple[int, int, int], dict[str, Planes]]]:
    """The shape (z, y, x) that all channels have, and each channel's planes."""
    found: dict[str, Planes] = {}
    shapes: dict[str, tuple[int, int, int]] = {}
    with _files() as open_one:
        for name, place in places.items():
            shapes[name], found[name] = open_one(place)
        if len(set(shapes.values())) > 1:
            said = ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
            raise SynimgError(f"{next(iter(places.values())).path}: channels differ in shape (z, y, x): {said}")
        yield next(iter(shapes.values())), found


@contextmanager
def _files() -> Iterator[Callable[[Place], tuple[tuple[int, int, int], Planes]]]:
    """A function that opens the stack at a place; all are closed at the end."""
    opened: list[tifffile.TiffFile] = []

    def open_one(place: Place) -> tuple[tuple[int, int, int], Planes]:
        if place.scene is None:
            if not place.path.is_file():
                raise SynimgError(f"{place.path}: no such file")
            with reading_tiff(str(place.path), TRUNCATED):
                with damage_heard() as heard:
                    opened.append(tifffile.TiffFile(place.path))
                return _of_tiff(stack_of(opened[-1], place.path, bool(heard)), place)
        if ome_zarr.is_ome_zarr(place.path):
            return _of_zarr(place)
        return place.scene.shape, open_planes(place.scene, place.index)

    try:
        yield open_one
    finally:
        for file in opened:
            file.close()


def _of_tiff(stack: TiffStack, place: Place) -> tuple[tuple[int, int, int], Planes]:
    """A channel of a TIFF file, of which planes are read when they are asked for."""
    kept = [(a.replace("I", "Z").replace("Q", "Z"), n) for a, n in zip(stack.axes, stack.shape, strict=True)]
    if "S" in stack.axes:
        raise SynimgError(
            f"{place.path}: a colour (RGB) picture; receptors are counted in greyscale channels: export those"
        )
    lead = [(a, n) for a, n in kept[:-2] if n > 1]
    names = [a for a, _ in lead]
    n_channels = dict(lead).get("C", 1)
    if [a for a, _ in kept[-2:]] != ["Y", "X"] or set(names) - {"C", "Z"} or len(set(names)) < len(names):
        raise SynimgError(
            f"{place.path}: has the axes {stack.axes} and the shape {stack.shape}; a stack has channel, z, y and x"
            f"{': export one time point' if 'T' in names else ''}"
        )
    if place.index >= n_channels:
        many = "1 channel" if n_channels == 1 else f"{n_channels} channels"
        why = ", as far as can be read: the file is truncated or damaged" if stack.is_damaged else ""
        raise SynimgError(f"{place.path}: has {many}{why}; channel {place.index} is not among them, the first is 0")
    n_planes, size, sizes = dict(lead).get("Z", 1), (kept[-2][1], kept[-1][1]), [n for _, n in lead]

    def read(first: int, last: int) -> NDArray[Any]:
        planes = []
        for z in range(first, last):
            one = [place.index if a == "C" else z for a in names]
            at = int(np.ravel_multi_index(one, sizes)) if one else 0
            with reading_tiff(f"{place.path}: plane {z} of channel {place.index}", TRUNCATED):
                planes.append(stack.plane(at))
        return np.stack(planes)

    return (n_planes, *size), read


def _of_zarr(place: Place) -> tuple[tuple[int, int, int], Planes]:
    """A channel of an OME-Zarr image, at its first time point."""
    image = ome_zarr.describe(place.path)
    source = open_array(place.path, image.levels[0])
    assert place.scene is not None

    def read(first: int, last: int) -> NDArray[Any]:
        of_axis = {"c": place.index, "z": slice(first, last), "y": slice(None), "x": slice(None)}
        try:
            values = np.asarray(source[tuple(of_axis.get(a, 0) for a in image.axes)])
        except (ValueError, RuntimeError, OSError) as error:
            raise SynimgError(
                f"{place.path}: a chunk in the planes {first} to {last - 1} is truncated or altered "
                f"({str(error).splitlines()[0]}); copy the image again"
            ) from None
        left = [a for a in image.axes if a in "zyx"]
        values = np.transpose(values, [left.index(a) for a in "zyx" if a in left])
        return values[None] if values.ndim == 2 else values

    return place.scene.shape, read


def projection(image: Path) -> NDArray[np.uint16]:
    """The brightest of each column (channel, y, x) of the array ``0``; zero where all of it is damaged."""
    array = open_array(image)
    _, n, *size = array.shape
    depth = max(MOST_SLAB_VOX // (size[0] * size[1]), 1)
    brightest = np.zeros((array.shape[0], *size), np.uint16)
    for z in range(0, n, depth):
        values, _ = read_intact(image, "0", ((z, 0, 0), (min(depth, n - z), size[0], size[1])))
        np.maximum(brightest, values.max(axis=1), out=brightest)
    return brightest
