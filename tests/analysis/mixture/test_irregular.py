"""Rows that no growth explains do not pass for learning."""

import numpy as np
import pytest

from synimg.analysis.mixture.arrange import arrange, what_is_known
from synimg.analysis.mixture.fit import MOST_OUTLIERS, first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.summary import summarise
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def fitted(name, seed, exact=False, **changes):
    drawn = draw(scenario(name).model_copy(update={"n_neurons": 40, **changes}), seed)
    table = drawn.table.assign(r_old_se=0.0, r_new_se=0.0) if exact else drawn.table
    data, order, _ = arrange(table, what_is_known(table))
    guess = first_guess(data, Form(down=False, drift_exponent=0.25))
    stay = float(np.exp(-guess.turnover))
    model, _ = fit(data, guess, stay, 1.0)
    return model, summarise(data, model, stay, 1.0), drawn.truth.iloc[order].reset_index(drop=True)


@pytest.mark.parametrize("seed", [1001, 1002])
def test_a_born_spine_is_no_learned_one_and_all_of_it_is_drift(seed):
    model, parts, truth = fitted("spine_turnover", seed)
    born = truth["formed"].to_numpy()
    assert model.born.share == pytest.approx(born.mean(), abs=0.02)
    assert model.born.mean < model.sizes.mean  # young spines are small
    assert parts.up[born].mean() < 0.1
    found, true = parts.linear_parts[born, 2], truth["a_end"].to_numpy()[born]
    assert np.corrcoef(found, true)[0, 1] > 0.8


def test_wrong_rows_that_no_growth_explains_are_set_aside():
    model, parts, truth = fitted("corrupted_rows", 1001, corrupted=0.05)
    assert model.outliers == MOST_OUTLIERS
    assert average_precision(truth["is_learned"].to_numpy(bool), parts.up) > 0.5


def test_where_all_is_regular_nothing_is_taken_for_irregular():
    model, _, _ = fitted("sparse_potentiation", 1001)
    assert model.born.share < 0.004
    assert model.outliers < 0.004


def test_no_count_is_wrong_where_all_are_stated_to_be_exact():
    model, _, _ = fitted("corrupted_rows", 1001, exact=True, corrupted=0.05)
    assert model.outliers == 0.0
