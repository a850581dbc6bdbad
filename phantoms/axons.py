"""Axons of presynaptic neurons: thin, branching, with a bouton on the synapses of their neuron that they pass and others between.

Each neuron's axons have a stream of their own and are drawn apart from all others; what is long lies in files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import compute
from synimg.config import Axons, Config
from synimg.phantoms.morphology import SWC_AXON, Tree
from synimg.phantoms.prepare import preparation_of, tissue_config
from synimg.phantoms.solids import dendrite_capsules
from synimg.phantoms.tissue import Tissue
from synimg.store.bins import Bins, Piece, bins_of
from synimg.store.parts import Parts
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Box = tuple[float, float, float]
STEP_UM = 0.4
OUTSIDE_UM = 1.0
"""How far beyond the faces an axon goes on."""
REACH_UM, AHEAD = 15.0, 0.866
"""How far from its tip, and within which cosine of its direction, an axon finds further synapses of its neuron."""
STRIDE_UM, TURN = 10.0, 0.1
"""Where it finds none it goes straight on so far, and then changes its direction by normal numbers of this sd along each
axis: 40 um of a real axon are 1.01 times as long as their chord (median of 18 mm of one cortical cell)."""
SIDE_DEG = (45.0, 100.0)
"""Angles at which collaterals leave: quartiles of 44 and 82, 72 and 102 degrees in two real cortical cells."""
SIDES = 8
"""Directions that a collateral tries, until it finds a synapse of its neuron ahead."""
WIGGLE_UM = 0.12
"""Sd of the steps across the way, before they are smoothed."""
UNITS_AT_ONCE, POINTS_AT_ONCE = 8, 32


@dataclass(frozen=True)
class Stops:
    """Synapses for whose sake axons of a unit are drawn; where there are none, one axon that passes anywhere.

    unit : int
    turn : int, how often the unit has had its turn before
    contact : (n,) ndarray of int
    place_um, normal : (n, 3) ndarray, where the boutons' centres are to be, and the normals of the synapses' discs
    """

    unit: int
    turn: int
    contact: Ints
    place_um: Floats
    normal: Floats


@dataclass(frozen=True)
class Axon:
    """An axon in the block.

    tree : Tree, its root is where it comes in
    contact : (n,) ndarray of int, that the bouton in a point faces; -1 where there is none
    is_bouton : (n,) ndarray of bool
    """

    tree: Tree
    contact: Ints
    is_bouton: NDArray[np.bool_]

    def length_um(self, box_um: Box) -> float:
        """Length of the pieces that end within a block."""
        points, parent = self.tree.points_um, self.tree.parent
        child = np.flatnonzero((parent >= 0) & ((points > 0) & (points < np.array(box_um))).all(axis=1))
        return float(self.tree.length_um(child).sum())


def draw_axons(
    tissue: Tissue,
    contact_pre: Ints,
    config: Config,
    pool: compute.Pool,
    folder: Path,
    report: compute.Report = compute.silent,
) -> Iterator[pd.DataFrame]:
    """Tables (`schema.TRUTH_AXONS`) of axons in the image, one after the other, until there are `axons.um_per_um3` of them.

    Parameters
    ----------
    tissue : Tissue
        Before it is prepared.
    contact_pre : (n_contacts,) ndarray of int
        Presynaptic unit of each contact.
    folder : Path
        For files while they are drawn.

    Notes
    -----
    Neurons come in an order drawn at random. Each has as many axons as pass all its synapses in the block, so a part of all
    axon is all axon of some neurons, as in sparsely labelled tissue. Where all synapses are served and there is to be more
    axon, neurons have one more in turn that passes anywhere. Workers draw them in pieces that do not depend on each other,
    so neither the result nor the memory of this process depends on how much there is.
    """
    box = np.array(tissue_config(config).volume.size_um)
    wanted_um = config.axons.um_per_um3 * float(np.prod(box))
    units = stream(config.seed, "axons", "order").permutation(np.unique(contact_pre))
    first_turn = _first_turn(tissue, contact_pre, units, config.axons, box)
    shared = (config, _dendrites(tissue, tissue_config(config), folder / "dendrites"), str(folder.resolve()))
    parts, axons, points, length_um, done = Parts(folder, "axons"), 0, 0, 0.0, 0
    while length_um < wanted_um:
        # as many pieces as are likely to do, by those that there are
        n = int(np.ceil(done * (wanted_um - length_um) / length_um)) if length_um else 1
        items = [(i, _piece(i, first_turn, units)) for i in range(done, done + max(n, 1))]
        lengths = {items[k][0]: each for k, each in pool.run(draw_piece, items, shared, "drawing axons", report)}
        for piece in sorted(lengths):
            whole = length_um + np.cumsum(lengths[piece])
            kept = int(np.searchsorted(whole, wanted_um)) + 1
            table = parts.read([piece])
            table = table[table["axon_id"] <= kept]
            for column, before in (("axon_id", axons), ("point_id", points), ("parent_id", points)):
                table[column] += before
            axons, points = axons + min(kept, whole.size), points + len(table)
            length_um = float(whole[min(kept, whole.size) - 1])
            yield table
            if length_um >= wanted_um:
                break
        done += len(items)


def _first_turn(tissue: Tissue, contact_pre: Ints, units: Ints, settings: Axons, box: Floats) -> list[Stops]:
    """The synapses of each unit that has some in the block, in the order of `units`."""
    bouton = tissue.position_um + settings.bouton_radius_um * tissue.normal
    open_ = np.flatnonzero(tissue.is_imaged & ((bouton > 0) & (bouton < box)).all(axis=1))
    rank = np.full(int(units.max()) + 1, -1)
    rank[units] = np.arange(units.size)
    of = rank[contact_pre[open_]]
    order = np.argsort(of, kind="stable")
    parts = np.split(open_[order], np.flatnonzero(np.diff(of[order])) + 1) if order.size else []
    return [Stops(int(contact_pre[its[0]]), 0, its, bouton[its], tissue.normal[its]) for its in parts]


def _piece(number: int, first_turn: list[Stops], units: Ints) -> list[Stops]:
    """A piece of work: what `UNITS_AT_ONCE` units have in their turn."""
    first, found = number * UNITS_AT_ONCE, []
    for i in range(first, first + UNITS_AT_ONCE):
        if i < len(first_turn):
            found.append(first_turn[i])
        else:
            turn, k = divmod(i - len(first_turn), units.size)
            found.append(Stops(int(units[k]), turn + 1, np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3))))
    return found


def _dendrites(tissue: Tissue, config: Config, folder: Path) -> Bins:
    """Points of dendrites with their radii, found by place, in files; felt as far as an axon is pushed away."""
    volume, voxel_um = config.volume, np.array(config.volume.voxel_um)

    def pieces() -> Iterator[Piece]:
        for _, end, radius, _, _ in dendrite_capsules(tissue):
            yield end / voxel_um, (end, radius)

    thickest_um = max(float(radius.max(initial=0.0)) for _, _, radius, _, _ in dendrite_capsules(tissue))
    return bins_of(pieces(), volume.shape_vox, tuple((thickest_um + config.axons.radius_um) / voxel_um), folder)


def draw_piece(item: tuple[int, list[Stops]], config: Config, dendrites: Bins, folder: str) -> list[float]:
    """Draw the axons of a piece of work, keep their table in `folder`, return the length of each in the block [um]."""
    number, units = item
    grows, preparation = tissue_config(config).volume, preparation_of(config, config.seed)
    drawn, owner = [], []
    for stops in units:
        rng = stream(config.seed, "axons", stops.unit, stops.turn)
        for axon in axons_of(stops, grows.size_um, config.axons, rng):
            drawn.append(_pushed(axon, dendrites, np.array(grows.voxel_um), config.axons.radius_um))
            owner.append(stops.unit + 1)
    sizes = [axon.contact.size for axon in drawn]
    first = np.cumsum([0, *sizes])
    parent = np.concatenate(
        [np.where(a.tree.parent < 0, -1, a.tree.parent + n) for a, n in zip(drawn, first, strict=False)]
    )
    contact = np.concatenate([axon.contact for axon in drawn])
    place = preparation.to_image(np.concatenate([axon.tree.points_um for axon in drawn]))
    swelling = float(np.cbrt(np.prod(preparation.scale)))
    table = pd.DataFrame(
        {
            "point_id": np.arange(1, first[-1] + 1),
            "axon_id": np.repeat(np.arange(1, len(drawn) + 1), sizes),
            "neuron_id": np.repeat(owner, sizes),
            "parent_id": pd.array(parent + 1, dtype="Int64"),
            **{f"{axis}_um": place[:, i] for i, axis in enumerate("zyx")},
            "radius_um": swelling * np.concatenate([axon.tree.radius_um for axon in drawn]),
            "is_bouton": np.concatenate([axon.is_bouton for axon in drawn]),
            "synapse_id": pd.array(contact + 1, dtype="Int64"),
        }
    )
    table.loc[parent < 0, "parent_id"] = pd.NA
    table.loc[contact < 0, "synapse_id"] = pd.NA
    Parts(Path(folder), "axons").keep(number, table, is_final=True)
    return [axon.length_um(grows.size_um) for axon in drawn]


def axons_of(stops: Stops, box_um: Box, settings: Axons, rng: np.random.Generator) -> list[Axon]:
    """Axons of a unit that pass all its synapses, in an order drawn at random; or one that passes anywhere."""
    box, is_open = np.array(box_um), np.ones(stops.contact.size, bool)
    if not stops.contact.size:
        return [_axon(-1, rng.random(3) * box, rng.standard_normal(3), stops, is_open, box, settings, rng)]
    axons = []
    for k in rng.permutation(stops.contact.size):
        if is_open[k]:
            is_open[k] = False
            along = _across(rng.standard_normal(3), stops.normal[k])
            axons.append(_axon(int(k), stops.place_um[k], along, stops, is_open, box, settings, rng))
    return axons


Knot = tuple[Floats, int]
"""A place on the way [um], and the stop there, or -1."""


def _axon(
    through: int,
    place: Floats,
    heading: Floats,
    stops: Stops,
    is_open: NDArray[np.bool_],
    box: Floats,
    settings: Axons,
    rng: np.random.Generator,
) -> Axon:
    """An axon through a place: a stem from face to face, and collaterals that leave it and each other and end.

    Notes
    -----
    Branchings lie `branch_interval_um` of axon apart on average (exponential law), and a collateral runs as far on average
    before it ends, so as many end as begin, and sections between branchings and ends are half as long.
    """
    heading = heading / np.linalg.norm(heading)
    world = stops, is_open, box, settings, rng
    before, behind = _route(place, -heading, np.inf, *world), _route(place, heading, np.inf, *world)
    waiting: list[tuple[list[Knot], Floats | None, int]] = [([*reversed(before), (place, through), *behind], None, -1)]
    columns: list[tuple[NDArray[np.generic], ...]] = []
    n = 0
    for branch, (knots, leaves, fork) in enumerate(waiting, start=1):
        way, at = _way(knots, leaves, stops, rng)
        stop = np.array([k for _, k in knots])
        at, stop = at[stop >= 0], stop[stop >= 0]
        inside = np.asarray(((way > 0) & (way < box)).all(axis=1))
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
        is_bouton = np.zeros(len(way), bool)
        is_bouton[_boutons(along, at, settings.bouton_interval_um, rng)] = True
        is_bouton[-1] |= inside[-1]  # a collateral ends in one
        contact = np.full(len(way), -1)
        contact[at] = stops.contact[stop]
        shared = 0 if fork < 0 else 1  # a collateral begins in a point of its parent
        own = n - shared + np.arange(len(way))
        parent = own - 1
        parent[shared] = fork
        section = way, _radii(is_bouton, settings), parent, np.full(len(way), branch), contact, is_bouton
        columns.append(tuple(column[shared:] for column in section))
        n += len(way) - shared
        for i in _forks(along, inside, settings.branch_interval_um, rng):
            side = _aside(way[i + 1] - way[i - 1], way[i], stops, is_open, rng)
            reach_um = max(float(rng.exponential(settings.branch_interval_um)), STEP_UM)
            waiting.append(([(way[i], -1), *_route(way[i], side, reach_um, *world)], side, int(own[i])))
    points, radius, parent, section_of, contact, is_bouton = (np.concatenate(c) for c in zip(*columns, strict=True))
    return Axon(Tree(points, radius, parent, np.full(n, SWC_AXON), section_of), contact, is_bouton)


def _route(
    place: Floats,
    heading: Floats,
    left_um: float,
    stops: Stops,
    is_open: NDArray[np.bool_],
    box: Floats,
    settings: Axons,
    rng: np.random.Generator,
) -> list[Knot]:
    """The way on from a place, out of the block or to its end: to the nearest open stop ahead, straight on where there is none."""
    knots: list[Knot] = []
    while True:
        to_face = _to_face(place, heading, box) + OUTSIDE_UM
        stop = _ahead(place, heading, min(REACH_UM, left_um), stops, is_open, 2 * settings.bouton_radius_um)
        if stop >= 0:
            is_open[stop] = False
            goal = stops.place_um[stop]
        else:
            goal = place + min(STRIDE_UM, left_um, to_face) * heading
        hop_um = float(np.linalg.norm(goal - place))
        left_um -= hop_um
        knots.append((goal, stop))
        if left_um < STEP_UM or (stop < 0 and hop_um > to_face - 1e-9):
            return knots
        heading = (goal - place) / hop_um
        if stop < 0:
            heading = heading + TURN * rng.standard_normal(3)
            heading /= np.linalg.norm(heading)
        place = goal


def _to_face(place: Floats, heading: Floats, box: Floats) -> float:
    """How far the face is at which a line from a place inside leaves the box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(heading > 0, box - place, -place) / heading
    return max(float(np.nanmin(np.where(heading == 0, np.inf, ends))), 0.0)


