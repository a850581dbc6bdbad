"""Whole cells are claimed with controls alone, and as a probability."""

import numpy as np

from synimg.analysis.mixture.whole_cell import whole_cells

CONTROL = np.repeat([True, False], 100)


def factors(seed, share=0.0, sd=0.25):
    rng = np.random.default_rng(seed)
    grown = (rng.random(200) < share) & ~CONTROL
    return sd * rng.standard_normal(200) + np.log(2.0) * grown, grown


def test_neurons_that_doubled_stand_out_against_controls():
    probability = []
    for seed in range(1, 9):
        x, grown = factors(seed, 0.25)
        found = whole_cells(x, np.full(200, 0.003), CONTROL)
        probability.append(found.p_two_kinds)
        assert found.p_grown[grown].mean() > 2 * found.p_grown[~grown & ~CONTROL].mean()
        assert (found.p_grown[CONTROL] == 0).all()
    assert np.mean(probability) > 0.6  # 25 cells among 100: likely, never certain


def test_without_any_little_is_claimed_and_without_controls_nothing():
    probability = []
    for seed in range(1, 9):
        x, _ = factors(seed)
        probability.append(whole_cells(x, np.full(200, 0.003), CONTROL).p_two_kinds)
        assert whole_cells(x, np.full(200, 0.003), np.zeros(200, bool)).p_grown.max() == 0
    assert np.mean(probability) < 0.2
