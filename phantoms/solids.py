"""What is solid in a block: dendrites and spines as capsules, the dye that fills them, the labels that they leave."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.across import across
from synimg.phantoms.morphology import Tree
from synimg.phantoms.tissue import Tissue
from synimg.store.bins import Bins, Piece, bins_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Capsules = tuple[Floats, Floats, Floats, Ints, Ints]
"""Start (n, 3), end (n, 3), radius (n,), id of the neuron (n,), contact (n,), which is -1 in dendrites and axons."""
Columns = tuple[Floats, Floats, Floats, Ints, Ints, Ints]
"""Of capsules that are found by place; see `by_place`."""
NECK_RADIUS_UM = 0.08  # neck width 0.06 to 0.3 um (Tonnesen et al. 2014, Nat Neurosci 17:678)
FILL_PER_UM3 = 300.0
CAPSULES_AT_ONCE = 1 << 16
"""Capsules that are made at once."""


def capsules(tissue: Tissue) -> Iterator[Capsules]:
    """Dendrites, spines and synapses on shafts as capsules, in pieces."""
    yield from dendrite_capsules(tissue)
    yield from _joined(_synapse_capsules(tissue))


def dendrite_capsules(tissue: Tissue) -> Iterator[Capsules]:
    """The pieces of dendrites as capsules."""
    return _joined(_of_trees(((tree, tree.pieces()) for tree in tissue.trees), tissue.neuron_id))


def _of_trees(trees: Iterable[tuple[Tree, Ints]], neuron_id: Ints) -> Iterator[Capsules]:
    """What lies between the given points of each tree and their parents."""
    for of, (tree, child) in zip(neuron_id, trees, strict=True):
        start, end = tree.points_um[tree.parent[child]], tree.points_um[child]
        yield start, end, tree.radius_um[child], np.full(child.size, of), np.full(child.size, -1)


def _synapse_capsules(tissue: Tissue) -> Iterator[Capsules]:
    on_spine = np.flatnonzero(tissue.is_imaged & (tissue.head_radius_um > 0))
    on_shaft = np.flatnonzero(tissue.is_imaged & (tissue.head_radius_um == 0))
    neck_um = np.full(tissue.is_imaged.size, NECK_RADIUS_UM)
    for contacts, start, end, radius in (
        (on_spine, tissue.base_um, tissue.head_um, neck_um),
        (on_spine, tissue.head_um, tissue.head_um, tissue.head_radius_um),
        (on_shaft, tissue.position_um, tissue.position_um, tissue.disc_radius_um),
    ):
        for i in range(0, contacts.size, CAPSULES_AT_ONCE):
            some = contacts[i : i + CAPSULES_AT_ONCE]
            yield start[some], end[some], radius[some], tissue.neuron_id[tissue.neuron_row[some]], some


def _joined(pieces: Iterator[Capsules]) -> Iterator[Capsules]:
    """Small pieces together: as many as reach `CAPSULES_AT_ONCE`."""
    waiting: list[Capsules] = []
    n = 0
    for piece in itertools.chain(pieces, [None]):
        if piece is not None:
            waiting.append(piece)
            n += piece[2].size
        if waiting and (piece is None or n >= CAPSULES_AT_ONCE):
            start, end, radius, neuron_id, contact = (np.concatenate(c) for c in zip(*waiting, strict=True))
            yield start, end, radius, neuron_id, contact
            waiting, n = [], 0


def is_near(start: Floats, end: Floats, low_um: Floats | float, high_um: Floats | float) -> NDArray[np.bool_]:
    """Which capsules' axes have a bounding box that touches the box between two corners [um]."""
    touches = (np.minimum(start, end) < high_um) & (np.maximum(start, end) > low_um)
    return np.asarray(touches.all(axis=1))


