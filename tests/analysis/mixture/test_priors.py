"""What else is known moves the prior, by as much as it is worth: nothing where it is nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synimg import family
from synimg.analysis.mixture.arrange import PRIORS, arrange, what_is_known
from synimg.analysis.mixture.choose import reach
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.priors.group import kinds
from synimg.analysis.mixture.summary import summarise
from synimg.analysis.validate.scores import average_precision
from synimg.errors import SynimgError
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


@pytest.mark.parametrize("column", ["eligibility", "predicted_ln", "inhibition_ln"])
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


def test_a_simulation_that_is_right_about_half_of_what_it_moves_most_is_not_taken_at_its_word(plain):
    """The wrong rule: of the synapses that it moves far it is right about as many as not, and says nothing of most."""
    drawn, _ = plain
    rng = np.random.default_rng(5)
    learned, sign = drawn.truth["is_learned"].to_numpy(bool), np.sign(drawn.truth["ln_learning"].to_numpy())
    moved = np.where(
        rng.random(learned.size) < np.where(learned, 0.5, 0.05), 0.5 + rng.exponential(1.0, learned.size), 0.0
    )
    side = np.where(learned, sign, rng.choice([-1.0, 1.0], learned.size))
    known = what_is_known(drawn.table.assign(predicted_ln=moved * side + 0.05 * rng.standard_normal(learned.size)))
    data = arrange(drawn.table, known)[0]
    guess = first_guess(data, Form(drift_exponent=0.25))
    model, _ = fit(data, guess, float(np.exp(-guess.turnover)), 1.0)
    assert model.covariate_weights[1] < 0.5 * model.covariate_weights[0]


def test_a_simulation_of_something_else_does_no_harm(plain):
    drawn, alone = plain
    predicted = np.random.default_rng(2).permutation(drawn.truth["ln_learning"].to_numpy())
    found, model = ranked(drawn.table.assign(predicted_ln=predicted), drawn.truth)
    assert found > alone - 0.02
    assert abs(model.covariate_weights[0]) < 0.3


@pytest.fixture(scope="module")
def few():
    """Four synapses per neuron, too few to tell its factor."""
    settings = {"n_neurons": 400, "synapses_per_neuron": (4, 4), "factor_sd_ln": 0.4}
    drawn = draw(scenario("sparse_potentiation").model_copy(update=settings), 1001)
    return drawn, ranked(drawn.table, drawn.truth)[0]


def mirrored(drawn, ln_factor):
    inhibition = pd.Series(-ln_factor + 0.1 * np.random.default_rng(3).standard_normal(len(ln_factor)))
    return drawn.table.assign(
        inhibition_ln=drawn.table["neuron_id"].map(inhibition.set_axis(drawn.neurons["neuron_id"]))
    )


def test_inhibition_that_mirrors_scaling_tells_the_factor(few):
    drawn, alone = few
    ln_factor = np.log(drawn.neurons["scale_factor"].to_numpy())
    found, model = ranked(mirrored(drawn, ln_factor), drawn.truth)
    assert found > alone + 0.03
    # regression on a change that is known to within 0.1: var / (var + 0.1^2)
    assert model.factor_weights[0] == pytest.approx(-1.0 / (1.0 + 0.01 / ln_factor.var()), abs=0.1)
    assert model.factor_sd[0] == pytest.approx(0.1, abs=0.05)


def test_factors_that_inhibition_tells_of_are_looked_for_as_far_as_it_says(few):
    drawn, _ = few
    table = mirrored(drawn, np.log(drawn.neurons["scale_factor"].to_numpy()))
    data = arrange(table, what_is_known(table))[0]
    model = replace(first_guess(data, Form()), factor_weights=(-1.0,), factor_sd=(0.1,) * data.n_kinds)
    assert reach(data, model) == pytest.approx(np.abs(data.of_factor).max() + 0.35)


def test_inhibition_of_other_neurons_does_no_harm(few):
    drawn, alone = few
    others = np.random.default_rng(4).permutation(np.log(drawn.neurons["scale_factor"].to_numpy()))
    found, model = ranked(mirrored(drawn, others), drawn.truth)
    assert found > alone - 0.01
    assert model.factor_weights[0] == pytest.approx(0.0, abs=0.12)


def test_a_neuron_whose_inhibition_changed_in_two_ways_is_refused(plain):
    table = plain[0].table.assign(inhibition_ln=np.arange(len(plain[0].table)))
    with pytest.raises(SynimgError, match="neuron_id 1 has inhibition_ln 0 and"):
        what_is_known(table)


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
