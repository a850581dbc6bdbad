"""Axons in the image, found by place: a block fills with dye those near it, and no list of their points of light is kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.identity.protocol import Identity
from synimg.phantoms.prepare import Preparation, preparation_of
from synimg.phantoms.solids import by_place, fill, n_points
from synimg.phantoms.surroundings import Lights
from synimg.store.bins import Bins

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Strands:
    """Axons as capsules, and the dye in them.

    capsules : Bins, start (n, 3), end (n, 3), radius (n,) [um], neuron id (n,), 0 (no synapse), number of the first point of
        dye (n,)
    config, seed : Config, int
    preparation : Preparation
    """

    capsules: Bins
    config: Config
    seed: int
    preparation: Preparation

    def near(self, dye: int, low_um: Floats, high_um: Floats) -> Lights:
        """What lights up the channel of a dye between two corners of the image [um], and some more around."""
        points, level, volume_um3, kept = _filled(self, tuple(low_um.tolist()), tuple(high_um.tolist()))
        identity: Identity = self.config.identity
        return points, identity.photons(level[:, dye]) * volume_um3 * kept


@lru_cache(maxsize=1)  # one dye after the other asks for the same block
def _filled(
    strands: Strands, low_um: tuple[float, ...], high_um: tuple[float, ...]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Points of dye near a block: places (n, 3), expression levels (n, n_dyes), volumes (n,), share of the dye there is (n,)."""
    voxel, preparation = np.array(strands.config.volume.voxel_um), strands.preparation
    start, end, radius, neuron_id, _, first = strands.capsules.near(np.array(low_um) / voxel, np.array(high_um) / voxel)
    points, of, volume_um3 = fill(start, end, radius, neuron_id, first)
    known, row = np.unique(of, return_inverse=True)
    identity: Identity = strands.config.identity
    level = identity.codes(known, strands.seed)[row]
    kept = np.ones(len(points)) * preparation.is_visible(points) * preparation.retention / np.prod(preparation.scale)
    return points, level, volume_um3, kept


def strands_of(
    tables: Callable[[], Iterator[pd.DataFrame]], config: Config, seed: int, folder: Path | None = None
) -> Strands:
    """The axons of tables (`schema.TRUTH_AXONS`), whole ones in each; in files of a `folder`, where one is given.

    Parameters
    ----------
    tables : callable
        Gives the tables, one at least, the same whenever it is called.
    """

    def columns() -> Iterator[tuple[NDArray[Any], ...]]:
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

    volume = config.volume
    capsules = by_place(columns, volume.voxel_um, volume.shape_vox, folder)
    return Strands(capsules, config, seed, preparation_of(config, seed))
