"""Axons that cross the block: thin, nearly straight, with a bouton opposite to synapses of their neuron and others on the way."""

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.config import Axons, Config
from synimg.phantoms.morphology import SWC_AXON, Tree
from synimg.phantoms.tissue import Tissue
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP_UM = 0.4
OUTSIDE_UM = 1.0
"""How far beyond the faces an axon goes on."""
DETOUR_UM = 2.0
"""How far from its way an axon serves further synapses of its neuron."""
WIGGLE_UM = 0.12
"""Sd of the steps across the way, before they are smoothed."""


def with_axons(tissue: Tissue, contact_pre: Ints, config: Config, seed: int) -> Tissue:
    """The tissue with axons of presynaptic units, until there are `axons.um_per_um3` of them.

    Parameters
    ----------
    contact_pre : (n_contacts,) ndarray of int
        Presynaptic unit of each contact.

    Notes
    -----
    Every axon passes an imaged synapse that none has passed before, along its disc, and on its way those synapses of its
    neuron that lie near; so its boutons face spines. Where all are served, it passes anywhere. Between boutons it wiggles
    (a smoothed Brownian bridge) and is pushed off the dendrites that it would run through.
    """
    settings, box = config.axons, np.array(config.volume.size_um)
    wanted_um = settings.um_per_um3 * float(np.prod(box))
    if not wanted_um:
        return tissue
    solid = [(tree.points_um[tree.pieces()], tree.radius_um[tree.pieces()]) for tree in tissue.trees]
    dendrite = cKDTree(np.concatenate([points for points, _ in solid]))
    dendrite_radius = np.concatenate([radius for _, radius in solid])
    bouton = tissue.position_um + settings.bouton_radius_um * tissue.normal
    open_ = np.flatnonzero(tissue.is_imaged & ((bouton > 0) & (bouton < box)).all(axis=1))
    is_open = np.zeros(contact_pre.size, bool)
    is_open[open_] = True
    order = stream(seed, "axons", "order").permutation(open_)
    axons: list[Tree] = []
    units: list[int] = []
    length_um, number = 0.0, 0
    while length_um < wanted_um:
        rng = stream(seed, "axons", len(axons))
        while number < order.size and not is_open[order[number]]:
            number += 1
        direction = rng.standard_normal(3)
        if number < order.size:
            contact = int(order[number])
            unit, through, normal = int(contact_pre[contact]), bouton[contact], tissue.normal[contact]
            direction -= (direction @ normal) * normal
            its = np.flatnonzero(is_open & (contact_pre == unit))
        else:
            unit, through, its = int(contact_pre[rng.integers(contact_pre.size)]), rng.random(3) * box, order[:0]
        direction /= np.linalg.norm(direction)
        first, last = _chord(through, direction, box)
        along = (bouton[its] - through) @ direction
        aside = np.linalg.norm(bouton[its] - through - along[:, None] * direction, axis=1)
        its, along = its[aside < DETOUR_UM], along[aside < DETOUR_UM]
        its, along = its[np.argsort(along)], np.sort(along)
        apart = np.ones(along.size, bool)
        apart[1:] = np.diff(along) > 2 * settings.bouton_radius_um
        its, along = its[apart], along[apart]
        is_open[its] = False
        stops = np.concatenate([[through + first * direction], bouton[its], [through + last * direction]])
        points, at_stop = _way(stops, rng)
        points = _pushed(points, at_stop, dendrite, dendrite_radius, settings.radius_um)
        tree = _tree(points, at_stop[1:-1], settings, rng)
        inside = np.asarray(((points > 0) & (points < box)).all(axis=1))
        length_um += max(float(np.linalg.norm(np.diff(points, axis=0), axis=1)[inside[1:]].sum()), STEP_UM)
        axons.append(tree)
        units.append(unit)
    return replace(tissue, axons=tuple(axons), axon_neuron_id=np.array(units) + 1)


def _chord(through: Floats, direction: Floats, box: Floats) -> tuple[float, float]:
    """Where a line through a place in the box leaves it, and `OUTSIDE_UM` farther, before and behind."""
    with np.errstate(divide="ignore"):
        ends = np.stack([-through, box - through]) / direction
    return float(ends.min(axis=0).max()) - OUTSIDE_UM, float(ends.max(axis=0).min()) + OUTSIDE_UM


def _way(stops: Floats, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Points from the first stop to the last, `STEP_UM` apart, and which of them are the stops."""
    parts, at = [stops[:1]], [0]
    for start, stop in itertools.pairwise(stops):
        n = max(int(np.ceil(np.linalg.norm(stop - start) / STEP_UM)), 1)
        t = np.arange(n + 1)[:, None] / n
        walk = np.cumsum(WIGGLE_UM * rng.standard_normal((n + 1, 3)), axis=0)
        smooth = (walk + np.roll(walk, 1, axis=0) + np.roll(walk, -1, axis=0)) / 3
        smooth[0], smooth[-1] = walk[0], walk[-1]
        bridge = smooth - smooth[0] - t * (smooth[-1] - smooth[0])
        parts.append((start + t * (stop - start) + bridge)[1:])
        at.append(at[-1] + n)
    return np.concatenate(parts), np.array(at)


def _pushed(points: Floats, at_stop: Ints, dendrite: cKDTree, dendrite_radius: Floats, radius_um: float) -> Floats:
    """The points, those inside a dendrite moved to its surface; stops stay."""
    distance, nearest = dendrite.query(points)
    clear = dendrite_radius[nearest] + radius_um
    moved = np.asarray(distance < clear)
    moved[at_stop] = False
    away = points - dendrite.data[nearest] + 1e-9
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    out: Floats = np.where(moved[:, None], dendrite.data[nearest] + clear[:, None] * away, points)
    return out


def _tree(points: Floats, at_stop: Ints, settings: Axons, rng: np.random.Generator) -> Tree:
    """A line of axon with boutons at the stops and, where there is none, at the stated interval (gamma law, CV 0.5)."""
    n = len(points)
    boutons, at = list(at_stop), 0.0
    while (at := at + rng.gamma(4.0, settings.bouton_interval_um / 4.0)) < n * STEP_UM:
        i = min(int(at / STEP_UM), n - 1)
        if np.abs(at_stop - i).min(initial=n) * STEP_UM > 0.5 * settings.bouton_interval_um:
            boutons.append(i)
    radius = np.full(n, settings.radius_um)
    # a bouton is as long as it is wide
    for i in boutons:
        low, high = max(i - 1, 0), min(i + 2, n)
        radius[low:high] = np.maximum(radius[low:high], 0.6 * settings.bouton_radius_um)
        radius[i] = settings.bouton_radius_um
    return Tree(points, radius, np.arange(n) - 1, np.full(n, SWC_AXON), np.ones(n, np.int64))
