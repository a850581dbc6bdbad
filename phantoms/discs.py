"""Receptors on the discs of synapses, as points of light: a block makes those near it, and no list of them is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg import counter
from synimg.config import Config
from synimg.phantoms.across import across
from synimg.phantoms.prepare import Preparation, preparation_of
from synimg.phantoms.tissue import Tissue
from synimg.store.bins import Bins, Piece, bins_of
from synimg.streams import key64

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lights = tuple[Floats, Floats]
"""Places in the image (n, 3) [um], and expected photons (n,)."""
DISCS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class Discs:
    """The labelled receptors of the network in one channel.

    synapses : Bins, centre and normal of the disc (n, 3) [um], its radius (n,) [um], its labelled receptors (n,), the photons of
        one of them (n,), the number of the contact (n,)
    voxel_um : (3,) ndarray
    key : int, of the places of the receptors
    preparation : Preparation
    """

    synapses: Bins
    voxel_um: Floats
    key: int
    preparation: Preparation

    def near(self, low_um: Floats, high_um: Floats) -> Lights:
        """What lights up the channel between two corners of the image [um], and some more around."""
        centre, normal, radius, n, photons, contact = self.synapses.near(
            low_um / self.voxel_um, high_um / self.voxel_um
        )
        close = ((centre > low_um - radius[:, None]) & (centre < high_um + radius[:, None])).all(axis=1)
        points = on_discs(centre[close], normal[close], radius[close], n[close], np.uint64(self.key), contact[close])
        return points, np.repeat(photons[close], n[close]) * self.preparation.is_visible(points)


def discs_of(
    config: Config, tissue: Tissue, labelled: Ints, photons: Floats, name: str, seed: int, folder: Path | None
) -> Discs:
    """The synapses of a tissue in the channel `name`, by place; in files of a `folder`, where one is given.

    Parameters
    ----------
    labelled, photons : (n_contacts,) ndarray
        Receptors that carry the channel's dye, and what all of a contact send.
    """
    shown = np.flatnonzero(tissue.is_imaged & (labelled > 0))
    voxel = np.array(config.volume.voxel_um)

    def pieces() -> Iterator[Piece]:
        for i in range(0, max(shown.size, 1), DISCS_AT_ONCE):
            some = shown[i : i + DISCS_AT_ONCE]
            centre, n = tissue.position_um[some], labelled[some]
            yield centre / voxel, (centre, tissue.normal[some], tissue.disc_radius_um[some], n, photons[some] / n, some)

    reach_vox = tuple(tissue.disc_radius_um[shown].max(initial=0.0) / voxel)
    synapses = bins_of(pieces(), config.volume.shape_vox, reach_vox, folder)
    return Discs(synapses, voxel, key64(seed, "render", "receptors", name), preparation_of(config, seed))


@nb.njit(cache=True)
def on_discs(centre_um: Floats, normal: Floats, radius_um: Floats, n: Ints, key: np.uint64, number: Ints) -> Floats:
    """Positions [um] of `n` receptors on each disc, one disc after the other; those of one depend on the key and its `number`.

    Notes
    -----
    AMPA receptors sit slightly to the rim: the disc's area within a receptor's radius has a median of 0.6 of the
    whole (Nat Commun 2021, s41467-021-21004-x, Fig. 2), which ``area = u^0.737`` with uniform u gives.
    """
    points, row = np.empty((n.sum(), 3)), 0
    side, other = across(normal)
    for i in range(n.size):
        state = counter.start(key, np.uint64(number[i]))
        for _ in range(n[i]):
            state, u = counter.uniform(state)
            state, v = counter.uniform(state)
            distance, angle = radius_um[i] * u ** (0.5 * 0.737), 2.0 * np.pi * v
            on_side, on_other = distance * np.cos(angle), distance * np.sin(angle)
            for a in range(3):
                points[row, a] = centre_um[i, a] + on_side * side[i, a] + on_other * other[i, a]
            row += 1
    return points
