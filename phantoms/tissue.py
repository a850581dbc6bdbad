"""The imaged block: dendrites of the imaged neurons, their spines, the receptors on them, and the dye inside."""

from dataclasses import dataclass, replace
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.config import Tissue as TissueSettings
from synimg.errors import SynimgError
from synimg.phantoms.across import across
from synimg.phantoms.morphology import CLEARANCE_UM, SWC_AXON, Tree, branches_of, grow, place, reach_um, resample
from synimg.phantoms.neighbours import Index, Neighbours, nearest
from synimg.phantoms.wiring import Wiring
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROOM_UM_PER_UM3 = 0.5
"""Dendrite that a block holds at most: of a radius of 0.3 um, a seventh of its volume."""
LEAST_DISTANCE_UM = 0.4
N_AZIMUTHS = 12
CELL_UM = 0.6
"""Edge of the cells in which other dendrites are looked for: about as far as a spine head has to keep off."""
SOLID_REACH_UM = 2.0
"""How far from a spine head other dendrites are looked for at most."""


@dataclass(frozen=True)
class Tissue:
    """What lies in the block.

    neuron_id : (n_neurons,) ndarray of int, imaged neurons (unit + 1)
    soma_um : (n_neurons, 3) ndarray, outside the block
    trees : one per imaged neuron
    is_imaged : (n_contacts,) ndarray of bool
    position_um, normal, head_um, base_um : (n_contacts, 3) ndarray, centre and normal of the synapse's disc, centre of
        the spine head, foot of the neck on the dendrite's axis; NaN if not imaged, but for the position of a contact that
        has vanished from an imaged neuron: where on the dendrite's axis it was
    disc_radius_um, head_radius_um : (n_contacts,) ndarray; a head radius of 0 is a synapse on the shaft
    branch_id, neuron_row : (n_contacts,) ndarray of int, -1 if not imaged
    """

    neuron_id: Ints
    soma_um: Floats
    trees: tuple[Tree, ...]
    is_imaged: NDArray[np.bool_]
    position_um: Floats
    normal: Floats
    head_um: Floats
    base_um: Floats
    disc_radius_um: Floats
    head_radius_um: Floats
    branch_id: Ints
    neuron_row: Ints


def build_tissue(config: Config, wiring: Wiring, a_end: Floats, seed: int, imported: list[Tree]) -> Tissue:
    """Dendrites for the imaged neurons and a place on them for each of their contacts.

    Parameters
    ----------
    config : Config
        Sections tissue, volume, receptors.
    wiring : Wiring
        Contacts, and their head volumes when they are first there.
    a_end : (n_contacts,) ndarray [receptors]
        Receptors at death, 0 for contacts that have vanished; heads have grown in proportion.
    seed : int
        Every neuron has a stream of its own.
    imported : list of Tree
        Taken in turn in place of grown trees; contacts for which they have no room in the block are not imaged.

    Raises
    ------
    SynimgError
        If the block is too small for a dendrite, or an imported tree has no dendrite in it.
    """
    settings, box = config.tissue, config.volume.size_um
    n_contacts, post = a_end.size, wiring.contact_post
    units, n_living = check_room(config, wiring.leak.size, post[a_end > 0], seed, is_grown=not imported)
    is_imaged = np.zeros(n_contacts, bool)
    vectors = {name: np.full((n_contacts, 3), np.nan) for name in ("position_um", "normal", "head_um", "base_um")}
    head_radius = np.zeros(n_contacts)
    disc_radius = np.sqrt(a_end / (settings.psd_density_per_um2 * np.pi))
    branch_id, neuron_row = np.full(n_contacts, -1), np.full(n_contacts, -1)
    head_volume = wiring.head_volume_um3 * a_end / wiring.a_first
    trees = trees_of(config, units, n_living, seed, imported)
    solid = Neighbours(box, CELL_UM)
    for row, tree in enumerate(trees):
        solid.add(tree.points_um[tree.pieces()], row)
    by_unit = np.split(np.argsort(post, kind="stable"), np.cumsum(np.bincount(post, minlength=wiring.leak.size))[:-1])
    # principal cells have spines: the excitatory ones, or, as in a striatum, all where none is excitatory
    is_spiny = wiring.is_excitatory | ~wiring.is_excitatory.any()
    first_branch = 1
    for row, (unit, tree) in enumerate(zip(units, trees, strict=True)):
        rng = stream(seed, "tissue", "spines", int(unit))
        its = by_unit[unit]
        contacts, gone = its[a_end[its] > 0], its[a_end[its] == 0]
        pieces = tree.pieces(box)
        pieces = pieces[np.argsort(tree.branch[pieces], kind="stable")]  # neighbours share a branch
        capacity = _capacity(tree, pieces, settings)
        chosen = contacts if contacts.size <= capacity else np.sort(rng.permutation(contacts)[:capacity])
        on_spine = bool(is_spiny[unit])
        radius = np.cbrt(3.0 * head_volume[chosen] / (4.0 * np.pi)) if on_spine else np.zeros(chosen.size)

        piece, base, direction, position, head = _spines(
            tree, pieces, wiring.along[chosen], radius, config, rng, row, solid
        )
        is_imaged[chosen] = True
        vectors["position_um"][chosen], vectors["head_um"][chosen] = position, head
        vectors["base_um"][chosen] = base
        vectors["position_um"][gone] = _between(tree, pieces, wiring.along[gone], wiring.along[chosen])
        tilted = direction + 0.2 * rng.standard_normal(direction.shape)
        vectors["normal"][chosen] = tilted / np.linalg.norm(tilted, axis=1, keepdims=True)
        head_radius[chosen] = radius
        branch_id[chosen] = first_branch + tree.branch[piece]
        neuron_row[chosen] = row
        first_branch += int(tree.branch.max()) + 1
    tissue = Tissue(
        neuron_id=units + 1,
        soma_um=np.array([tree.points_um[0] for tree in trees]),
        trees=tuple(trees),
        is_imaged=is_imaged,
        disc_radius_um=disc_radius,
        head_radius_um=head_radius,
        branch_id=branch_id,
        neuron_row=neuron_row,
        position_um=vectors["position_um"],
        normal=vectors["normal"],
        head_um=vectors["head_um"],
        base_um=vectors["base_um"],
    )
    n_labelled = max(round(settings.labelled_share * units.size), 1)
    labelled = np.sort(stream(seed, "tissue", "labelled").permutation(units.size)[:n_labelled])
    return tissue if labelled.size == units.size else _without_dark(tissue, labelled, np.isin(post, units[labelled]))


