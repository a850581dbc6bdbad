"""Images on disk: OME-Zarr 0.5, written block by block, every chunk with a checksum inside and one outside."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors, read_json, sha256

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""First voxel and shape of a block (z, y, x)."""

LEAST_LEVELS = 3
VIEWED_VOX, HALVED_VOX = 512, 256
"""Levels are added until no edge is longer than `VIEWED_VOX`; edges of at most `HALVED_VOX` are then left as they are."""


@dataclass(frozen=True)
class Level:
    """A level of the pyramid: its shape, and how many voxels of the image along z, y, x make one of its voxels."""

    shape: tuple[int, int, int]
    factor: tuple[int, int, int]


def blocks(shape: tuple[int, int, int], chunk: tuple[int, int, int]) -> list[Box]:
    """Boxes of size `chunk` that tile `shape`, in C order, cut at the far faces."""
    boxes = []
    for z in range(0, shape[0], chunk[0]):
        for y in range(0, shape[1], chunk[1]):
            for x in range(0, shape[2], chunk[2]):
                start = (z, y, x)
                size = tuple(min(c, n - s) for c, n, s in zip(chunk, shape, start, strict=True))
                boxes.append((start, size))
    return boxes  # type: ignore[return-value]


def pyramid(shape: tuple[int, int, int], voxel_um: tuple[float, float, float]) -> list[Level]:
    """The levels of an image's pyramid, the image itself first.

    Parameters
    ----------
    shape, voxel_um : tuple
        Voxels (z, y, x) and their size [um].

    Notes
    -----
    y and x are halved at each step. z, along which voxels are longer to begin with, follows in a large image as soon as its
    voxels are no longer than those along y, so that coarse voxels become round.
    """
    levels = [Level(shape, (1, 1, 1))]
    while len(levels) < LEAST_LEVELS or max(levels[-1].shape) > VIEWED_VOX:
        last = levels[-1]
        is_early = len(levels) < LEAST_LEVELS
        z, y, x = (n > HALVED_VOX for n in last.shape)
        y, x = (y or is_early, x or is_early)
        z_um, y_um, x_um = (f * v for f, v in zip(last.factor, voxel_um, strict=True))
        z = z and (z_um <= max(y_um, x_um) or not (y or x))
        steps = [1 + (halved and n > 1) for halved, n in zip((z, y, x), last.shape, strict=True)]
        of_shape = tuple(-(-n // step) for n, step in zip(last.shape, steps, strict=True))
        of_factor = tuple(f * step for f, step in zip(last.factor, steps, strict=True))
        levels.append(Level(of_shape, of_factor))  # type: ignore[arg-type]
    return levels


def create_image(
    path: Path,
    shape: tuple[int, int, int],
    chunk: tuple[int, int, int],
    voxel_um: tuple[float, float, float],
    channels: list[dict[str, Any]],
    acquisition: dict[str, Any],
    block: tuple[int, int, int] | None = None,
) -> None:
    """Create an empty multiscale image with label images `neurons` and `synapses`, valid OME-Zarr 0.5.

    Parameters
    ----------
    path : Path
        Folder to create, ``*.ome.zarr``; of an image that is there already the voxels are kept.
    shape, chunk : tuple of int
        Voxels (z, y, x) of the image and of a chunk.
    voxel_um : tuple of float
        Voxel size [um].
    channels : list of dict
        Each with ``name``, ``color`` (hex) and ``window`` (low, high grey level to show).
    acquisition : dict
        What the experimenter knows about the recording; kept under the attribute ``synimg``.
    block : tuple of int, optional
        Voxels of a file (a shard), a multiple of `chunk`; a file per chunk if not given.
    """
    block = block or chunk
    with disk_errors(path):
        for file in path.rglob("zarr.json"):
            file.unlink()  # written anew: a power cut may have left a part of it
        group = zarr.open_group(path, mode="a", zarr_format=3)
        name = path.name.removesuffix(".ome.zarr")
        group.attrs["ome"] = {
            "version": "0.5",
            "multiscales": [_multiscale(name, shape, voxel_um, with_channel=True)],
            "omero": {"channels": [_omero(c) for c in channels], "rdefs": {"model": "color"}},
        }
        group.attrs["synimg"] = acquisition
        levels = pyramid(shape, voxel_um)
        for k, level in enumerate(levels):
            _array(group, str(k), (len(channels), *level.shape), (1, *chunk), (1, *block), np.uint16, "czyx")
        labels = group.require_group("labels")
        labels.attrs["ome"] = {"version": "0.5", "labels": ["neurons", "synapses"]}
        for label in ("neurons", "synapses"):
            one = labels.require_group(label)
            one.attrs["ome"] = {
                "version": "0.5",
                "multiscales": [_multiscale(label, shape, voxel_um, with_channel=False)],
                "image-label": {"source": {"image": "../../"}},
            }
            for k, level in enumerate(levels):
                _array(one, str(k), level.shape, chunk, block, np.uint32, "zyx")


def _array(
    group: Any, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], block: tuple[int, ...], dtype: Any, axes: str
) -> None:
    group.create_array(
        name,
        shape=shape,
        chunks=chunk,
        shards=None if block == chunk else block,
        dtype=dtype,
        fill_value=0,
        dimension_names=list(axes),
        # the checksum sits inside the chunk, so that a flipped byte is an error at reading and never data; noise is best
        # compressed by bytes and at the lowest level: bits at level 3 take twice as long and 15 % more of the disk
        compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", blocksize=2**18), Crc32cCodec()],
    )


def _multiscale(
    name: str, shape: tuple[int, int, int], voxel_um: tuple[float, float, float], with_channel: bool
) -> dict[str, Any]:
    axes: list[dict[str, str]] = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    datasets = []
    for k, level in enumerate(pyramid(shape, voxel_um)):
        scale = [v * f for v, f in zip(voxel_um, level.factor, strict=True)]
        shift = [v * (f - 1) / 2 for v, f in zip(voxel_um, level.factor, strict=True)]
        lead: tuple[list[float], list[float]] = ([1.0], [0.0]) if with_channel else ([], [])
        datasets.append(
            {
                "path": str(k),
                "coordinateTransformations": [
                    {"type": "scale", "scale": lead[0] + scale},
                    {"type": "translation", "translation": lead[1] + shift},
                ],
            }
        )
    if with_channel:
        axes = [{"name": "c", "type": "channel"}, *axes]
    return {"name": name, "axes": axes, "datasets": datasets, "type": "mean" if with_channel else "nearest"}


def _omero(channel: dict[str, Any]) -> dict[str, Any]:
    low, high = channel["window"]
    window = {"min": 0, "max": 65535, "start": low, "end": high}
    return {"label": channel["name"], "color": channel["color"], "active": True, "window": window}


def write_block(path: Path, array: str, box: Box, values: NDArray[Any]) -> dict[str, str]:
    """Write a block (all channels) that is aligned with the files into `array`; return the checksums of the files it became.

    Parameters
    ----------
    path : Path
        The ``*.ome.zarr`` folder.
    array : str
        Path of the array in it, such as ``"0"`` or ``"labels/neurons/0"``.
    box : Box
        Where; its start lies on the border of a file.
    values : (c, z, y, x) or (z, y, x) ndarray
        What.

    Raises
    ------
    SynimgError
        If the image is not there, as on a worker that does not share the disk, or the disk is full.
    """
    if not path.is_dir():
        raise SynimgError(f"{path}: not there for a worker; the machines of a cluster must share the disk of --out")
    with disk_errors(path):
        target = _for_writing(path / array, (path / array / "zarr.json").stat().st_mtime_ns)
        where = tuple(slice(s, s + n) for s, n in zip(*box, strict=True))
        target[(slice(None), *where) if values.ndim == 4 else where] = values
    return {str(file.relative_to(path)): sha256(file) for file in chunk_files(path, array, box)}


@lru_cache(maxsize=16)
def _for_writing(path: Path, changed_ns: int) -> Any:
    """An array, opened once for all of its blocks; again where its description was written anew."""
    # a chunk of zeros is written too: an absent file must always mean a missing chunk
    return zarr.open_array(path, mode="r+").with_config({"write_empty_chunks": True})


def chunk_files(path: Path, array: str, box: Box) -> Iterator[Path]:
    """Files of the chunks that `box` fills in `array`."""
    spec = read_json(path / array / "zarr.json")
    chunk = spec["chunk_grid"]["configuration"]["chunk_shape"]
    index = [str(s // c) for s, c in zip(box[0], chunk[-3:], strict=True)]
    lead = [[str(c)] for c in range(spec["shape"][0])] if len(chunk) == 4 else [[]]
    for first in lead:
        yield path.joinpath(array, "c", *first, *index)


def read_block(path: Path, array: str, box: Box | None = None, channels: Any = slice(None)) -> NDArray[Any]:
    """The voxels of a box (or of the whole array), of the given channels.

    Raises
    ------
    SynimgError
        If a chunk is missing, truncated or altered; the sentence names the region.
    """
    source = open_array(path, array)
    start, size = box or ((0, 0, 0), tuple(source.shape[-3:]))
    where = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
    region = ", ".join(f"{a} {w.start}:{w.stop}" for a, w in zip("zyx", where, strict=True))
    index = (channels, *where) if source.ndim == 4 else where
    if file := missing_chunk(path / array, source, index):
        raise SynimgError(f"{file}: a chunk is missing; run 'synimg generate' again to render it")
    try:
        values: NDArray[Any] = source[index]
    except (ValueError, RuntimeError, OSError) as error:
        raise SynimgError(
            f"{path}/{array}: a chunk in {region} is truncated or altered ({str(error).splitlines()[0]}); "
            "'synimg verify' names the file"
        ) from None
    return values


def read_intact(path: Path, array: str, box: Box) -> tuple[NDArray[Any], list[Box]]:
    """The voxels of a box in all channels, zero where a chunk is missing, truncated or altered, and these chunks.

    Returns
    -------
    values : (c, z, y, x) ndarray
        The voxels.
    damaged : list of Box
        Where damaged chunks lie, in the order of z, y, x; each once, in whichever channel it is damaged.

    Raises
    ------
    SynimgError
        If the image as a whole cannot be read.
    """
    source = open_array(path, array)
    try:
        return read_block(path, array, box), []
    except SynimgError:
        pass  # chunk by chunk: only those that hold damage are lost
    start, size = box
    values = np.zeros((source.shape[0], *size), source.dtype)
    damaged = []
    for first, extent in chunks_of(source.shape[-3:], source.chunks[-3:], box):
        target = within((first, extent), box)
        part: Any = (
            tuple(s + t.start for s, t in zip(start, target, strict=True)),
            tuple(t.stop - t.start for t in target),
        )
        is_whole = True
        for channel, plane in enumerate(values):
            try:
                plane[target] = read_block(path, array, part, channel)
            except SynimgError:
                is_whole = False
        if not is_whole:
            damaged.append((first, extent))
    return values, damaged


def within(part: Box, box: Box) -> tuple[slice, slice, slice]:
    """Where the voxels that a part of the image shares with a box lie in the box."""
    z, y, x = (slice(min(max(f - s, 0), n), max(min(f + e - s, n), 0)) for f, e, s, n in zip(*part, *box, strict=True))
    return z, y, x


def chunks_of(shape: tuple[int, ...], chunk: tuple[int, ...], box: Box) -> list[Box]:
    """The chunks (z, y, x) of an image that a box touches, each as a whole, cut at the image's far faces."""
    spans = [range(s // c, -(-(s + n) // c)) for s, n, c in zip(*box, chunk, strict=True)]
    found: list[Any] = []
    for index in itertools.product(*spans):
        first = tuple(i * c for i, c in zip(index, chunk, strict=True))
        found.append((first, tuple(min(c, n - f) for c, n, f in zip(chunk, shape, first, strict=True))))
    return found


def missing_chunk(array: Path, source: Any, index: tuple[slice | int, ...]) -> Path | None:
    """The file of a chunk that is not there, of those in which a part of an array lies: zarr itself reads it as zeros.

    Parameters
    ----------
    array : Path
        Folder of the array.
    source : zarr array
        The same, opened.
    index : tuple of slice or int
        The part, along each axis.
    """
    spans = []
    for part, n, chunk in zip(index, source.shape, source.shards or source.chunks, strict=True):
        start, stop, _ = part.indices(n) if isinstance(part, slice) else (int(part), int(part) + 1, 1)
        spans.append(range(start // chunk, -(-stop // chunk)))
    files = (array / source.metadata.encode_chunk_key(place) for place in itertools.product(*spans))
    return next((file for file in files if not file.is_file()), None)


def open_array(path: Path, array: str = "0") -> Any:
    """The zarr array `array` of an image, for lazy reading.

    Raises
    ------
    SynimgError
        If there is none.
    """
    try:
        return zarr.open_array(path / array, mode="r")
    except (FileNotFoundError, KeyError, ValueError, TypeError, json.JSONDecodeError) as error:
        raise SynimgError(f"{path}: no readable OME-Zarr image there ({str(error).splitlines()[0]})") from None


def image_attributes(path: Path) -> dict[str, Any]:
    """The attributes ``ome`` and ``synimg`` of an OME-Zarr image.

    Raises
    ------
    SynimgError
        If the folder holds no OME-Zarr image.
    """
    if not (path / "zarr.json").is_file():
        raise SynimgError(f"{path}: no OME-Zarr 0.5 image there (zarr.json is missing)")
    attributes: dict[str, Any] = read_json(path / "zarr.json").get("attributes", {})
    if "ome" not in attributes:
        raise SynimgError(f"{path}: a zarr group, but not an OME-Zarr 0.5 image (no 'ome' attribute)")
    return attributes


def levels_of(path: Path) -> list[tuple[str, float]]:
    """The levels of an image of ours as it is, the finest first: name of the array, and size of its voxels along x [um]."""
    datasets = image_attributes(path)["ome"]["multiscales"][0]["datasets"]
    return [(str(d["path"]), float(d["coordinateTransformations"][0]["scale"][-1])) for d in datasets]
