"""Learning that prefers small or large synapses is found where it is so, and is no harm where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from synimg.analysis.mixture.arrange import arrange
from synimg.analysis.mixture.choose import LEARNING_BY_SIZE_GAIN
from synimg.analysis.mixture.counts import Sizes
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.preference import fitted_weight, standard_size, tilt, tilted
from synimg.analysis.mixture.summary import summarise
from synimg.analysis.mixture.totals import ln_evidence
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw, median_size
from synimg.phantoms.scenarios.suite import scenario

HALF = scenario("sparse_potentiation").model_copy(update={"share_learned": 0.5, "n_neurons": 60})
SIZES = Sizes((0.7, 0.3), (3.0, 4.2), (0.5, 0.4))


def preferring(slope, seed):
    """A table, and what learned, thinned out to logit P(learning) = -2.4 + slope x, x the standardised ln size."""
    drawn = draw(HALF, seed)
    truth = drawn.truth
    p = expit(-2.4 + slope * np.log(truth["a_start"] / median_size(HALF)) / HALF.size_sd_ln)
    chance = np.where(truth["is_learned"], p, 1.0 - p)
    keep = np.random.default_rng(seed).random(len(p)) < chance
    return drawn.table[keep].reset_index(drop=True), truth["is_learned"].to_numpy()[keep]


def fitted(table, learned):
    """Average precision, evidence, and weight: without, and with a preference."""
    data, order, _ = arrange(table, {})
    model = first_guess(data, Form(down=False, drift_exponent=0.25))
    stay = float(np.exp(-model.turnover))
    found = []
    for by_size, rounds in ((False, 3), (True, 2)):
        model, value = fit(data, replace(model, form=replace(model.form, learns_by_size=by_size)), stay, 1.0, rounds)
        p = summarise(data, model, stay, 1.0).up
        found.append((average_precision(learned[order], p), value, model.size_weight))
    return found


@pytest.mark.parametrize("slope", [-2.0, 2.0])
def test_a_preference_is_found_and_pays(slope):
    (without, less, _), (with_, more, weight) = fitted(*preferring(slope, 1001))
    assert 0.5 < weight / slope < 1.2  # what is not known of a synapse's size draws it towards 0
    assert with_ > without + 0.03
    assert more > less + LEARNING_BY_SIZE_GAIN


def test_where_there_is_none_it_does_no_harm_and_does_not_pay():
    weights = []
    for seed in (1001, 1002, 1003):
        (without, less, _), (with_, more, weight) = fitted(*preferring(0.0, seed))
        assert with_ > without - 0.01
        assert more < less + LEARNING_BY_SIZE_GAIN
        weights.append(weight)
    assert np.mean(weights) == pytest.approx(0.0, abs=0.2)


@settings(deadline=None)  # the first one makes the tables
@given(weight=st.floats(-2, 2), mean=st.floats(1.0, 4.0))
def test_a_tilt_of_the_sizes_behind_counts_sums_to_one_however_few_they_are(weight, mean):
    sizes = Sizes((0.7, 0.3), (mean, mean + 0.5), (0.6, 0.4))
    count = np.arange(1.0, 4000.0)
    law = sizes.weight, sizes.centre, sizes.width
    ln = ln_evidence(count, np.zeros(count.size), np.zeros((1, 1)), np.zeros(count.size, int), law)[:, 0]
    density = np.exp(ln - np.log(count))  # of n among the whole numbers: its factorial is n times the gamma function
    relative = tilt(sizes, weight, np.log(count), np.zeros(1), 1.0 / count)[:, 0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    learned = tilted(sizes, weight)
    expected = np.exp(np.array(learned.centre)[:, None] + np.outer(learned.width, nodes))
    none = np.array(learned.weight) @ np.exp(-expected) @ weights / weights.sum()
    assert float(relative @ density) + none == pytest.approx(1.0, abs=0.003)


@given(weight=st.floats(-2, 2))
def test_the_weight_of_tilted_sizes_is_found_from_their_mean(weight):
    after = tilted(SIZES, weight)
    mean = float(standard_size(SIZES, np.array(after.mean)))
    assert fitted_weight(SIZES, 0.0, 1e6, mean) == pytest.approx(weight, abs=0.02)