def _without_dark(tissue: Tissue, labelled: Ints, shown: NDArray[np.bool_]) -> Tissue:
    """The neurons in the rows `labelled` and their contacts (`shown`): the others took up room, and nothing shows them."""
    row = np.full(tissue.neuron_id.size + 1, -1)  # the last one is that of contacts that are not imaged
    row[labelled] = np.arange(labelled.size)

    def of_shown(places: Floats) -> Floats:
        return np.where(shown[:, None], places, np.nan)

    return replace(
        tissue,
        neuron_id=tissue.neuron_id[labelled],
        soma_um=tissue.soma_um[labelled],
        trees=tuple(tissue.trees[i] for i in labelled),
        is_imaged=tissue.is_imaged & shown,
        position_um=of_shown(tissue.position_um),
        normal=of_shown(tissue.normal),
        head_um=of_shown(tissue.head_um),
        base_um=of_shown(tissue.base_um),
        head_radius_um=np.where(shown, tissue.head_radius_um, 0.0),
        branch_id=np.where(shown, tissue.branch_id, -1),
        neuron_row=row[tissue.neuron_row],
    )


def check_room(config: Config, n_units: int, post: Ints, seed: int, is_grown: bool) -> tuple[Ints, Ints]:
    """The units that are imaged, and the living contacts on each unit.

    Parameters
    ----------
    post : (n_contacts,) ndarray of int
        The unit that each living contact is on.
    is_grown : bool
        Whether dendrites are grown, and not imported.

    Raises
    ------
    SynimgError
        If the block is too small for a dendrite, or for all dendrites that are to be grown.
    """
    settings, box = config.tissue, config.volume.size_um
    if min(box) < 3.0:
        raise SynimgError(
            f"volume: the block measures {box[0]:.3g} x {box[1]:.3g} x {box[2]:.3g} um; dendrites need 3 um along "
            "every axis: enlarge volume.shape_vox"
        )
    n_living = np.bincount(post, minlength=n_units)
    order, volume_um3 = stream(seed, "tissue", "imaged").permutation(n_units), float(np.prod(box))
    # of as many neurons as come first
    per_um3 = np.cumsum(n_living[order]) / settings.spine_density_per_um / volume_um3
    n = min(settings.n_imaged_neurons, order.size)
    if asked := settings.dendrite_um_per_um3:
        n = int(np.searchsorted(per_um3, asked)) + 1
        if n > order.size:
            raise SynimgError(
                f"tissue.dendrite_um_per_um3 = {asked:g}: all {order.size} neurons of the network have {per_um3[-1]:.3g} um per "
                "um^3 of the block: ask for less, enlarge network.n_units or shrink volume.shape_vox"
            )
        n -= n > 1 and per_um3[n - 1] - asked > asked - per_um3[n - 2]  # the nearer one
    if is_grown and per_um3[n - 1] > ROOM_UM_PER_UM3:
        fit = int(np.searchsorted(per_um3, ROOM_UM_PER_UM3, side="right"))
        raise SynimgError(
            f"tissue: {n} neurons need {per_um3[n - 1] * volume_um3:.0f} um of dendrite, the block holds about "
            f"{ROOM_UM_PER_UM3 * volume_um3:.0f} um ({ROOM_UM_PER_UM3:g} um per um^3, those of {fit} neurons): image fewer "
            "neurons (tissue.n_imaged_neurons) or enlarge volume.shape_vox"
        )
    return np.sort(order[:n]), n_living