def _ahead(
    place: Floats, heading: Floats, reach_um: float, stops: Stops, is_open: NDArray[np.bool_], least_um: float
) -> int:
    """The nearest open stop ahead of a tip; -1 where there is none."""
    if not is_open.any():
        return -1
    off = stops.place_um - place
    distance = np.linalg.norm(off, axis=1)
    fits = is_open & (distance < reach_um) & (distance > least_um) & (off @ heading > AHEAD * distance)
    return int(np.argmin(np.where(fits, distance, np.inf))) if fits.any() else -1


def _aside(along: Floats, place: Floats, stops: Stops, is_open: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """The direction of a collateral that leaves an axon at a place; one with an open stop ahead, where some of `SIDES` have it."""
    along = along / np.linalg.norm(along)
    for _ in range(SIDES):
        angle = np.deg2rad(rng.uniform(*SIDE_DEG))
        side: Floats = np.cos(angle) * along + np.sin(angle) * _across(rng.standard_normal(3), along)
        if _ahead(place, side, REACH_UM, stops, is_open, 0.0) >= 0:
            break
    return side


def _across(direction: Floats, normal: Floats) -> Floats:
    """The part of a direction that is perpendicular to a unit vector, of unit length."""
    across = direction - (direction @ normal) * normal
    unit: Floats = across / np.linalg.norm(across)
    return unit


def _way(knots: list[Knot], leaves: Floats | None, stops: Stops, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Points from the first knot to the last, at most about `STEP_UM` apart, and which of them are the knots.

    A cubic Hermite spline that begins in the direction `leaves`, if there is one, and touches the discs of its stops.
    """
    place = np.array([where for where, _ in knots])
    tangent = np.gradient(place, axis=0)
    if leaves is not None:
        tangent[0] = leaves
    for i, (_, stop) in enumerate(knots):
        if stop >= 0:
            tangent[i] -= (tangent[i] @ stops.normal[stop]) * stops.normal[stop]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    parts, at = [place[:1]], [0]
    for i in range(len(place) - 1):
        start, stop = place[i], place[i + 1]
        chord_um = float(np.linalg.norm(stop - start))
        n = max(int(np.ceil(chord_um / STEP_UM)), 1)
        t = np.arange(n + 1)[:, None] / n
        smooth = start + t * t * (3.0 - 2.0 * t) * (stop - start)
        smooth += chord_um * t * (1.0 - t) * ((1.0 - t) * tangent[i] - t * tangent[i + 1])
        walk = np.cumsum(WIGGLE_UM * rng.standard_normal((n + 1, 3)), axis=0)
        inner = (walk + np.roll(walk, 1, axis=0) + np.roll(walk, -1, axis=0)) / 3
        inner[0], inner[-1] = walk[0], walk[-1]
        bridge = inner - inner[0] - t * (inner[-1] - inner[0])
        parts.append((smooth + bridge)[1:])
        at.append(at[-1] + n)
    return np.concatenate(parts), np.array(at)


def _forks(along: Floats, inside: NDArray[np.bool_], interval_um: float, rng: np.random.Generator) -> Ints:
    """Points of a way inside the block from which collaterals leave."""
    n = rng.poisson(along[-1] / interval_um)
    at = np.unique(np.searchsorted(along, rng.uniform(0.0, along[-1], n)))
    at = at[(at > 0) & (at < along.size - 1)]
    return at[inside[at]]


def _boutons(along: Floats, at_stop: Ints, interval_um: float, rng: np.random.Generator) -> Ints:
    """Points of a way with a bouton: those at stops and, between them, others at the stated interval (gamma law, CV 0.5)."""
    found, here, stop_um = list(at_stop), 0.0, along[at_stop]
    while True:
        there = here + float(rng.gamma(4.0, interval_um / 4.0))
        next_stop = int(np.searchsorted(stop_um, here, side="right"))
        if next_stop < stop_um.size and stop_um[next_stop] < there + 0.5 * interval_um:
            here = float(stop_um[next_stop])
        elif there >= along[-1]:
            return np.array(found, np.int64)
        else:
            found.append(np.searchsorted(along, there))
            here = there


def _radii(is_bouton: NDArray[np.bool_], settings: Axons) -> Floats:
    """Radius in each point of a way; a bouton is as long as it is wide."""
    beside = is_bouton.copy()
    beside[1:] |= is_bouton[:-1]
    beside[:-1] |= is_bouton[1:]
    radius = np.where(beside, max(settings.radius_um, 0.6 * settings.bouton_radius_um), settings.radius_um)
    return np.where(is_bouton, settings.bouton_radius_um, radius)


def _pushed(axon: Axon, dendrites: Bins, voxel_um: Floats, radius_um: float) -> Axon:
    """The axon, its points inside dendrites moved to their surface; those at synapses stay."""
    points = axon.tree.points_um.copy()
    for first in range(0, len(points), POINTS_AT_ONCE):
        some = slice(first, first + POINTS_AT_ONCE)
        near, radius = dendrites.near(points[some].min(axis=0) / voxel_um, points[some].max(axis=0) / voxel_um)
        _push(points[some], axon.contact[some] >= 0, near, radius, radius_um)
    return replace(axon, tree=replace(axon.tree, points_um=points))


@nb.njit(cache=True)
def _push(points: Floats, stays: NDArray[np.bool_], near: Floats, radius: Floats, radius_um: float) -> None:
    """Move points (n, 3), but those that stay, away from the nearest of `near` (m, 3) until they are clear of its `radius` (m,)."""
    for i in range(len(points)):
        least, nearest = np.inf, -1
        for j in range(len(near)):
            dz, dy, dx = points[i, 0] - near[j, 0], points[i, 1] - near[j, 1], points[i, 2] - near[j, 2]
            squared = dz * dz + dy * dy + dx * dx
            if squared < least:
                least, nearest = squared, j
        if nearest >= 0 and not stays[i] and least < (radius[nearest] + radius_um) ** 2:
            away = points[i] - near[nearest] + 1e-9
            points[i] = near[nearest] + (radius[nearest] + radius_um) / np.sqrt((away**2).sum()) * away
