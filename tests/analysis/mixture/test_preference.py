"""Learning that prefers small or large synapses is found where it is so, and is no harm where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from synimg.analysis.mixture.arrange import arrange
from synimg.analysis.mixture.choose import LEARNING_BY_SIZE_GAIN
from synimg.analysis.mixture.counts import Sizes
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.preference import fitted_weight, standard_size, tilt, tilted
from synimg.analysis.mixture.summary import summarise
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


@given(weight=st.floats(-2, 2), noise=st.floats(0, 0.5))
def test_a_tilt_of_normal_sizes_sums_to_one_whatever_the_noise(weight, noise):
    sizes = Sizes((0.5, 0.5), (3.0, 3.0), (0.6, 0.6))
    sd = np.hypot(0.6, np.sqrt(noise))
    x = 3.0 + np.linspace(-9, 9, 2001) * sd
    density = np.exp(-0.5 * ((x - 3.0) / sd) ** 2)
    relative = tilt(sizes, weight, standard_size(sizes, x), noise)
    assert float(relative @ density / density.sum()) == pytest.approx(1.0, rel=1e-3)


@given(weight=st.floats(-2, 2))
def test_the_weight_of_tilted_sizes_is_found_from_their_mean(weight):
    after = tilted(SIZES, weight)
    mean = float(standard_size(SIZES, np.array(after.mean)))
    assert fitted_weight(SIZES, 0.0, 1e6, mean) == pytest.approx(weight, abs=0.02)
