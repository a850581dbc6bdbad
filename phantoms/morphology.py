"""Dendritic trees: grown into a block of tissue, or imported and placed in it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.config import Tissue as TissueSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP_UM = 0.4
MARGIN_UM = 1.3
CLEARANCE_UM = 1.6
SWC_SOMA, SWC_AXON, SWC_DENDRITE = 1, 2, 3


@dataclass(frozen=True)
class Tree:
    """A neuron's tree.

    points_um : (n, 3) ndarray, z, y, x
    radius_um : (n,) ndarray
    parent : (n,) ndarray of int, -1 for the root; parents come before their children
    swc_type : (n,) ndarray of int, 1 soma, 2 axon, 3 and 4 dendrite
    branch : (n,) ndarray of int, the unbranched section that ends in the point
    """

    points_um: Floats
    radius_um: Floats
    parent: Ints
    swc_type: Ints
    branch: Ints

    def pieces(self, box_um: tuple[float, float, float] | None = None) -> Ints:
        """Points whose piece to the parent is dendrite, and whose middle lies inside the box (with margin)."""
        child = np.flatnonzero((self.parent >= 0) & (self.swc_type >= SWC_DENDRITE))
        child = child[self.swc_type[self.parent[child]] != SWC_AXON]
        if box_um is None:
            return child
        middle = 0.5 * (self.points_um[child] + self.points_um[self.parent[child]])
        box = np.array(box_um)
        margin = np.minimum(MARGIN_UM, box / 4)
        return child[((middle > margin) & (middle < box - margin)).all(axis=1)]

    def length_um(self, pieces: Ints) -> Floats:
        """Lengths of the pieces that end in the given points."""
        return np.linalg.norm(self.points_um[pieces] - self.points_um[self.parent[pieces]], axis=1)


def grow(
    soma_um: Floats,
    box_um: tuple[float, float, float],
    length_um: float,
    settings: TissueSettings,
    rng: np.random.Generator,
    others: cKDTree | None = None,
) -> Tree:
    """A dendritic tree that enters the box from the soma and grows until `length_um` of it lies inside.

    Notes
    -----
    A persistent random walk in steps of 0.4 um; sections have exponential lengths and end in two daughters; near a
    face the walk turns inwards, so that the block holds the whole length. It turns away from the points of `others`,
    which were there before: two dendrites do not share a place.
    """
    box = np.array(box_um)
    inward = box * rng.uniform(0.2, 0.8, 3) - soma_um
    points, parents, radii, branches = [soma_um], [-1], [settings.dendrite_radius_um * 4], [0]
    first = _unit(inward)
    tips = [(0, first, rng.exponential(settings.segment_um) + float(np.linalg.norm(inward)) * 0.5, 1)]
    n_branches, inside_um = 1, 0.0
    while inside_um < length_um:
        index, direction, left_um, branch = tips.pop(0)
        here = points[index]
        direction = _unit(direction + 0.14 * rng.standard_normal(3) + _steer(here, box) + _avoid(here, others))
        there = here + STEP_UM * direction
        points.append(there)
        parents.append(index)
        radii.append(max(settings.dendrite_radius_um * (1.0 - 0.1 * min(n_branches, 4) / 4), 0.1))
        branches.append(branch)
        tip = len(points) - 1
        middle = 0.5 * (here + there)
        margin = np.minimum(MARGIN_UM, box / 4)
        if ((middle > margin) & (middle < box - margin)).all():
            inside_um += STEP_UM
        left_um -= STEP_UM
        if left_um > 0:
            tips.append((tip, direction, left_um, branch))
            continue
        side = _unit(np.cross(direction, rng.standard_normal(3)))
        for sign in (1.0, -1.0):
            n_branches += 1
            turned = _unit(direction + sign * rng.uniform(0.4, 0.8) * side)
            tips.append((tip, turned, 2 * STEP_UM + rng.exponential(settings.segment_um), n_branches))
    n = len(points)
    kinds = np.full(n, SWC_DENDRITE)
    kinds[0] = SWC_SOMA
    return Tree(np.array(points), np.array(radii), np.array(parents), kinds, np.array(branches))


def _unit(vector: Floats) -> Floats:
    unit: Floats = vector / np.linalg.norm(vector)
    return unit


def _steer(point: Floats, box: Floats) -> Floats:
    """A pull inwards that grows as a point nears or leaves the box."""
    soft = np.minimum(3.0, box / 3)
    low = np.clip((soft - point) / soft, 0.0, 1.5)
    high = np.clip((point - (box - soft)) / soft, 0.0, 1.5)
    pull: Floats = 0.25 * (low - high)
    return pull


def _avoid(point: Floats, others: cKDTree | None) -> Floats:
    """A push away from the nearest point of other trees that lies within `CLEARANCE_UM`."""
    if others is None:
        return np.zeros(3)
    distance, nearest = others.query(point, distance_upper_bound=CLEARANCE_UM)
    if not np.isfinite(distance):
        return np.zeros(3)
    push: Floats = 0.6 * (1.0 - distance / CLEARANCE_UM) * _unit(point - others.data[nearest] + 1e-9)
    return push


def place(tree: Tree, box_um: tuple[float, float, float], rng: np.random.Generator) -> Tree:
    """An imported tree, turned about the z axis and shifted so that much of its dendrite lies in the box.

    Of 64 random turns and shifts that put a piece of dendrite into the middle, the one with the most length inside
    among those that leave the soma outside: what is imaged is neuropil.
    """
    box = np.array(box_um)
    pieces = tree.pieces()
    clear = tree.radius_um[0]
    best, most = tree, -1.0
    for _ in range(64):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        turned = tree.points_um @ turn.T
        centre = turned[pieces[rng.integers(pieces.size)]]
        moved = replace(tree, points_um=turned - centre + box * rng.uniform(0.35, 0.65, 3))
        inside = float(moved.length_um(moved.pieces(box_um)).sum())
        if ((moved.points_um[0] > -clear) & (moved.points_um[0] < box + clear)).all():
            inside *= 1e-3  # taken only by a tree so small that its soma cannot lie outside
        if inside > most:
            best, most = moved, inside
    return best


def branches_of(parent: Ints, swc_type: Ints) -> Ints:
    """Unbranched section of every point: a new one begins below a branching, the soma and a change of type."""
    n_children = np.bincount(parent[parent >= 0], minlength=parent.size)
    branch = np.zeros(parent.size, np.int64)
    n = 0
    for i in range(parent.size):
        p = parent[i]
        if p < 0 or n_children[p] != 1 or swc_type[p] != swc_type[i]:
            n += 1
            branch[i] = n
        else:
            branch[i] = branch[p]
    return branch


def resample(tree: Tree, step_um: float = STEP_UM) -> Tree:
    """The same tree with no piece longer than `step_um`, for placing spines and filling with dye."""
    points, radii, kinds, branches, parents = [], [], [], [], []
    where: dict[int, int] = {}
    for i in range(tree.parent.size):
        p = tree.parent[i]
        last = -1 if p < 0 else where[int(p)]
        n = 1
        if p >= 0:
            n = max(1, int(np.ceil(np.linalg.norm(tree.points_um[i] - tree.points_um[p]) / step_um)))
        for k in range(1, n + 1):
            t = k / n
            start = i if p < 0 else p
            points.append((1 - t) * tree.points_um[start] + t * tree.points_um[i])
            soma = p >= 0 and tree.swc_type[p] == SWC_SOMA
            radii.append(tree.radius_um[i] if soma else (1 - t) * tree.radius_um[start] + t * tree.radius_um[i])
            kinds.append(tree.swc_type[i])
            branches.append(tree.branch[i])
            parents.append(last)
            last = len(points) - 1
        where[i] = last
    return Tree(np.array(points), np.array(radii), np.array(parents), np.array(kinds), np.array(branches))
