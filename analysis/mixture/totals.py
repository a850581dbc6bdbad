"""How likely a total is: a count of receptors whose logarithm is normal beforehand, exact however few they are."""

from collections.abc import Sequence
from functools import lru_cache

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
N_NEWTON = 10
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(9)
COUNT_STEP, APART_STEP, WIDTH_STEP, MOST_APART = 0.1, 0.02, 0.1, 7.0
"""Of the table in ln count, in ln of what was expected over the count, and in ln sd. What it is off adds up over a table of
synapses, and must not pull at the sd: the ln likelihood of 4000 changes by less than .1 too much or too little by a step."""


def posterior_nodes(count: Floats, apart: Floats, variance: float) -> tuple[Floats, Floats]:
    """Nodes over the posterior of what was expected of a count: ln of it over the count, (..., n_nodes), and ln weights.

    Parameters
    ----------
    count : ndarray
        What was counted, on a scale on which it is Poisson's, above 0 and whole or not.
    apart : ndarray
        Mean beforehand of ln of what was expected, over the count.
    variance : float
        Of the same, which is normal beforehand.

    Notes
    -----
    Gauss-Hermite quadrature about the top (Liu & Pierce 1994, Biometrika 81:624), which Newton's method reaches from above: what it
    solves is convex. The weights sum to ``sqrt(2 pi)`` times the likelihood, in which the count itself would have 1.
    """
    top = np.where(apart > 0.0, np.minimum(apart, np.log1p(np.maximum(apart, 0.0) / (variance * count))), 0.0)
    for _ in range(N_NEWTON):
        expected = count * np.exp(top)
        top = top - ((top - apart) / variance + expected - count) / (1.0 / variance + expected)
    width = np.sqrt(2.0 / (1.0 / variance + count * np.exp(top)))[..., None]
    x = top[..., None] + width * NODES
    ln = -0.5 * (x - apart[..., None]) ** 2 / variance + count[..., None] * (x - np.expm1(x))
    return x, ln + NODES**2 + np.log(WEIGHTS) + np.log(width / np.sqrt(variance))


def moments(count: Floats, apart: Floats, variance: float) -> Floats:
    """Log of the sum of `posterior_nodes`' weights, and mean and variance under them: (3, ...)."""
    x, ln = posterior_nodes(count, apart, variance)
    top = ln.max(axis=-1, keepdims=True)
    weight = np.exp(ln - top)
    whole = weight.sum(axis=-1)
    mean = (weight * x).sum(axis=-1) / whole
    square = (weight * x**2).sum(axis=-1) / whole
    return np.stack([top[..., 0] + np.log(whole), mean, np.maximum(square - mean**2, 0.0)])


def ln_evidence(
    count: Floats, offset: Floats, level: Floats, row_class: Ints, law: tuple[Sequence[float], ...]
) -> Floats32:
    """Log of ``int N(x) exp(count x - e^x) / Gamma(count) dx``, (n, n_level), for counts (n,).

    The `law` of x, ln of what is expected: weights, means and sds of two normals. The means are moved by `offset` (n,) and by
    `level` (n_class, n_level) of the row's class.
    """
    ln_count = np.log(count)
    at_count = ln_count / COUNT_STEP
    first, last = int(np.floor(at_count.min())), int(np.floor(at_count.max())) + 1
    row = np.floor(at_count).astype(np.int64)
    table, least_apart = _table(law, first, last)
    at = ((offset - ln_count - least_apart) / APART_STEP).astype(np.float32)
    at_level = (level / APART_STEP).astype(np.float32)
    ln = _looked_up(table, row - first, (at_count - row).astype(np.float32), at, at_level, row_class)
    ln += (count * (ln_count - 1.0) - gammaln(count) - 0.5 * np.log(2.0 * np.pi)).astype(np.float32)[:, None]
    return ln


def _table(law: tuple[Sequence[float], ...], first: int, last: int) -> tuple[Floats32, float]:
    """Log of the sum of `posterior_nodes`' weights over both normals, (n_count, n_apart), and where its columns begin.

    They go by what was expected over the count before the means of the law are added.
    """
    weights, means, widths = law
    n_apart = int((2.0 * MOST_APART - (max(means) - min(means))) / APART_STEP)  # as far as both of their tables go
    ln = []
    for weight, mean, width in zip(weights, means, widths, strict=True):
        of_mean = _between(_of_normal(width, first, last), (mean - min(means)) / APART_STEP, n_apart)
        ln.append(of_mean + np.float32(np.log(weight)))
    more, less = np.maximum(*ln), np.minimum(*ln)
    more += np.log1p(np.exp(less - more))
    return more, -MOST_APART - min(means)


def _of_normal(width: float, first: int, last: int) -> Floats32:
    """The same of one normal of that sd: a cubic through four sds nearby."""
    at = np.log(width) / WIDTH_STEP
    below = int(np.floor(at))
    tables = [_table_at(below + k, first, last) for k in (-1, 0, 1, 2)]
    return _cubic(tables, at - below)


def _between(table: Floats32, first: float, n: int) -> Floats32:
    """`n` columns of a table from the place `first`, which may lie between two: a cubic through four."""
    below = int(np.floor(first))
    padded = np.pad(table, ((0, 0), (1, 3)), mode="edge")
    return _cubic([padded[:, below + k : below + k + n] for k in range(4)], first - below)


def _cubic(four: list[Floats32], u: float) -> Floats32:
    """The polynomial through four tables at -1, 0, 1, 2 (Lagrange's), at `u`."""
    shares = (
        -u * (u - 1) * (u - 2) / 6,
        (u + 1) * (u - 1) * (u - 2) / 2,
        -(u + 1) * u * (u - 2) / 2,
        (u + 1) * u * (u - 1) / 6,
    )
    one, two, three, last = (np.float32(share) * table for share, table in zip(shares, four, strict=True))
    summed: Floats32 = one + two + three + last
    return summed


@lru_cache(maxsize=128)
def _table_at(step: int, first: int, last: int) -> Floats32:
    count = np.exp(np.arange(first, last + 1) * COUNT_STEP)
    apart = np.arange(-MOST_APART, MOST_APART + 0.5 * APART_STEP, APART_STEP)
    each, at = np.broadcast_arrays(count[:, None], apart)
    return moments(each, at, float(np.exp(2.0 * step * WIDTH_STEP)))[0].astype(np.float32)


@nb.njit(cache=True, nogil=True)
def _looked_up(table: Floats32, row: Ints, share: Floats32, at: Floats32, level: Floats32, row_class: Ints) -> Floats32:
    """The table between its rows and columns, both linear; beyond its last columns the last."""
    n, n_level = row.size, level.shape[1]
    out = np.empty((n, n_level), np.float32)
    last = np.float32(table.shape[1] - 1.001)
    for i in range(n):
        low, high, by, own = table[row[i]], table[row[i] + 1], share[i], level[row_class[i]]
        for g in range(n_level):
            place = min(max(at[i] + own[g], np.float32(0.0)), last)
            m = np.uint64(place)
            rest = place - np.float32(m)
            one = low[m] + rest * (low[m + np.uint64(1)] - low[m])
            two = high[m] + rest * (high[m + np.uint64(1)] - high[m])
            out[i, g] = one + by * (two - one)
    return out
