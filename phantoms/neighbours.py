"""Points of dendrites, found by place while more of them grow."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_CELLS = 4_000_000
Index = tuple[Floats, Ints, Ints, Ints, float, Ints]
"""Points (n, 3), owner (n,), the last point of each cell, the point before in the cell (n,), edge of a cell, cells (3,)."""


class Neighbours:
    """Points with an owner, in cells of space; `index` is what compiled functions look them up in.

    Parameters
    ----------
    box_um : tuple of float
        Where most of them lie, from 0; those outside belong to the cells at the edge.
    cell_um : float
        Edge of a cell, unless that makes too many: about how far from a place others are looked for.
    """

    def __init__(self, box_um: tuple[float, float, float], cell_um: float) -> None:
        self._cell_um = max(cell_um, float(np.cbrt(np.prod(box_um) / MOST_CELLS)))
        self._shape = np.ceil(np.array(box_um) / self._cell_um).astype(np.int64)
        self._last = np.full(int(np.prod(self._shape)), -1)
        self._points, self._owner, self._before = (
            np.empty((1024, 3)),
            np.empty(1024, np.int64),
            np.empty(1024, np.int64),
        )
        self.n = 0

    @property
    def index(self) -> Index:
        """See `Index`."""
        return self._points, self._owner, self._last, self._before, self._cell_um, self._shape

    def add(self, points_um: Floats, owner: int) -> None:
        """Put points (n, 3) [um] of one owner in."""
        n = self.n + len(points_um)
        if n > len(self._points):
            room = max(n, 2 * len(self._points)) - len(self._points)
            self._points = np.concatenate([self._points, np.empty((room, 3))])
            self._owner, self._before = (
                np.concatenate([a, np.empty(room, np.int64)]) for a in (self._owner, self._before)
            )
        self._points[self.n : n], self._owner[self.n : n] = points_um, owner
        _add(self.n, n, *self.index)
        self.n = n


@nb.njit(inline="always")
def cell_of(place: float, cell_um: float, n: int) -> int:
    """Cell along an axis of a place there; the one at the edge for what lies outside."""
    return min(max(int(np.floor(place / cell_um)), 0), n - 1)


@nb.njit(cache=True)
def _add(
    begin: int, end: int, points: Floats, owner: Ints, last: Ints, before: Ints, cell_um: float, shape: Ints
) -> None:
    for i in range(begin, end):
        cell = 0
        for a in range(3):
            cell = cell * shape[a] + cell_of(points[i, a], cell_um, shape[a])
        before[i] = last[cell]
        last[cell] = i


@nb.njit(cache=True)
def nearest(place: Floats, reach_um: float, index: Index, found: Ints, distance: Floats) -> int:
    """The points nearest to `place` and nearer than `reach_um`, into `found` and `distance`; how many there are."""
    points, _, last, before, cell_um, shape = index
    n, most = 0, found.size
    z0, z1 = cell_of(place[0] - reach_um, cell_um, shape[0]), cell_of(place[0] + reach_um, cell_um, shape[0])
    y0, y1 = cell_of(place[1] - reach_um, cell_um, shape[1]), cell_of(place[1] + reach_um, cell_um, shape[1])
    x0, x1 = cell_of(place[2] - reach_um, cell_um, shape[2]), cell_of(place[2] + reach_um, cell_um, shape[2])
    for k in range(z0, z1 + 1):
        for j in range(y0, y1 + 1):
            for i in range(x0, x1 + 1):
                one = last[(k * shape[1] + j) * shape[2] + i]
                while one >= 0:
                    dz, dy, dx = place[0] - points[one, 0], place[1] - points[one, 1], place[2] - points[one, 2]
                    d = np.sqrt(dz * dz + dy * dy + dx * dx)
                    if d < reach_um and (n < most or d < distance[n - 1]):
                        at = min(n, most - 1)
                        while at > 0 and distance[at - 1] > d:
                            found[at], distance[at] = found[at - 1], distance[at - 1]
                            at -= 1
                        found[at], distance[at] = one, d
                        n = min(n + 1, most)
                    one = before[one]
    return n
