"""Counter-based draws follow their laws."""

import numba as nb
import numpy as np
import pytest

from synimg import counter


@nb.njit
def draws(key, mean, n):
    counts, normals = np.empty(n), np.empty(n)
    for i in range(n):
        state = counter.start(np.uint64(key), np.uint64(i))
        state, counts[i] = counter.poisson(state, mean)
        state, normals[i] = counter.normal(state)
    return counts, normals


@pytest.mark.parametrize("key", [1, 2, 3])
@pytest.mark.parametrize("mean", [0.3, 9.9, 10.1, 800.0])
def test_poisson_numbers_have_their_mean_and_variance(key, mean):
    counts, _ = draws(key, mean, 100_000)
    se = np.sqrt(mean / 1e5)
    assert counts.mean() == pytest.approx(mean, abs=5 * se)
    assert counts.var() == pytest.approx(mean, abs=5 * np.sqrt((mean + 2 * mean**2) / 1e5))


@pytest.mark.parametrize("key", [1, 2, 3])
def test_normal_numbers_are_standard_and_independent_of_their_neighbours(key):
    _, normals = draws(key, 1.0, 100_000)
    assert normals.mean() == pytest.approx(0, abs=5 / np.sqrt(1e5))
    assert normals.std() == pytest.approx(1, abs=5 / np.sqrt(2e5))
    assert np.corrcoef(normals[1:], normals[:-1])[0, 1] == pytest.approx(0, abs=5 / np.sqrt(1e5))
