"""The channels of a stack from any lab as one zarr array of grey levels (channel, z, y, x), of which boxes can be read."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from synimg.store.image import Box, open_array, read_intact
from synimg.store.microscopes import open_channel
from synimg.store.place import Place
from synimg.store.source import Source, planes_of
from synimg.store.tiff import TRUNCATED, damage_heard, reading_tiff
from synimg.store.tiff_stack import TiffStack, stack_of

MOST_SLAB_VOX = 2**25
MOST_RUNS = 3
"""Places that a sentence names."""
CHUNK = (16, 128, 128)
COPIED = "copied.json"
LARGEST = 65535


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
        If channels differ in shape, voxels are no grey levels, or all of a channel is damaged.

    Notes
    -----
    Planes are copied some at a time: what is in memory does not grow with their number. Planes and chunks that cannot be read
    are zero, and `lost_boxes` tells them.
    """
    direct = _as_it_is(list(places.values()))
    if direct is not None:
        return direct
    try:
        return _copy(places, copy, report)
    except SynimgError:
        shutil.rmtree(copy, ignore_errors=True)  # of what cannot be measured nothing is to be gone on with
        raise


def stack_shape(places: dict[str, Place]) -> tuple[tuple[int, int, int], bool]:
    """Voxels (z, y, x) of a stack, and whether some channel has 8 bits alone.

    Raises
    ------
    SynimgError
        If its channels differ in shape, or are no stack.
    """
    with _opened(places) as (shape, channels):
        return shape, any(source.dtype.kind in "ui" and source.dtype.itemsize == 1 for source in channels.values())


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
    with _opened(places) as (shape, channels):
        depth = min(max(MOST_SLAB_VOX // (shape[1] * shape[2]), 1), CHUNK[0], shape[0])
        what = [*shape, depth, *(place.identity() for place in places.values())]
        done, lost = _copied(copy, what)
        with disk_errors(copy):
            if not done:
                chunks = (1, depth, *(min(c, n) for c, n in zip(CHUNK[1:], shape[1:], strict=True)))
                zarr.create_array(
                    copy / "0",
                    shape=(len(channels), *shape),
                    chunks=chunks,
                    dtype=np.uint16,
                    fill_value=0,
                    overwrite=True,
                )
            target: Any = zarr.open_array(copy / "0", mode="r+").with_config({"write_empty_chunks": True})
            for z in range(done, shape[0], depth):
                report("reading the image", z, shape[0])
                end = min(z + depth, shape[0])
                for c, (name, source) in enumerate(channels.items()):
                    values, damaged = source.read_intact(((z, 0, 0), (end - z, *shape[1:])))
                    target[c, z:end] = _grey(values, places[name], name)
                    known = {_box(one["box"]) for one in lost if one["channel"] == name}
                    lost += [{"channel": name, "box": b, "why": why} for b, why in damaged.items() if b not in known]
                write_json(copy / COPIED, {"what": what, "planes": end, "lost": lost})
    for name in channels:
        mine = [one for one in lost if one["channel"] == name]
        if sum(int(np.prod(_box(one["box"])[1])) for one in mine) == np.prod(shape):
            raise SynimgError(f"no part of the image can be measured: {mine[0]['why']}")
    report("reading the image", shape[0], shape[0])
    return copy


def _copied(copy: Path, what: list[Any]) -> tuple[int, list[dict[str, Any]]]:
    """How many planes an earlier call has copied of the same files, and which of them are lost."""
    if not (copy / COPIED).is_file():
        return 0, []
    facts = read_json(copy / COPIED)
    return (int(facts["planes"]), facts["lost"]) if facts["what"] == what else (0, [])


def _box(stated: Any) -> Box:
    """A box out of a file."""
    first, size = (tuple(int(n) for n in numbers) for numbers in stated)
    return first, size  # type: ignore[return-value]


def lost_boxes(image: Path) -> tuple[list[Box], list[str]]:
    """Planes and chunks that could not be copied in some channel, neighbours along z as one, and a sentence for each channel."""
    if not (image / COPIED).is_file():
        return [], []
    shape, lost = open_array(image).shape, read_json(image / COPIED)["lost"]
    said = []
    for name in dict.fromkeys(one["channel"] for one in lost):
        mine = [one for one in lost if one["channel"] == name]
        boxes, why = [_box(one["box"]) for one in mine], mine[0]["why"]
        if any(size != (1, *shape[2:]) for _, size in boxes):
            what = "1 chunk" if len(boxes) == 1 else f"{len(boxes)} chunks"
            said.append(f"{what} of channel '{name}' cannot be read; {why}")
            continue
        runs = [(first[0], first[0] + size[0] - 1) for first, size in _joined(boxes)]
        which = ", ".join(f"{a} to {b}" if b > a else str(a) for a, b in runs[:MOST_RUNS])
        said.append(
            f"{len(mine)} of the {shape[1]} planes of channel '{name}' cannot be read, counted from 0: {which}"
            f"{', and more' if len(runs) > MOST_RUNS else ''}; {why}"
        )
    return _joined([_box(one["box"]) for one in lost]), said


def _joined(boxes: list[Box]) -> list[Box]:
    """Boxes, each once; those that follow one another along z as one."""
    out: list[Any] = []
    for first, size in sorted(set(boxes), key=lambda box: (box[0][1:], box[1][1:], box[0][0])):
        if out and (out[-1][0][1:], out[-1][1][1:]) == (first[1:], size[1:]):
            (start, *at), (depth, *wide) = out[-1]
            if start + depth >= first[0]:
                out[-1] = (start, *at), (max(depth, first[0] + size[0] - start), *wide)
                continue
        out.append((first, size))
    return sorted(out)


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
def _opened(places: dict[str, Place]) -> Iterator[tuple[tuple[int, int, int], dict[str, Source]]]:
    """The shape (z, y, x) that all channels have, and the channels."""
    with _files() as open_one:
        found = {name: open_one(place) for name, place in places.items()}
        shapes = {name: source.shape for name, source in found.items()}
        if len(set(shapes.values())) > 1:
            said = ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
            raise SynimgError(f"{next(iter(places.values())).path}: channels differ in shape (z, y, x): {said}")
        yield next(iter(shapes.values())), found


@contextmanager
def _files() -> Iterator[Callable[[Place], Source]]:
    """A function that opens the channel at a place; all are closed at the end."""
    opened: list[tifffile.TiffFile] = []

    def open_one(place: Place) -> Source:
        if place.scene is None:
            if not place.path.is_file():
                raise SynimgError(f"{place.path}: no such file")
            with reading_tiff(str(place.path), TRUNCATED):
                with damage_heard() as heard:
                    opened.append(tifffile.TiffFile(place.path))
                return _of_tiff(stack_of(opened[-1], place.path, bool(heard)), place)
        if ome_zarr.is_ome_zarr(place.path):
            return ome_zarr.open_channel(ome_zarr.describe(place.path), place.index)
        return open_channel(place.scene, place.index)

    try:
        yield open_one
    finally:
        for file in opened:
            file.close()


def _of_tiff(stack: TiffStack, place: Place) -> Source:
    """A channel of a TIFF file."""
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

    def read(box: Box) -> NDArray[Any]:
        planes = []
        for z in range(box[0][0], box[0][0] + box[1][0]):
            one = [place.index if a == "C" else z for a in names]
            at = int(np.ravel_multi_index(one, sizes)) if one else 0
            with reading_tiff(f"{place.path}: plane {z} of channel {place.index}", TRUNCATED):
                planes.append(stack.plane(at))
        return np.stack(planes)[(slice(None), *(slice(s, s + n) for s, n in zip(box[0][1:], box[1][1:], strict=True)))]

    return Source((n_planes, *size), stack.dtype, read, lambda box: planes_of(box, size))


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
