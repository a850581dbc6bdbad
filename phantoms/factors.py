"""A few factors per row and column that a matrix is made of, from those of its entries that are there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RANKS = range(9)
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
N_SWEEPS = 12
HELD_OUT = 0.2
SURE_SE = 3.0


@dataclass(frozen=True)
class Factors:
    """Entry (i, j) is ``base + row[i] + column[j] + left[i] . right[j]`` and a rest.

    base : float
    row, column : (n_rows,), (n_columns,) ndarray
    left, right : (n_rows, rank), (n_columns, rank) ndarray
    held_out_r2 : float, share of the variance of entries kept apart that such factors foretold
    """

    base: float
    row: Floats
    column: Floats
    left: Floats
    right: Floats
    held_out_r2: float

    @property
    def rank(self) -> int:
        """Number of factors besides the means of rows and columns."""
        return self.left.shape[1]

    def at(self, i: Ints, j: Ints) -> Floats:
        """The entries (i, j) without their rest."""
        return self.base + self.row[i] + self.column[j] + np.einsum("nk,nk->n", self.left[i], self.right[j])


def fit_factors(i: Ints, j: Ints, values: Floats, shape: tuple[int, int], rng: np.random.Generator) -> Factors:
    """Factors of the matrix of which `values` are the entries (i, j).

    Parameters
    ----------
    i, j : (n,) ndarray of int
        Row and column of each entry; no pair twice.
    values : (n,) ndarray
    shape : (int, int)
        Rows and columns.
    rng : Generator
        Chooses the entries that are held out.

    Notes
    -----
    Alternating ridge regression on the entries that are there (Koren, Bell, Volinsky 2009, Computer 42:30). Ridge and
    rank are those that foretell a fifth of the entries best that was held out: the ridge at rank 3, then the rank,
    from 0 up until two more factors have not helped. There are none if what they foretell is not sure: its gain in
    squared error below three times its standard error.
    """
    sd = float(np.std(values)) if values.size else 0.0
    base = float(np.mean(values)) if values.size else 0.0
    rows, columns = np.zeros((shape[0], 0)), np.zeros((shape[1], 0))
    nothing = Factors(base, np.zeros(shape[0]), np.zeros(shape[1]), rows, columns, 0.0)
    if sd == 0.0:
        return nothing
    x = (values - base) / sd
    apart = rng.random(x.size) < HELD_OUT
    largest = max(min(RANKS.stop - 1, min(shape) - 2), 0)

    def gain(rank: int, ridge: float) -> Floats:
        """By how much the squared error of each entry held out is smaller than without factors."""
        fitted = _alternate(i[~apart], j[~apart], x[~apart], shape, rank, ridge)
        error: Floats = x[apart] - _at(fitted, i[apart], j[apart])
        return x[apart] ** 2 - error**2

    if not apart.any() or apart.all():
        return nothing
    ridge = max(RIDGES, key=lambda r: float(np.mean(gain(min(3, largest), r))))
    gains: list[Floats] = []
    for rank in range(largest + 1):
        gains.append(gain(rank, ridge))
        if rank - int(np.argmax([np.mean(g) for g in gains])) >= 2:
            break
    rank = int(np.argmax([np.mean(g) for g in gains]))
    best = gains[rank]
    if np.mean(best) <= SURE_SE * np.std(best) / np.sqrt(best.size):
        return nothing
    row, column, left, right = _alternate(i, j, x, shape, rank, ridge)
    root = np.sqrt(sd)
    held_out_r2 = float(np.mean(best) / np.mean(x[apart] ** 2))
    return Factors(base, sd * row, sd * column, root * left, root * right, held_out_r2)


_Parts = tuple[Floats, Floats, Floats, Floats]


def _at(parts: _Parts, i: Ints, j: Ints) -> Floats:
    row, column, left, right = parts
    return row[i] + column[j] + np.einsum("nk,nk->n", left[i], right[j])


def _alternate(i: Ints, j: Ints, x: Floats, shape: tuple[int, int], rank: int, ridge: float) -> _Parts:
    """Row and column means and factors, each in turn the ridge regression on the others."""
    there = csr_matrix((np.ones(x.size), (i, j)), shape)
    filled = csr_matrix((x, (i, j)), shape)
    row, column = np.zeros(shape[0]), np.zeros(shape[1])
    left, right = np.zeros((shape[0], rank)), np.zeros((shape[1], rank))
    if rank:
        # entries that are not there count as 0 in the first guess; ARPACK starts from ones, so it is always the same
        u, s, vt = svds(filled, k=rank, v0=np.ones(min(shape)))
        scale = np.sqrt(s * shape[0] * shape[1] / x.size)
        left, right = u * scale, vt.T * scale
    there_t, filled_t = there.T.tocsr(), filled.T.tocsr()
    for _ in range(N_SWEEPS):
        row, left = _regress(there, filled, column, right, ridge)
        column, right = _regress(there_t, filled_t, row, left, ridge)
        if rank:  # both sides alike in size, or the ridge would press on one of them only
            ratio = np.sqrt(np.sqrt(np.mean(right**2, axis=0) + 1e-300) / np.sqrt(np.mean(left**2, axis=0) + 1e-300))
            left, right = left * ratio, right / ratio
    return row, column, left, right


def _regress(
    there: csr_matrix, filled: csr_matrix, other_mean: Floats, other: Floats, ridge: float
) -> tuple[Floats, Floats]:
    """Mean and factors of every row of `filled`, given those of the columns."""
    design = np.column_stack([np.ones(len(other)), other])
    k = design.shape[1]
    squares = there @ (design[:, :, None] * design[:, None, :]).reshape(len(other), k * k)
    wanted = filled @ design - there @ (other_mean[:, None] * design)
    solved = np.linalg.solve(squares.reshape(-1, k, k) + ridge * np.eye(k), wanted[:, :, None])[:, :, 0]
    return solved[:, 0], solved[:, 1:]
