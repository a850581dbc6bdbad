"""One-to-one matching of found and true positions."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FAR = 1e6


def match(found_um: Floats, true_um: Floats, lateral_um: float = 0.15, axial_um: float = 0.4) -> tuple[Ints, Ints]:
    """Rows of `found_um` and of `true_um` that belong together, one to one.

    Parameters
    ----------
    found_um, true_um : (n, 3) and (m, 3) ndarray [um]
        Positions z, y, x.
    lateral_um, axial_um : float
        The gate, a cylinder: farther apart never matches.

    Notes
    -----
    As many pairs as the gate allows, with the least sum of squared distances in gate units: the assignment problem is
    solved exactly in each connected group of candidates.
    """
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if not len(found_um) or not len(true_um):
        return nothing
    scale = np.array([axial_um, lateral_um, lateral_um])
    near = cKDTree(found_um / scale).sparse_distance_matrix(
        cKDTree(true_um / scale), np.sqrt(2.0), output_type="coo_matrix"
    )
    offset = (found_um[near.row] - true_um[near.col]) / scale
    inside = (np.abs(offset[:, 0]) <= 1.0) & (np.hypot(offset[:, 1], offset[:, 2]) <= 1.0)
    row, col, cost = near.row[inside], near.col[inside], (offset[inside] ** 2).sum(axis=1)
    if not row.size:
        return nothing
    n, m = len(found_um), len(true_um)
    graph = coo_matrix((np.ones(row.size), (row, col + n)), shape=(n + m, n + m))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component[row], kind="stable")
    _, first, size = np.unique(component[row][order], return_index=True, return_counts=True)
    alone = order[first[size == 1]]
    pairs = [np.column_stack([row[alone], col[alone]])]
    for group in (order[k : k + n] for k, n in zip(first[size > 1], size[size > 1], strict=True)):
        rows, r = np.unique(row[group], return_inverse=True)
        cols, c = np.unique(col[group], return_inverse=True)
        costs = np.full((rows.size, cols.size), FAR)
        costs[r, c] = cost[group]
        i, j = linear_sum_assignment(costs)
        real = costs[i, j] < FAR
        pairs.append(np.column_stack([rows[i[real]], cols[j[real]]]))
    both = np.concatenate(pairs)
    both = both[np.argsort(both[:, 0], kind="stable")]
    return both[:, 0], both[:, 1]
