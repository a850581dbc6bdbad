"""Dendritic trees: grown into a block of tissue, or imported and placed in it."""

import heapq
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.config import Tissue as TissueSettings
from synimg.phantoms.neighbours import Index, Neighbours, nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP_UM = 0.4
MARGIN_UM = 1.3
CLEARANCE_UM = 1.6
LEAST_REACH_UM = 60.0
"""No block is wide for a dendrite that is no wider than this."""
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
    others: Neighbours | None = None,
) -> Tree:
    """Primary dendrites that enter the box from the soma and grow, branching, until `length_um` of them lies inside.

    Notes
    -----
    A persistent random walk in steps of 0.4 um; a tip goes an exponential way of mean `segment_um` (and 0.8 um) and becomes two
    daughters, of which a share (`fork_share`) branch again and the others run on to the end. As the tree ends while tips still
    grow, the sections that it has are shorter where all branch: `segment_um` / 2 on average, as in Yule's process (Steel and
    Mooers 2010, Appl Math Lett 23:1315). All tips go on at one pace, or each section at its mother's times a log-normal number
    (`pace_sd_ln`), so that some dendrites reach much farther than others. Near a face the walk turns inwards, so that the block
    holds the whole length. It turns away from the points of `others`, which were there before and are found within
    `CLEARANCE_UM`: two dendrites do not share a place.
    """
    box, n = np.array(box_um), settings.n_primary_dendrites
    near_um = np.minimum(box, reach_um(length_um, settings))
    low = np.clip(soma_um - near_um / 2, 0.0, box - near_um)
    inward, first_um = np.empty((n, 3)), np.empty(n)
    is_outside = bool(((soma_um < 0) | (soma_um > box)).any())
    for k in range(n):
        inward[k] = low + near_um * rng.uniform(0.2, 0.8, 3) - soma_um
        # from outside it has to come into the block before it branches
        first_um[k] = rng.exponential(settings.segment_um) + is_outside * float(np.linalg.norm(inward[k])) * 0.5
    index = (others or Neighbours(box_um, CLEARANCE_UM)).index
    law = settings.segment_um, settings.fork_share, settings.bend, settings.pace_sd_ln, settings.dendrite_radius_um
    points, parents, radii, branches = _walk(soma_um, inward, first_um, box, length_um, law, rng, index)
    kinds = np.full(len(points), SWC_DENDRITE)
    kinds[0] = SWC_SOMA
    return Tree(points, radii, parents, kinds, branches)


def reach_um(length_um: float, settings: TissueSettings) -> float:
    """How far dendrites get from the soma if so much of them lies in a block: what is farther off it need not be sought there."""
    return max(LEAST_REACH_UM, length_um / settings.n_primary_dendrites)


@nb.njit(cache=True)
def _walk(
    soma_um: Floats,
    inward: Floats,
    first_um: Floats,
    box: Floats,
    length_um: float,
    law: tuple[float, float, float, float, float],
    rng: np.random.Generator,
    index: Index,
) -> tuple[Floats, Ints, Floats, Ints]:
    """Points, parents, radii and branches of a tree; see `grow`."""
    segment_um, fork_share, bend, pace_sd_ln, radius_um = law
    points, parents, radii, branches = (
        np.empty((1024, 3)),
        np.empty(1024, np.int64),
        np.empty(1024),
        np.empty(1024, np.int64),
    )
    _put(points, 0, soma_um)
    parents[0], radii[0], branches[0] = -1, radius_um * 4, 0
    # of each branch, by its number: its last point, its direction, the way left and its pace
    n_branches = first_um.size
    tip, left, pace = np.zeros(1024, np.int64), np.empty(1024), np.empty(1024)
    heading = np.empty((1024, 3))
    for k in range(n_branches):
        _put(heading, k + 1, _unit(inward[k]))
        left[k + 1], pace[k + 1] = first_um[k], _pace(1.0, pace_sd_ln, rng)
    turns = [(0.0, 0, branch) for branch in range(1, n_branches + 1)]  # when, after which point, which branch
    n, inside_um = 1, 0.0
    margin, soft = np.minimum(MARGIN_UM, box / 4), np.minimum(3.0, box / 3)
    found, distance = np.empty(1, np.int64), np.empty(1)
    while inside_um < length_um:
        if n + 1 > len(points):
            points, parents = np.concatenate((points, points)), np.concatenate((parents, parents))
            radii, branches = np.concatenate((radii, radii)), np.concatenate((branches, branches))
        if n_branches + 3 > len(tip):
            tip, left = np.concatenate((tip, tip)), np.concatenate((left, left))
            pace, heading = np.concatenate((pace, pace)), np.concatenate((heading, heading))
        turn, _, branch = heapq.heappop(turns)
        here, direction = points[tip[branch]], heading[branch] + bend * _normal3(rng)
        # a pull inwards that grows as a point nears or leaves the box
        low = np.minimum(np.maximum((soft - here) / soft, 0.0), 1.5)
        high = np.minimum(np.maximum((here - (box - soft)) / soft, 0.0), 1.5)
        direction += 0.25 * (low - high)
        if nearest(here, CLEARANCE_UM, index, found, distance):
            away = _unit(here - index[0][found[0]] + 1e-9)
            direction += 0.6 * (1.0 - distance[0] / CLEARANCE_UM) * away
        direction = _unit(direction)
        _put(points, n, here + STEP_UM * direction)
        parents[n], branches[n] = tip[branch], branch
        radii[n] = max(radius_um * (1.0 - 0.1 * min(n_branches, 4) / 4), 0.1)
        middle = 0.5 * (here + points[n])
        if ((middle > margin) & (middle < box - margin)).all():
            inside_um += STEP_UM
        turn += 1.0 / pace[branch]
        left[branch] -= STEP_UM
        if left[branch] > 0:
            tip[branch] = n
            _put(heading, branch, direction)
            heapq.heappush(turns, (turn, n, branch))
        else:
            side = _unit(_cross(direction, _normal3(rng)))
            for sign in (1.0, -1.0):
                n_branches += 1
                tip[n_branches] = n
                _put(heading, n_branches, _unit(direction + sign * rng.uniform(0.4, 0.8) * side))
                left[n_branches] = 2 * STEP_UM + rng.exponential(segment_um)
                if fork_share < 1.0 and rng.random() > fork_share:
                    left[n_branches] = np.inf
                pace[n_branches] = _pace(pace[branch], pace_sd_ln, rng)
                heapq.heappush(turns, (turn, n, n_branches))
        n += 1
    return points[:n].copy(), parents[:n].copy(), radii[:n].copy(), branches[:n].copy()