def _volume(start: Floats, end: Floats, radius: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Volume of each capsule without its caps [um^3], and which are balls."""
    length = np.linalg.norm(end - start, axis=1)
    ball = length < 1e-9
    return np.where(ball, 4.0 / 3.0 * np.pi * radius**3, np.pi * radius**2 * length), ball


def n_points(start: Floats, end: Floats, radius: Floats) -> Ints:
    """How many points stand for the dye in each capsule."""
    volume, _ = _volume(start, end, radius)
    return np.maximum(np.ceil(volume * FILL_PER_UM3), 4).astype(np.int64)


def fill(start: Floats, end: Floats, radius: Floats, neuron_id: Ints, first: Ints) -> tuple[Floats, Ints, Floats]:
    """Points that stand for the cytosol: positions (n, 3) [um], neuron id (n,), volume of each (n,) [um^3].

    Parameters
    ----------
    first : (n,) ndarray of int
        Number of a capsule's first point in the sequence.

    Notes
    -----
    A low-discrepancy filling of every capsule (R3 sequence, Roberts 2018), denser than the point spread function is wide, so
    that the dye looks smooth and needs no random numbers. One sequence goes through all capsules, so that no pattern repeats.
    """
    volume, ball = _volume(start, end, radius)
    n = n_points(start, end, radius)
    axis = np.where(ball[:, None], np.array([1.0, 0.0, 0.0]), end - start)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    frame = np.stack([end - start, axis, *across(axis)], axis=1)
    points = _fill(start, frame, radius, ball, n, first)
    return points, np.repeat(neuron_id, n), np.repeat(volume / n, n)


@nb.njit(cache=True)
def _fill(start: Floats, frame: Floats, radius: Floats, ball: NDArray[np.bool_], n: Ints, first: Ints) -> Floats:
    """Points in capsules; `frame` (n, 4, 3) is the way from end to end, its direction and two across."""
    points, row = np.empty((n.sum(), 3)), 0
    for i in range(n.size):
        for k in range(first[i], first[i] + n[i]):
            angle = 2.0 * np.pi * ((k * 0.8191725134 + 0.5) % 1.0)
            v, w = (k * 0.6710436067 + 0.5) % 1.0, (k * 0.5497004779 + 0.5) % 1.0
            height, along = (2.0 * v - 1.0, 0.0) if ball[i] else (0.0, v)
            distance = radius[i] * (np.cbrt(w) if ball[i] else np.sqrt(w))
            across = distance * np.sqrt(1.0 - height * height)
            on_side, on_other, on_axis = across * np.cos(angle), across * np.sin(angle), height * distance
            for a in range(3):
                place = start[i, a] + along * frame[i, 0, a] + on_axis * frame[i, 1, a]
                points[row, a] = place + (on_side * frame[i, 2, a] + on_other * frame[i, 3, a])
            row += 1
    return points


def solids(
    tissue: Tissue, voxel_um: tuple[float, float, float], shape_vox: tuple[int, int, int], folder: Path | None = None
) -> Bins:
    """Everything solid, found by its place in the image: see `by_place`; in files of a `folder`, where one is given."""
    box_um = np.array(shape_vox) * np.array(voxel_um)

    def columns() -> Iterator[Columns]:
        done = 0
        for start, end, radius, neuron_id, contact in capsules(tissue):
            is_head = (contact >= 0) & (np.abs(end - start).max(axis=1) < 1e-9)
            n = n_points(start, end, radius) * is_near(start, end, -1.0, box_um + 1.0)
            yield start, end, radius, neuron_id, np.where(is_head, contact + 1, 0), done + np.cumsum(n) - n
            done += int(n.sum())

    return by_place(columns, voxel_um, shape_vox, folder)


def by_place(
    columns: Callable[[], Iterator[Columns]],
    voxel_um: tuple[float, float, float],
    shape_vox: tuple[int, int, int],
    folder: Path | None,
) -> Bins:
    """Capsules, found by place, for `paint_labels` and for `fill`.

    Parameters
    ----------
    columns : callable
        Gives them in pieces, the same whenever it is called: start and end (n, 3), radius (n,) [um], neuron id, synapse id, 0
        where there is none, and number of the first point of dye (n,).
    """
    longest_um = thickest_um = 0.0
    for start, end, radius, *_ in columns():
        longest_um = max(longest_um, float(np.linalg.norm(end - start, axis=1).max(initial=0.0)))
        thickest_um = max(thickest_um, float(radius.max(initial=0.0)))

    def pieces() -> Iterator[Piece]:
        for start, end, *rest in columns():
            yield 0.5 * (start + end) / np.array(voxel_um), (start, end, *rest)

    half_um = 0.5 * longest_um + thickest_um
    return bins_of(pieces(), shape_vox, tuple(half_um / np.array(voxel_um)), folder)


def paint_labels(
    things: Bins,
    origin_vox: tuple[int, int, int],
    shape_vox: tuple[int, int, int],
    voxel_um: tuple[float, float, float],
    axons: Bins | None = None,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Neuron ids and synapse ids (contact + 1) of every voxel of a block; 0 where there is nothing.

    `things` are the `solids` of a tissue, `axons` the capsules of `Strands`. Where two overlap, the one wins in which the
    voxel's centre lies deeper.
    """
    depth = np.zeros(shape_vox, np.float32)
    neurons, synapses = np.zeros(shape_vox, np.uint32), np.zeros(shape_vox, np.uint32)
    voxel, origin = np.array(voxel_um), np.array(origin_vox)
    for some in (things, *([axons] if axons else [])):
        start, end, radius, neuron, synapse, *_ = some.near(origin, origin + shape_vox)
        _paint(depth, neurons, synapses, origin, voxel, start, end, radius, neuron, synapse)
    return neurons, synapses


@nb.njit(cache=True, nogil=True)
def _paint(
    depth: NDArray[np.float32],
    neurons: NDArray[np.uint32],
    synapses: NDArray[np.uint32],
    origin: Ints,
    voxel: Floats,
    start: Floats,
    end: Floats,
    radius: Floats,
    neuron_id: Ints,
    synapse_id: Ints,
) -> None:
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    shape = np.array(depth.shape)
    for i in range(start.shape[0]):
        empty = False
        for a in range(3):
            bottom = (min(start[i, a], end[i, a]) - radius[i]) / voxel[a] - origin[a]
            top = (max(start[i, a], end[i, a]) + radius[i]) / voxel[a] - origin[a]
            low[a] = max(int(np.floor(bottom)), 0)
            high[a] = min(int(np.ceil(top)) + 1, shape[a])
            empty = empty or high[a] <= low[a]
        if empty:
            continue
        dz, dy, dx = end[i, 0] - start[i, 0], end[i, 1] - start[i, 1], end[i, 2] - start[i, 2]
        squared = dz * dz + dy * dy + dx * dx
        for z in range(low[0], high[0]):
            pz = (z + origin[0]) * voxel[0] - start[i, 0]
            for y in range(low[1], high[1]):
                py = (y + origin[1]) * voxel[1] - start[i, 1]
                for x in range(low[2], high[2]):
                    px = (x + origin[2]) * voxel[2] - start[i, 2]
                    t = 0.0
                    if squared > 0.0:
                        t = min(max((pz * dz + py * dy + px * dx) / squared, 0.0), 1.0)
                    distance = np.sqrt((pz - t * dz) ** 2 + (py - t * dy) ** 2 + (px - t * dx) ** 2)
                    inside = np.float32(radius[i] - distance)
                    if inside >= 0.0 and (neurons[z, y, x] == 0 or inside > depth[z, y, x]):
                        depth[z, y, x] = inside
                        neurons[z, y, x] = neuron_id[i]
                        synapses[z, y, x] = synapse_id[i]
