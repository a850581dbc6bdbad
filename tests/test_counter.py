"""Counter-based draws follow their laws."""

import numba as nb
import numpy as np
import pytest
from scipy.stats import chisquare, kstest, norm, poisson

from synimg import counter


@nb.njit
def draws(key, mean, n):
    counts, normals = np.empty(n), np.empty(n)
    for i in range(n):
        state = counter.start(np.uint64(key), np.uint64(i))
        state, counts[i] = counter.poisson(state, mean)
        state, normals[i] = counter.normal(state)
    return counts, normals


@nb.njit
def rows(key, means, counts, normals):
    counter.poisson_and_normal(np.uint64(key), np.uint64(0), means, counts, normals)


@pytest.mark.parametrize("mean", [0.0, 0.3, 9.9, 31.99, 32.01, 800.0])
def test_a_row_has_the_numbers_that_each_index_has_alone(mean):
    counts, normals = np.empty(20_000), np.empty(20_000)
    rows(6, np.full(20_000, mean), counts, normals)
    alone = draws(6, mean, 20_000)
    np.testing.assert_array_equal(counts, alone[0])
    np.testing.assert_array_equal(normals, alone[1])


@pytest.mark.parametrize("key", [1, 2, 3])
@pytest.mark.parametrize("mean", [0.3, 9.9, 31.99, 32.01, 800.0])
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


@pytest.mark.parametrize("mean", [0.05, 0.5, 3.3, 7.49, 31.9, 60.0])
def test_every_poisson_number_is_as_frequent_as_it_should_be(mean):
    counts, _ = draws(4, mean, 400_000)
    edges = np.unique(poisson.ppf(np.linspace(0.001, 0.999, 40), mean))
    expected = np.diff(poisson.cdf(np.concatenate([[-1], edges, [np.inf]]), mean))
    found = np.bincount(np.searchsorted(edges, counts), minlength=edges.size + 1)
    assert chisquare(found, expected * counts.size / expected.sum()).pvalue > 1e-3


def test_normal_numbers_follow_their_law_into_the_tail():
    _, normals = draws(5, 1.0, 1_000_000)
    assert kstest(normals, "norm").pvalue > 1e-3
    for edge in (3.0, 3.6541528853610088, 4.0):  # the second is where the last layer of the table ends
        wanted = 1e6 * norm.sf(edge)
        assert abs((normals > edge).sum() - wanted) < 5 * np.sqrt(wanted)
