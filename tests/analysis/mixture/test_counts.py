"""What counts say of a synapse's growth."""

import numpy as np
import pytest

from synimg.analysis.mixture.counts import GROWTH, Counts, Noise, Sizes, likelihood, old_share, receptors_at_death

EXACT = Noise(0.0, 0.0)
FLAT = Sizes.normal(5.0, 3.0)
KINDS = ("reduced_insertion", "label_blind_removal")


def some_counts(growth, turnover, depression, n=4000, size=200.0):
    rng = np.random.default_rng(1)
    total, share = size * np.exp(growth), float(old_share(np.array(growth), turnover, depression))
    return Counts(
        rng.poisson(total * share, n).astype(float), rng.poisson(total * (1 - share), n).astype(float), EXACT, EXACT
    )


@pytest.mark.parametrize("depression", KINDS)
def test_a_synapse_that_did_not_change_has_lost_what_turnover_takes(depression):
    assert old_share(np.zeros(1), 0.8, depression)[0] == pytest.approx(np.exp(-0.8))


def test_removal_hides_in_the_ratio_and_insertion_does_not():
    shrunk = np.array([-0.4, 0.0])
    by_removal, by_insertion = (old_share(shrunk, 0.8, kind) for kind in KINDS[::-1])
    assert by_removal[0] == by_removal[1]
    assert by_insertion[0] > by_insertion[1]


@pytest.mark.parametrize("growth", [-0.4, 0.0, 0.6])
def test_the_likelihood_of_many_synapses_peaks_at_their_growth(growth):
    values, top = likelihood(some_counts(growth, 0.8, KINDS[0]), 0.8, np.exp(-0.8), KINDS[0], FLAT)
    together = (np.log(np.maximum(values, 1e-30)) + top[:, None]).sum(axis=0)
    assert GROWTH[np.argmax(together)] == pytest.approx(growth, abs=0.04)


def test_counts_of_zero_need_no_special_case():
    none = Counts(np.array([0.0, 5.0, 0.0]), np.array([0.0, 0.0, 5.0]), Noise(0.0, 0.2), Noise(0.0, 0.2))
    values, top = likelihood(none, 0.8, 0.45, KINDS[0], Sizes.normal(3.0, 0.7))
    assert np.isfinite(values).all()
    assert np.isfinite(top).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sizes_are_found_behind_the_noise_of_counts(seed):
    rng = np.random.default_rng(seed)
    large = rng.random(5000) < 0.25
    start = np.where(large, 4.0, 2.5) + 0.4 * rng.standard_normal(5000)
    count = np.maximum(rng.poisson(np.exp(start)), 0.5)
    sizes = Sizes.normal(2.8, 0.8).fitted(np.log(count), np.zeros(5000), count, np.ones(5000), 200)
    assert sizes.mean == pytest.approx(start.mean(), abs=0.03)
    assert sizes.sd == pytest.approx(start.std(), rel=0.04)
    assert max(sizes.centre) == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
@pytest.mark.parametrize("size", [10.0, 60.0])
def test_totals_alone_show_how_far_synapses_shrank_however_few_receptors_they_have(shrinkage, size):
    rng, n, width = np.random.default_rng(1), 20_000, 0.5
    receptors = np.exp(np.log(size) - shrinkage + width * rng.standard_normal(n))
    counts = Counts(*(rng.poisson(share * receptors).astype(float) for share in (0.4, 0.6)), EXACT, EXACT)
    values, top = likelihood(counts, -np.log(0.4), 0.0, KINDS[1], Sizes.normal(np.log(size), width))
    together = (np.log(np.maximum(values, 1e-30)) + top[:, None]).sum(axis=0)
    assert GROWTH[np.argmax(together)] == pytest.approx(-shrinkage, abs=0.021)


def test_receptors_at_death_are_less_extreme_than_noisy_totals():
    rng = np.random.default_rng(1)
    true = np.exp(2.5 + 0.6 * rng.standard_normal(4000))
    old, new = (np.maximum(rng.poisson(share * true) + 1.5 * rng.standard_normal(4000), 0.0) for share in (0.45, 0.55))
    counts = Counts(old, new, Noise(1.5**2, 0.0), Noise(1.5**2, 0.0))
    mean, variance = receptors_at_death(counts, np.zeros(4000), Sizes.normal(2.5, 0.6), 0.0)
    assert np.mean((mean - true) ** 2) < 0.85 * np.mean((counts.total - true) ** 2)
    assert np.mean((mean - true) ** 2 / variance) == pytest.approx(1.0, abs=0.15)
    for part in (counts.total < 8, counts.total > 25):
        assert mean[part].mean() == pytest.approx(true[part].mean(), rel=0.06)