def trees_of(config: Config, units: Ints, n_contacts: Ints, seed: int, imported: list[Tree]) -> list[Tree]:
    """A tree for every imaged unit: imported ones in turn, or grown one after the other around those before.

    Raises
    ------
    SynimgError
        If an imported one has no room for a spine in the block.
    """
    settings, box = config.tissue, config.volume.size_um
    trees: list[Tree] = []
    others = Neighbours(box, CLEARANCE_UM)
    for row, unit in enumerate(units):
        rng = stream(seed, "tissue", "neuron", int(unit))
        if imported:
            trees.append(resample(_without_axon(place(imported[row % len(imported)], box, rng))))
            if _capacity(trees[-1], trees[-1].pieces(box), settings) < 1:
                raise SynimgError(
                    f"tissue.morphologies: neuron {unit + 1} has no dendrite inside the block of "
                    f"{box[0]:.3g} x {box[1]:.3g} x {box[2]:.3g} um; enlarge volume.shape_vox"
                )
            continue
        length_um = max(n_contacts[unit], 1) / settings.spine_density_per_um  # one that gets no input has a stub
        soma_um = _soma(box, reach_um(length_um, settings), rng)
        trees.append(grow(soma_um, box, length_um, settings, rng, others))
        others.add(trees[-1].points_um, row)
    return trees


def _capacity(tree: Tree, pieces: Ints, settings: TissueSettings) -> int:
    """Spines that have room on pieces of dendrite."""
    return int(tree.length_um(pieces).sum() * settings.spine_density_per_um * 1.2)


def tree_of(points_um: Floats, radius_um: Floats, parent: Ints, swc_type: Ints) -> Tree:
    """A tree from the arrays of a morphology file."""
    return Tree(points_um, radius_um, parent, swc_type, branches_of(parent, swc_type))


def _soma(box: tuple[float, float, float], reach_um: float, rng: np.random.Generator) -> Floats:
    """A place some micrometres outside a lateral face: what is imaged is neuropil, somata lie outside.

    In a block that is wider than dendrites reach, they lie anywhere along its wide axes, and outside its faces across one that
    is not, if there is one: above and below a wide thin section.
    """
    size = np.array(box)
    wide, share = size > reach_um, rng.uniform(0.2, 0.8, 3)
    place_um: Floats = size * np.where(wide, (share - 0.2) / 0.6, share)
    if not wide.all():
        narrow = [axis for axis in (1, 2) if not wide[axis]] or [0]
        axis, outside = narrow[int(rng.integers(len(narrow)))], rng.uniform(4.0, 12.0)
        place_um[axis] = -outside if rng.random() < 0.5 else box[axis] + outside
    return place_um


def _without_axon(tree: Tree) -> Tree:
    kept = np.flatnonzero(tree.swc_type != SWC_AXON)
    row = np.full(tree.parent.size, -1)
    row[kept] = np.arange(kept.size)
    parent = tree.parent[kept]
    parent = np.where(parent < 0, -1, row[parent])
    return Tree(tree.points_um[kept], tree.radius_um[kept], parent, tree.swc_type[kept], tree.branch[kept])


