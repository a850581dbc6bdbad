"""What else is known moves the prior, by as much as it is worth: nothing where it is nothing."""

import numpy as np
import pandas as pd
import pytest

from synimg import family
from synimg.analysis.mixture.arrange import PRIORS, arrange, what_is_known
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.priors.group import kinds
from synimg.analysis.mixture.summary import summarise
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario

BOTH = scenario("sparse_both_signs").model_copy(update={"n_neurons": 50})


def ranked(table, truth):
    """Average precision, and the weights of what was known."""
    data, order, _ = arrange(table, what_is_known(table))
    guess = first_guess(data, Form(drift_exponent=0.25))
    stay = float(np.exp(-guess.turnover))
    model, _ = fit(data, guess, stay, 1.0)
    parts = summarise(data, model, stay, 1.0)
    return average_precision(truth["is_learned"].to_numpy(bool)[order], parts.up + parts.down), model


@pytest.fixture(scope="module")
def plain():
    drawn = draw(BOTH, 1001)
    return drawn, ranked(drawn.table, drawn.truth)[0]


@pytest.mark.parametrize("name", family.names(PRIORS))
def test_a_table_that_knows_nothing_more_gets_no_prior(name, plain):
    table = plain[0].table.drop(columns=["group"])
    assert family.part(PRIORS, name)(table, np.zeros(len(table), bool)) is None


@pytest.mark.parametrize("column", ["eligibility", "predicted_ln"])
@pytest.mark.parametrize("values", [1.0, np.nan])
def test_a_column_that_is_constant_or_empty_is_no_knowledge(column, values, plain):
    assert what_is_known(plain[0].table.assign(**{column: values})) == {}


def test_a_simulation_of_the_rule_tells_which_synapses_learned_and_how(plain):
    drawn, alone = plain
    rng = np.random.default_rng(1)
    predicted = drawn.truth["ln_learning"] + 0.3 * rng.standard_normal(len(drawn.truth))
    found, model = ranked(drawn.table.assign(predicted_ln=predicted), drawn.truth)
    assert found > alone + 0.15
    assert model.covariate_weights[0] > 0.5


def test_a_simulation_of_something_else_does_no_harm(plain):
    drawn, alone = plain
    predicted = np.random.default_rng(2).permutation(drawn.truth["ln_learning"].to_numpy())
    found, model = ranked(drawn.table.assign(predicted_ln=predicted), drawn.truth)
    assert found > alone - 0.02
    assert abs(model.covariate_weights[0]) < 0.3


def test_groups_have_a_share_and_a_turnover_of_their_own():
    drawn = draw(scenario("turnover_differs").model_copy(update={"n_neurons": 50}), 1001)
    found, model = ranked(drawn.table, drawn.truth)
    assert model.covariate_weights[0] > 1.5  # trained against deprived animals, which did not learn
    assert model.factor_mean[0] - model.factor_mean[1] == pytest.approx(1.07 - 0.8, abs=0.12)
    without, _ = ranked(drawn.table.drop(columns=["group"]), drawn.truth)
    assert found > without + 0.1


def test_the_controls_are_the_last_group_and_small_groups_none():
    table = pd.DataFrame({"neuron_id": np.arange(24), "group": ["a"] * 8 + ["b"] * 8 + ["c"] * 2 + ["naive"] * 6})
    is_control = (table["group"] == "naive").to_numpy()
    assert kinds(table, is_control).tolist() == [0] * 8 + [1] * 8 + [0] * 2 + [2] * 6
    assert kinds(table[8:], is_control[8:]).tolist() == [0] * 10 + [1] * 6