@nb.njit(inline="always")
def _put(rows: Floats, i: int, vector: Floats) -> None:
    """Set a row number by number: numba takes seconds to compile `rows[i] = vector` with what it would say of its shape."""
    for axis in range(3):
        rows[i, axis] = vector[axis]


@nb.njit
def _pace(of_mother: float, sd_ln: float, rng: np.random.Generator) -> float:
    return of_mother * np.exp(sd_ln * rng.standard_normal()) if sd_ln > 0.0 else of_mother


@nb.njit(inline="always")
def _normal3(rng: np.random.Generator) -> Floats:
    return np.array([rng.standard_normal(), rng.standard_normal(), rng.standard_normal()])


@nb.njit(inline="always")
def _unit(vector: Floats) -> Floats:
    unit: Floats = vector / np.sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2])
    return unit


@nb.njit(inline="always")
def _cross(a: Floats, b: Floats) -> Floats:
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def sholl_crossings(tree: Tree, shell_um: float) -> tuple[Floats, Ints]:
    """Radii of spheres around the root [um], `shell_um` apart, and how often dendrite crosses each (Sholl 1953, J Anat 87:387)."""
    child = tree.pieces()
    distance: Floats = np.linalg.norm(tree.points_um - tree.points_um[0], axis=1)
    low, high = np.sort([distance[tree.parent[child]], distance[child]], axis=0)
    radius: Floats = shell_um * np.arange(1.0, np.ceil(high.max() / shell_um) + 1)
    n = np.searchsorted(np.sort(low), radius) - np.searchsorted(np.sort(high), radius)
    return radius, n.astype(np.int64)


def section_lengths_um(tree: Tree) -> Floats:
    """Length of every unbranched section of dendrite [um]."""
    child = tree.pieces()
    lengths = np.bincount(tree.branch[child], weights=tree.length_um(child)).astype(np.float64)
    return lengths[lengths > 0]


def branching_lengths_um(tree: Tree) -> Floats:
    """Length of every section of dendrite that ends in a branching [um]."""
    child = tree.pieces()
    lengths = np.bincount(tree.branch[child], weights=tree.length_um(child))
    return lengths[tree.branch[_forks(tree)]].astype(np.float64)


def _forks(tree: Tree) -> Ints:
    """Points in which dendrite branches, the soma apart."""
    parent = tree.parent[tree.pieces()]
    return np.flatnonzero(np.bincount(parent[~_is_soma(tree, parent)]) > 1)


def _is_soma(tree: Tree, point: Ints) -> NDArray[np.bool_]:
    at_soma: NDArray[np.bool_] = (tree.swc_type[point] == SWC_SOMA) | (tree.parent[point] < 0)
    return at_soma


def branching_of(tree: Tree) -> tuple[int, float, float]:
    """Primary dendrites, mean length of the sections that branch [um], and the share of later sections that do.

    With these settings (`n_primary_dendrites`, `segment_um`, `fork_share`) a tree grows that branches as often, and as near.
    """
    lengths, branching = section_lengths_um(tree), branching_lengths_um(tree)
    n_primary = max(int(_is_soma(tree, tree.parent[tree.pieces()]).sum()), 1)
    # every primary dendrite of a grown tree branches
    share = (branching.size - n_primary) / max(lengths.size - n_primary, 1)
    segment_um = float(branching.mean() if branching.size else lengths.sum())
    return n_primary, segment_um, min(max(float(share), 0.01), 1.0)


def place(tree: Tree, box_um: tuple[float, float, float], rng: np.random.Generator) -> Tree:
    """An imported tree, turned about the z axis and shifted so that much of its dendrite lies in the box.

    Of 64 random turns and shifts that put a piece of dendrite into the middle, the one with the most length inside
    among those that leave the soma outside: what is imaged is neuropil. The middle is that of the block, or, where that is
    wider than the tree, of a part of it as wide as the tree, anywhere in it.
    """
    box = np.array(box_um)
    pieces = tree.pieces()
    span_um = np.ptp(tree.points_um[pieces], axis=0)
    span_um[1:] = np.linalg.norm(span_um[1:])  # whichever way it turns
    near_um = np.minimum(box, np.maximum(span_um, LEAST_REACH_UM))
    low = (box - near_um) * rng.random(3) if (box > near_um).any() else np.zeros(3)
    clear = tree.radius_um[0]
    best, most = tree, -1.0
    for _ in range(64):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        turned = tree.points_um @ turn.T
        centre = turned[pieces[rng.integers(pieces.size)]]
        moved = replace(tree, points_um=turned - centre + low + near_um * rng.uniform(0.35, 0.65, 3))
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