def _spines(
    tree: Tree,
    pieces: Ints,
    place: Floats,
    head_radius: Floats,
    config: Config,
    rng: np.random.Generator,
    row: int,
    solid: Neighbours,
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """A place for each head of one neuron: its piece, foot, direction, centre of the disc, centre of the head.

    Feet are spread along the dendrite in the order of `place`, with a jitter; of some directions around the shaft the first
    is taken that keeps the synapse in the block, away from the neuron's others, and its head clear of the dendrites of other
    neurons than `row` (their points are in `solid`).
    """
    n = head_radius.size
    ends = np.cumsum(tree.length_um(pieces))
    along = (np.argsort(np.argsort(place)) + rng.uniform(0.2, 0.8, n)) / n * ends[-1]
    piece = pieces[np.searchsorted(ends, along)]
    start, stop = tree.points_um[tree.parent[piece]], tree.points_um[piece]
    base = start + rng.random((n, 1)) * (stop - start)
    axis = (stop - start) / np.linalg.norm(stop - start, axis=1, keepdims=True)
    side, other = across(axis)
    # Gamma law with the CV of 0.45 of 155 spines in ferret V1 (data of Scholl et al. 2021, Nature 590:111)
    neck = rng.gamma(1 / 0.45**2, config.tissue.neck_length_um * 0.45**2, n)
    neck = np.where(head_radius > 0, neck, 0.0)
    reach = tree.radius_um[piece] + neck + head_radius
    azimuth = rng.uniform(0, 2 * np.pi, n)[:, None] + np.arange(N_AZIMUTHS) * (2 * np.pi / N_AZIMUTHS)
    azimuth = rng.permuted(azimuth, axis=1)
    direction = np.cos(azimuth)[..., None] * side[:, None] + np.sin(azimuth)[..., None] * other[:, None]
    head = base[:, None] + direction * reach[:, None, None]
    position = head + direction * head_radius[:, None, None]
    box = np.array(config.volume.size_um)
    inside = ((position > 0.2) & (position < box - np.array(config.volume.voxel_um) - 0.2)).all(axis=2)
    clear_um = np.minimum(_clear_um(head_radius, config.tissue), SOLID_REACH_UM)
    chosen = _choose(position, head, inside, clear_um, row, solid.index)
    rows = np.arange(n)
    return piece, base, direction[rows, chosen], position[rows, chosen], head[rows, chosen]


@nb.njit(cache=True)
def _choose(
    position: Floats, head: Floats, inside: NDArray[np.bool_], clear_um: Floats, row: int, solid: Index
) -> Ints:
    """Which direction each synapse takes: the first one that will do, else the one that fails least; see `_spines`."""
    n, m = inside.shape
    chosen, apart, free, taken = np.zeros(n, np.int64), np.empty(m), np.empty(m, np.bool_), np.empty((n, 3))
    for i in range(n):
        chosen[i] = -1
        for k in range(m):
            if inside[i, k] and _distance(position[i, k], taken[:i], LEAST_DISTANCE_UM) > LEAST_DISTANCE_UM:
                if _is_clear(head[i, k], clear_um[i], row, solid):
                    chosen[i] = k
                    break
        if chosen[i] < 0:
            for k in range(m):
                apart[k] = min(_distance(position[i, k], taken[:i], 0.0), 9.0)
                free[k] = _is_clear(head[i, k], clear_um[i], row, solid)
            chosen[i] = np.argmax(apart + 10.0 * free + 100.0 * inside[i])
        taken[i] = position[i, chosen[i]]
    return chosen


@nb.njit(cache=True)
def _distance(place: Floats, others: Floats, enough: float) -> float:
    """Distance to the nearest of `others`, or to one that is no farther than `enough`."""
    squared, z, y, x = np.inf, place[0], place[1], place[2]
    for j in range(len(others)):
        dz, dy, dx = z - others[j, 0], y - others[j, 1], x - others[j, 2]
        squared = min(squared, dz * dz + dy * dy + dx * dx)
        if squared <= 0.999 * enough * enough:
            break
    return float(np.sqrt(squared))


@nb.njit(cache=True)
def _is_clear(head_um: Floats, clear_um: float, row: int, solid: Index) -> bool:
    """Whether none of the four nearest points of dendrites is another neuron's and nearer than `clear_um`."""
    found, distance = np.empty(4, np.int64), np.empty(4)
    for k in range(nearest(head_um, clear_um, solid, found, distance)):
        if solid[1][found[k]] != row:
            return False
    return True


def _clear_um(head_radius_um: Any, settings: TissueSettings) -> Any:
    """How far from a head's centre the axes of other dendrites have to be."""
    return head_radius_um + settings.dendrite_radius_um + 0.1


def _between(tree: Tree, pieces: Ints, place: Floats, occupied: Floats) -> Floats:
    """Points (n, 3) [um] on the axis of a dendrite, at each `place` in the order of those that `_spines` has given away."""
    lengths, n = tree.length_um(pieces), max(occupied.size, 1)
    ends = np.cumsum(lengths)
    rank = np.interp(place, [0.0, *np.sort(occupied), 1.0], [0.0, *(np.arange(occupied.size) + 0.5), n])
    along = rank / n * ends[-1]
    i = np.minimum(np.searchsorted(ends, along), ends.size - 1)
    start, stop = tree.points_um[tree.parent[pieces[i]]], tree.points_um[pieces[i]]
    points: Floats = start + ((along - ends[i] + lengths[i]) / lengths[i])[:, None] * (stop - start)
    return points
