"""Factors of a matrix of which a part is known."""

import numpy as np
import pytest

from synimg.phantoms.factors import fit_factors
from synimg.streams import stream


def entries(seed, rank, noise, shape=(70, 55), share=0.35):
    rng = stream(seed, "test")
    i, j = np.nonzero(rng.random(shape) < share)
    left, right = rng.standard_normal((shape[0], rank)), rng.standard_normal((shape[1], rank))
    whole = 0.3 + 0.5 * rng.standard_normal(shape[0])[:, None] + left @ right.T
    return i, j, whole[i, j] + noise * rng.standard_normal(i.size), whole


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rank", [0, 2])
def test_the_rank_is_found_and_entries_that_were_never_seen_are_foretold(seed, rank):
    i, j, values, whole = entries(seed, rank, noise=0.1)
    factors = fit_factors(i, j, values, whole.shape, stream(seed, "held out"))
    assert factors.rank == rank
    unseen = np.ones(whole.shape, bool)
    unseen[i, j] = False
    k, m = np.nonzero(unseen)
    error = factors.at(k, m) - whole[k, m]
    assert error.std() < 0.1 * whole.std()  # the noise, 0.1, divided among some 20 entries of a row


def test_noise_has_no_factors():
    i, j, _, whole = entries(1, 0, 0.0)
    factors = fit_factors(i, j, stream(1, "noise").standard_normal(i.size), whole.shape, stream(1, "held out"))
    assert factors.rank == 0
    assert factors.held_out_r2 < 0.02


def test_a_matrix_without_change_stays_so():
    i, j, _, whole = entries(1, 0, 0.0)
    factors = fit_factors(i, j, np.zeros(i.size), whole.shape, stream(1, "held out"))
    assert factors.rank == 0
    np.testing.assert_array_equal(factors.at(i, j), 0.0)
