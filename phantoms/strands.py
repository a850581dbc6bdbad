"""The dye in dendrites, spines and axons: a block fills those near it, and no list of points of light is kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.discs import Lights
from synimg.phantoms.identity.protocol import Identity
from synimg.phantoms.prepare import Preparation
from synimg.phantoms.solids import Columns, by_place, fill, is_near, n_points
from synimg.store.bins import Bins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Strands:
    """What the dyes of an identity fill.

    capsules : tuple of Bins, see `solids.by_place`
    config, seed : Config, int
    preparation : Preparation
    """

    capsules: tuple[Bins, ...]
    config: Config
    seed: int
    preparation: Preparation

    def near(self, dye: int, low_um: Floats, high_um: Floats) -> Lights:
        """What lights up the channel of a dye between two corners of the image [um], and some more around."""
        # to whole um, so that dyes whose light reaches about as far share what is filled
        low, high = np.floor(low_um), np.ceil(high_um)
        points, level, volume_um3, kept = _filled(self, tuple(low.tolist()), tuple(high.tolist()))
        identity: Identity = self.config.identity
        return points, identity.photons(level[:, dye]) * volume_um3 * kept


@lru_cache(maxsize=1)  # one dye after the other asks for the same block
def _filled(
    strands: Strands, low_um: tuple[float, ...], high_um: tuple[float, ...]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Points of dye near a block: places (n, 3), expression levels (n, n_dyes), volumes (n,), share of the dye there is (n,)."""
    volume, preparation = strands.config.volume, strands.preparation
    low, high, voxel_um, box_um = (np.array(v) for v in (low_um, high_um, volume.voxel_um, volume.size_um))
    found = []
    for capsules in strands.capsules:
        start, end, radius, neuron_id, _, first = capsules.near(low / voxel_um, high / voxel_um)
        thick = radius[:, None]
        near = is_near(start, end, -1.0, box_um + 1.0) & is_near(start, end, low - thick, high + thick)
        found.append(fill(start[near], end[near], radius[near], neuron_id[near], first[near]))
    points, of, volume_um3 = (np.concatenate(column) for column in zip(*found, strict=True))
    known, row = np.unique(of, return_inverse=True)
    identity: Identity = strands.config.identity
    level = identity.codes(known, strands.seed)[row]
    # what swells is diluted
    kept = preparation.is_visible(points) * (preparation.retention / np.prod(preparation.scale))
    return points, level, volume_um3, kept


def axon_capsules(tables: Callable[[], Iterator[pd.DataFrame]], config: Config, folder: Path | None = None) -> Bins:
    """The axons of tables (`schema.TRUTH_AXONS`), found by place; in files of a `folder`, where one is given.

    Parameters
    ----------
    tables : callable
        Gives the tables, one at least and whole axons in each, the same whenever it is called.
    """

    def columns() -> Iterator[Columns]:
        done = 0
        for table in tables():
            place = table[["z_um", "y_um", "x_um"]].to_numpy(float)
            child = np.flatnonzero(table["parent_id"].notna())
            parent = (table["parent_id"].iloc[child] - table["point_id"].iloc[0]).to_numpy(np.int64)
            start, end, radius = place[parent], place[child], table["radius_um"].to_numpy(float)[child]
            n = n_points(start, end, radius)
            of = table["neuron_id"].to_numpy(np.int64)[child]
            yield start, end, radius, of, np.zeros(child.size, np.int64), done + np.cumsum(n) - n
            done += int(n.sum())

    return by_place(columns, config.volume.voxel_um, config.volume.shape_vox, folder)
