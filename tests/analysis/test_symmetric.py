"""Small symmetric matrices: the solution and the eigenvectors are those of LAPACK."""

import numpy as np
import pytest

from synimg.analysis.symmetric import diagonalise, solve
from synimg.streams import stream


@pytest.mark.parametrize("n", [1, 10, 12])
def test_the_solution_is_that_of_numpy(n):
    rng = stream(1, "test", n)
    root, vector = rng.standard_normal((n, n)), rng.standard_normal(n)
    matrix = root @ root.T + 0.1 * np.eye(n)
    expected = np.linalg.solve(matrix, vector)
    solve(matrix, vector)
    np.testing.assert_allclose(vector, expected, rtol=1e-9)


@pytest.mark.parametrize("values", [(3.0, 1.0, -2.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (1e-9, 1.0, 1e9)])
def test_eigenvectors_turn_a_matrix_into_its_diagonal(values):
    turn = np.linalg.qr(stream(1, "test").standard_normal((3, 3)))[0]
    matrix = (turn * values) @ turn.T
    diagonal = matrix.copy()
    vectors = diagonalise(diagonal)
    scale = max(np.abs(values).max(), 1e-30)
    np.testing.assert_allclose(np.sort(np.diag(diagonal)), np.sort(values), atol=1e-14 * scale)
    np.testing.assert_allclose((vectors * np.diag(diagonal)) @ vectors.T, matrix, atol=1e-14 * scale)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-14)
