"""Symmetric matrices so small that calling LAPACK takes longer than the work."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
N_SWEEPS = 8  # of Jacobi's rotations, at most; three or four are enough


@nb.njit(cache=True, nogil=True)
def solve(matrix: Floats, vector: Floats) -> None:
    """Replace a vector (n,) by the solution of ``matrix @ solution = vector``; the matrix (n, n) is positive, and is used up.

    Notes
    -----
    Elimination of the upper triangle (Cholesky without roots).
    """
    n = vector.size
    for k in range(n):
        row = matrix[k]
        for i in range(k + 1, n):
            factor = row[i] / row[k]
            vector[i] -= factor * vector[k]
            for j in range(i, n):
                matrix[i, j] -= factor * row[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            vector[i] -= matrix[i, j] * vector[j]
        vector[i] /= matrix[i, i]


@nb.njit(cache=True, nogil=True)
def diagonalise(matrix: Floats) -> Floats:
    """Eigenvectors (3, 3) of a matrix (3, 3), one a column; it becomes the diagonal one of its eigenvalues.

    Notes
    -----
    Jacobi's rotations, each of which makes one entry beside the diagonal 0.
    """
    vectors = np.eye(3)
    for _ in range(N_SWEEPS):
        for a in range(2):
            for b in range(a + 1, 3):
                if abs(matrix[a, b]) <= 1e-16 * (abs(matrix[a, a]) + abs(matrix[b, b])):
                    continue
                cotangent = 0.5 * (matrix[b, b] - matrix[a, a]) / matrix[a, b]  # of twice the angle
                tangent = math.copysign(1.0 / (abs(cotangent) + math.sqrt(cotangent**2 + 1.0)), cotangent)
                c = 1.0 / math.sqrt(tangent**2 + 1.0)
                s = tangent * c
                _rotate(matrix, a, b, c, s)
                _rotate(matrix.T, a, b, c, s)
                _rotate(vectors, a, b, c, s)
    return vectors


@nb.njit(cache=True, nogil=True)
def _rotate(rows: Floats, a: int, b: int, c: float, s: float) -> None:
    """Turn columns a and b of a matrix (3, 3) into each other by an angle of a cosine c and a sine s."""
    for k in range(3):
        rows[k, a], rows[k, b] = c * rows[k, a] - s * rows[k, b], s * rows[k, a] + c * rows[k, b]
