"""Clustering along the dendrite: what the neighbours of a synapse learned says of the synapse itself."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from synimg.analysis.mixture.counts import Floats, Ints

REACH_UM = 5.0
"""Potentiation eases that of neighbours within 5 to 10 um (Harvey and Svoboda 2007, Nature 450:1195)."""
FARTHEST_REACHES = 3.0
NEAREST_UM = 1.0
"""Closer, two puncta share light in an image, and what one is given too much the other has too little: that looks like learning
together, or apart. Of networks without clusters two of six measured maps paid for it otherwise, and ranked worse."""
LEAST_PAIRS = 200
LEAST_GAIN = 6.0
"""Gain in ln likelihood that neighbours must bring: where synapses lie anywhere it is 0 to 3 (a pair speaks twice)."""


def neighbour_pairs(table: pd.DataFrame, order: Ints) -> tuple[Ints, Floats] | None:
    """Pairs (m, 2) of synapses of one branch (of one neuron, where branches are not told apart) that lie close together.

    Those that lie closer than `NEAREST_UM` are none.

    Parameters
    ----------
    table : DataFrame
        Synapse table.
    order : (n,) ndarray of int
        Its rows in the order in which pairs are numbered.

    Returns
    -------
    pairs, weight : ndarray
        Rows of both, and ``exp(-distance / REACH_UM)``; None where places are not known or hardly any are close.
    """
    axes = ["z_um", "y_um", "x_um"]
    if any(name not in table for name in axes):
        return None
    place = table[axes].to_numpy(float)[order]
    seen = np.flatnonzero(np.isfinite(place).all(axis=1))
    if seen.size < 2:
        return None
    names = ["neuron_id"] + (["branch_id"] if "branch_id" in table and table["branch_id"].notna().all() else [])
    unit = table.groupby(names, sort=False).ngroup().to_numpy()[order][seen]
    apart = np.ptp(place[seen], axis=0).max() + 10.0 * FARTHEST_REACHES * REACH_UM
    tree = cKDTree(np.column_stack([place[seen], unit * apart]))
    pairs = tree.query_pairs(FARTHEST_REACHES * REACH_UM, output_type="ndarray").astype(np.int64)
    pairs = seen[pairs]
    distance = np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1)
    pairs, distance = pairs[distance >= NEAREST_UM], distance[distance >= NEAREST_UM]
    return (pairs, np.exp(-distance / REACH_UM)) if len(pairs) >= LEAST_PAIRS else None


def neighbours_learned(pairs: Ints, weight: Floats, surplus: Floats, neuron: Ints) -> Floats:
    """How much more than their neuron a synapse's neighbours learned (n,), of mean 0 and sd 1; its own evidence is not in it.

    Parameters
    ----------
    pairs, weight : ndarray
        Of `neighbour_pairs`.
    surplus : (n,) ndarray
        Probability of learning beyond its prior.
    neuron : (n,) ndarray of int
        Rows of neurons. The mean of the neuron's others is taken off: a misfit factor makes a whole neuron look learned.
    """
    first, second = pairs.T
    n = surplus.size
    total = np.bincount(first, weight * surplus[second], n) + np.bincount(second, weight * surplus[first], n)
    near = np.bincount(first, weight, n) + np.bincount(second, weight, n)
    others = (np.bincount(neuron, surplus)[neuron] - surplus) / np.maximum(np.bincount(neuron)[neuron] - 1, 1)
    beyond = total - near * others
    sd = float(beyond.std())
    known: Floats = (beyond - beyond.mean()) / sd if sd > 0 else np.zeros(n)
    return known
