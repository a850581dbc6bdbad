"""The weights that a batch of trials runs with, dense for small networks and sparse for large ones."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, issparse

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
STEPS_TOGETHER = (
    128  # numbers of one unit that `_at_edges` multiplies before it goes on to the next: they fit the cache
)


@dataclass(frozen=True)
class Weights:
    """Who drives whom.

    recurrent : (n_units, n_units) ndarray or csr_array, (post, pre)
    inputs : (n_units, n_inputs) ndarray
    """

    recurrent: Any
    inputs: Floats32

    @property
    def is_sparse(self) -> bool:
        """Whether only the connections that exist are stored."""
        return bool(issparse(self.recurrent))

    @cached_property
    def _transposed(self) -> Any:
        return self.recurrent.T.tocsr() if self.is_sparse else np.ascontiguousarray(self.recurrent.T)

    def forward(self, rates: Floats32) -> Floats32:
        """What rates (trial, pre) drive in each unit, (trial, post)."""
        if self.is_sparse:
            return _product(self.recurrent, rates)
        driven: Floats32 = rates @ self._transposed
        return driven

    def back(self, signal: Floats32) -> Floats32:
        """What a signal at the postsynaptic units (trial, post) says to the presynaptic ones, (trial, pre)."""
        if self.is_sparse:
            return _product(self._transposed, signal)
        heard: Floats32 = signal @ self.recurrent
        return heard

    def replaced(self, post: Ints, pre: Ints, weight: Floats32) -> "Weights":
        """Other weights on connections of the units, stored in the same way."""
        return Weights(matrix_of(self.inputs.shape[0], post, pre, weight, self.is_sparse), self.inputs)

    def entries(self) -> tuple[Ints, Ints, Floats32]:
        """Post, pre and weight of the connections that exist."""
        matrix = coo_array(self.recurrent)
        return matrix.row, matrix.col, matrix.data


def matrix_of(n_units: int, post: Ints, pre: Ints, weight: Floats32, is_sparse: bool) -> Any:
    """The matrix (post, pre) of connections, each of which is listed once."""
    if is_sparse:
        return csr_array((weight, (post, pre)), shape=(n_units, n_units))
    matrix = np.zeros((n_units, n_units), np.float32)
    matrix[post, pre] = weight
    return matrix


def _product(matrix: Any, rates: Floats32) -> Floats32:
    product: Floats32 = np.ascontiguousarray((matrix @ np.ascontiguousarray(rates.T)).T)
    return product


def at_edges(post_factor: Floats32, pre_factor: Floats32, post: Ints, pre: Ints, one_by_one: bool) -> Floats32:
    """Sum over time and trials of the product of what both ends of each edge have, (n_edges,).

    Parameters
    ----------
    post_factor, pre_factor : (time, trial, n_units) and (time, trial, n_sources) ndarray
    post, pre : (n_edges,) ndarray of int
    one_by_one : bool
        Edge by edge, which large sparse networks need, or as a matrix product of which the edges are picked.
    """
    later = post_factor.reshape(-1, post_factor.shape[-1]).T
    earlier = pre_factor.reshape(-1, pre_factor.shape[-1])
    if not one_by_one:
        product: Floats32 = (later @ earlier)[post, pre]
        return product
    found = np.zeros(post.size, np.float32)
    _at_edges(np.ascontiguousarray(later), np.ascontiguousarray(earlier.T), post, pre, found, STEPS_TOGETHER)
    return found


@nb.njit(cache=True, nogil=True, fastmath=True)
def _at_edges(later: Floats32, earlier: Floats32, post: Ints, pre: Ints, found: Floats32, together: int) -> None:
    for first in range(0, later.shape[1], together):
        n = min(together, later.shape[1] - first)
        for edge in range(post.size):
            mine, other = later[post[edge], first : first + n], earlier[pre[edge], first : first + n]
            total = np.float32(0.0)
            for k in range(n):
                total += mine[k] * other[k]
            found[edge] += total
