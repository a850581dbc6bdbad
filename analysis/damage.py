"""Chunks and planes of an image that are lost: what stands in for their voxels, and how near to them nothing is measured.

Lost is what is missing or damaged, and what was never recorded: a chunk of one grey level alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.recording import Recording
from synimg.store.image import Box, chunks_of, open_array, read_block, read_intact, within
from synimg.store.volume import lost_boxes
from synimg.streams import stream

Floats = NDArray[np.float64]
Margin = tuple[int, int, int]


def read_recorded(image: Path, box: Box, recording: Recording) -> tuple[NDArray[np.uint16], list[Box]]:
    """Grey levels (channel, z, y, x) of a box, and the chunks and planes in it that are lost in any channel."""
    grey, damaged = read_intact(image, "0", box)
    damaged += [b for b in lost_boxes(image)[0] if all(s.stop > s.start for s in within(b, box))]
    if not is_noisy(recording):
        return grey, damaged
    lost, array, gone = set(damaged), open_array(image), _mask(damaged, box)
    for chunk in chunks_of(array.shape[-3:], array.chunks[-3:], box):
        where = within(chunk, box)
        if gone[where].all():
            continue
        for channel, values in enumerate(grey):
            if _is_one_level(values[where]) and _is_one_level(read_block(image, "0", chunk, channel)):
                lost.add(chunk)
    return grey, sorted(lost)


def is_noisy(recording: Recording) -> bool:
    """Whether the camera gives two voxels in the dark different grey levels: one level alone is no recording then."""
    camera = recording.camera
    return bool(camera.read_noise_electrons * camera.gain_adu_per_electron > 0.5)


def _is_one_level(values: NDArray[np.uint16]) -> bool:
    return bool(values.min() == values.max())


def why_lost(image: Path, box: Box, recording: Recording) -> str:
    """Why none of a box can be measured."""
    grey, damaged = read_intact(image, "0", box)
    if not damaged and not lost_boxes(image)[0]:
        for channel, values in zip(recording.channels, grey, strict=True):
            if _is_one_level(values):
                return f"channel '{channel.called}' holds the grey level {values.flat[0]} alone; it was not recorded"
    if recording.identity.get("kind") == "traces":
        return "its chunks are missing, damaged or of one grey level alone; copy the image again"
    return "its chunks are missing, damaged or empty; 'synimg verify' names those that 'synimg repair' renders again"


def _mask(boxes: Sequence[Box], box: Box) -> NDArray[np.bool_]:
    """Which voxels (z, y, x) of a box lie in others."""
    mask: NDArray[np.bool_] = np.zeros(box[1], bool)
    for one in boxes:
        mask[within(one, box)] = True
    return mask


def stand_in(
    grey: NDArray[np.uint16], box: Box, damaged: Sequence[Box], recording: Recording
) -> NDArray[np.uint16] | None:
    """Grey levels (channel, z, y, x) of a box with noise in the place of lost chunks; None if nothing else is in it.

    Notes
    -----
    Each channel's noise has the median of its intact voxels and the camera's scatter, so that neither the background nor
    the search sees an edge there. It belongs to the box: the same for any order of work.
    """
    lost = _mask(damaged, box)
    if lost.all():
        return None
    offset, gain, read_noise = recording.pixels(box[0], grey.shape)
    made, rng = grey.copy(), stream(0, "measure", "damaged", *box[0])
    for channel, target in zip(grey, made, strict=True):
        level = max(float(np.median(((channel - offset) / gain)[~lost])), 0.0)
        electrons = rng.poisson(level, lost.shape) + read_noise * rng.standard_normal(lost.shape)
        noise = np.clip(np.rint(offset + gain * electrons), 0, np.iinfo(grey.dtype).max)
        target[lost] = noise[lost].astype(grey.dtype)
    return made


def is_near(points_vox: Floats, damaged: Sequence[Box], margin_vox: Margin) -> NDArray[np.bool_]:
    """Whether places (n, 3) lie in a lost chunk or within the margin of it, in which a fit would miss light."""
    near: NDArray[np.bool_] = np.zeros(len(points_vox), bool)
    for first, size in damaged:
        low, high = np.array(first) - margin_vox, np.array(first) + size + margin_vox
        near |= ((points_vox > low - 0.5) & (points_vox < high - 0.5)).all(axis=1)
    return near


def share_lost(damaged: Sequence[Box], margin_vox: Margin, shape_vox: tuple[int, ...]) -> float:
    """Share of an image's voxels that are near lost chunks, each counted once."""
    if not damaged:
        return 0.0
    first, size = np.array([b[0] for b in damaged]), np.array([b[1] for b in damaged])
    low = np.maximum(first - margin_vox, 0)
    high = np.minimum(first + size + margin_vox, shape_vox)
    # between two neighbouring faces of any box a cell is in or out as a whole
    edges = [np.unique(np.concatenate([low[:, k], high[:, k]])) for k in range(3)]
    is_in: NDArray[np.bool_] = np.zeros([e.size - 1 for e in edges], bool)
    for a, b in zip(low, high, strict=True):
        is_in[tuple(slice(*np.searchsorted(e, (a[k], b[k]))) for k, e in enumerate(edges))] = True
    z, y, x = (np.diff(e) for e in edges)
    return float((is_in * z[:, None, None] * y[:, None] * x).sum() / np.prod(shape_vox))


def place_of(box: Box, voxel_um: Sequence[float]) -> str:
    """A chunk's place in words: voxels, and micrometres."""
    voxels = ", ".join(f"{axis} {s}:{s + n}" for axis, s, n in zip("zyx"[-len(box[0]) :], *box, strict=True))
    ends = zip(*box, voxel_um, strict=True)
    return f"voxels {voxels} ({', '.join(f'{s * v:.1f} to {(s + n) * v:.1f}' for s, n, v in ends)} um)"
