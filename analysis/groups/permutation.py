"""Tests by permutation of labels within blocks: the synapses of a neuron, the neurons of an animal, or the animals."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synimg.analysis.groups.means import centred
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N_PERMUTATIONS = 1999
AT_ONCE = 200_000
ROUNDING = 1e-9
"""Sums of values of sd 1 that are as far from 0 as that count as equal."""
MOST_DRAWS = 40_000_000
"""Units times permutations above which the permutations' exact moments take their place."""


def group_tests(values: Floats, label: Ints, block: Ints, seed: int) -> Floats:
    """Two-sided p-value of every group against the rest of its blocks.

    Parameters
    ----------
    values : (k, n) ndarray
        k quantities of n units.
    label, block : (n,) ndarray of int
        Group and block of every unit, from 0.
    seed : int
        Of the permutations.

    Returns
    -------
    (k, n_groups) ndarray
        1 where a group has no rest in its blocks, or all values are the same, as where a method finds no learning at all.

    Notes
    -----
    The statistic is the sum over a group of the values less their block's mean. Under the null the labels of a block are
    exchangeable. Large tables use the mean (0) and the variance that the sum has over all permutations, with the normal
    limit (Hoeffding 1951).
    """
    y = _unit_scale(values, block)
    n_groups = int(label.max()) + 1
    seen = np.array([np.bincount(label, row, n_groups) for row in y])
    if y.shape[1] * N_PERMUTATIONS > MOST_DRAWS:
        n_block = np.bincount(block)
        free = np.maximum(n_block - 1, 1)
        member = np.bincount(block * n_groups + label, minlength=n_block.size * n_groups).reshape(-1, n_groups)
        weight = member * (n_block[:, None] - member) / (n_block * free)[:, None]
        variance = np.array([np.bincount(block, row**2) @ weight for row in y])
        return _normal_p(seen, variance)
    beyond = np.zeros_like(seen)
    for drawn in _permuted(y, block, seed):
        n_drawn = drawn.shape[1]
        cell = (label + n_groups * np.arange(n_drawn)[:, None]).ravel()
        sums = np.array([np.bincount(cell, row.ravel(), n_drawn * n_groups) for row in drawn])
        beyond += (np.abs(sums.reshape(len(y), n_drawn, n_groups)) >= np.abs(seen)[:, None] - ROUNDING).sum(axis=1)
    return (1.0 + beyond) / (1.0 + N_PERMUTATIONS)


def slope_tests(values: Floats, x: Floats, block: Ints, seed: int) -> Floats:
    """Two-sided p-value (k,) of a slope of each of `values` (k, n) over `x` (n,) within blocks; see `group_tests`."""
    y, inside = _unit_scale(values, block), _unit_scale(x[None], block)[0]
    seen = y @ inside
    if y.shape[1] * N_PERMUTATIONS > MOST_DRAWS:
        free = np.maximum(np.bincount(block) - 1, 1)
        power = np.bincount(block, inside**2) / free
        return _normal_p(seen, np.array([np.bincount(block, row**2) @ power for row in y]))
    beyond = np.zeros_like(seen)
    for drawn in _permuted(y, block, seed):
        beyond += (np.abs(drawn @ inside) >= np.abs(seen)[:, None] - ROUNDING).sum(axis=1)
    return (1.0 + beyond) / (1.0 + N_PERMUTATIONS)


def _unit_scale(values: Floats, block: Ints) -> Floats:
    """Each of `values` (k, n) less its block's mean, with an sd of 1: however small, it has an order."""
    y = np.array([centred(row, block) for row in values])
    sd = y.std(axis=1, keepdims=True)
    return np.divide(y, sd, out=np.zeros_like(y), where=sd > 1e-12 * np.abs(values).max(axis=1, keepdims=True))


def _permuted(y: Floats, block: Ints, seed: int) -> Iterator[Floats]:
    """`y` (k, n) with its columns dealt out anew within every block, (k, several, n) at a time, `N_PERMUTATIONS` in all."""
    rng = stream(seed, "separate", "groups")
    order = np.argsort(block, kind="stable")
    start = block[order].astype(np.float64)
    several = max(1, AT_ONCE // order.size)
    for first in range(0, N_PERMUTATIONS, several):
        n_drawn = min(several, N_PERMUTATIONS - first)
        dealt = np.empty((n_drawn, order.size), np.int64)
        dealt[:, order] = order[np.argsort(start + rng.random((n_drawn, order.size)), axis=1)]
        yield y[:, dealt]


def _normal_p(seen: Floats, variance: Floats) -> Floats:
    z = np.abs(seen) / np.sqrt(np.maximum(variance, 1e-300))
    p: Floats = np.where(variance > 1e-18, 2.0 * ndtr(-z), 1.0)
    return p
