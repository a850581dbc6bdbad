"""The mixture finds what was learned, calls no more than it states, and says what it cannot know."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.calls import called
from synimg.analysis.mixture.arrange import arrange
from synimg.analysis.mixture.choose import choose
from synimg.analysis.mixture.result import learning_in_doubt
from synimg.analysis.mixture.rivals import rivals_of
from synimg.analysis.mixture.summary import Parts, learning_interval
from synimg.analysis.separation import separate
from synimg.analysis.validate.scores import average_precision
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


@cache
def separated(name, seed):
    """A scenario's table as it is separated, its truth, and all that was drawn: seconds of work that several tests share."""
    drawn = draw(scenario(name), seed)
    return separate(drawn.table, "hierarchical"), drawn.truth, drawn


@pytest.fixture(scope="module")
def sparse():
    return separated("sparse_potentiation", 21)


def test_it_ranks_far_better_than_the_mode(sparse):
    result, truth, drawn = sparse
    learned = truth["is_learned"].to_numpy()
    mode = separate(drawn.table, "neuron_mode").synapses["p_learning"].to_numpy()
    assert average_precision(learned, result.synapses["p_learning"].to_numpy()) > 0.6
    assert average_precision(learned, result.synapses["p_learning"].to_numpy()) > average_precision(learned, mode)


def test_intervals_of_factor_and_changes_hold(sparse):
    result, truth, drawn = sparse
    for cause in ("learning", "homeostasis", "drift"):
        inside = truth[cause].between(result.synapses[f"delta_{cause}_lo"], result.synapses[f"delta_{cause}_hi"])
        assert inside.mean() > 0.92
    factor = drawn.neurons["scale_factor"]
    assert factor.between(result.neurons["scale_factor_lo"], result.neurons["scale_factor_hi"]).mean() > 0.9
    assert factor.between(result.neurons["common_lo"], result.neurons["common_hi"]).mean() > 0.98


def test_the_order_of_the_rows_does_not_matter(short_chain):
    table = draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": 8}), 1).table
    result = separate(table, "hierarchical")
    again = separate(table.sample(frac=1.0, random_state=1), "hierarchical")
    again = again.synapses.set_index("synapse_id").loc[table["synapse_id"]]
    np.testing.assert_allclose(again["p_learning"], result.synapses["p_learning"], atol=0.02)


def test_assumptions_choices_and_what_is_not_known_are_said(sparse):
    result, _, _ = sparse
    assert any("no control animals" in line for line in result.info["warnings"])
    assert "one factor per neuron" in result.info["assumptions"][0]
    assert result.info["diagnosis"]["gains_ln_likelihood"]["removal"] < 0


@pytest.mark.parametrize("seed", [1, 2])
def test_where_nothing_was_learned_nothing_is_called(seed):
    result, _, _ = separated("no_learning", seed)
    assert not called(result.synapses["lfdr"].to_numpy(), 0.05).any()
    p_none = 1.0 - result.info["diagnosis"]["probability_of_learning"]
    assert p_none > 0.5
    assert any(f"without any learning have a probability of {p_none:.2f}" in said for said in result.info["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sparse_potentiation", "sparse_both_signs", "wrong_parents", "known_activity"])
def test_the_realised_false_discovery_rate_is_the_stated_one(name):
    n, wrong = 0, 0
    for seed in (21, 22):
        result, truth, _ = separated(name, seed)
        chosen = called(result.synapses["lfdr"].to_numpy(), 0.1)
        n, wrong = n + int(chosen.sum()), wrong + int((~truth["is_learned"].to_numpy()[chosen]).sum())
    assert n > 50
    assert wrong / n < 0.1 + 3 * np.sqrt(0.1 * 0.9 / n)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sparse_potentiation_removal", lambda p, info: "removal" in info["assumptions"][1]),
        ("divergent_scaling", lambda p, info: p["scaling_slope"] > 0.2),
        ("sparing_scaling", lambda p, info: p["spared_above"] < 1.0),
        ("branch_scaling", lambda p, info: p["branch_sd_ln"] > 0.1),
    ],
)
def test_the_evidence_chooses_the_form_that_made_the_table(name, found, sparse, short_chain):
    table = draw(scenario(name).model_copy(update={"n_neurons": 50}), 21).table
    info = separate(table, "hierarchical").info
    assert found(info["parameters"], info)
    plain = sparse[0].info
    assert not found(plain["parameters"], plain)


@pytest.mark.slow
def test_known_activity_has_a_weight(sparse):
    active, plain = (of[0].info["parameters"]["covariate_weight"] for of in (separated("known_activity", 21), sparse))
    assert active > 1.0
    assert plain == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_majority_is_flagged_or_right_and_sparse_learning_is_not_flagged(seed, sparse, short_chain):
    drawn = draw(scenario("majority_learned"), seed)
    result, truth = separate(drawn.table, "hierarchical"), drawn.truth
    chosen = called(result.synapses["lfdr"].to_numpy(), 0.05)
    flagged = result.info["diagnosis"]["rival_readings"] > 0
    assert flagged or truth["is_learned"].to_numpy()[chosen].mean() > 0.9
    assert sparse[0].info["diagnosis"]["rival_readings"] == 0


def test_controls_narrow_what_is_common(sparse):
    with_controls, _, _ = separated("sparse_with_controls", 1)
    alone, _, _ = sparse
    width = [np.log(r.neurons["common_hi"] / r.neurons["common_lo"]).mean() for r in (with_controls, alone)]
    assert width[0] < 0.6 * width[1]
    assert with_controls.animals["identifiable"].all()


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"synapse_id": [1], "neuron_id": [1], "r_old": [30.0], "r_new": [20.0]}),
        pd.DataFrame({"synapse_id": range(40), "neuron_id": 1, "r_old": 30.0, "r_new": 20.0}),
        pd.DataFrame({"synapse_id": range(40), "neuron_id": range(40), "r_old": 0.0, "r_new": np.arange(40.0)}),
        pd.DataFrame({"synapse_id": range(20), "neuron_id": [1, 2] * 10, "r_old": 0.0, "r_new": 0.0}),
    ],
    ids=["one synapse", "constant counts", "one synapse per neuron", "no receptors"],
)
def test_odd_tables_get_an_answer_without_nonsense(table, short_chain):
    result = separate(table, "hierarchical")
    assert result.synapses["p_learning"].between(0, 1).all()
    assert np.isfinite(result.synapses.drop(columns="synapse_id")).all().all()
    assert np.isfinite(result.neurons).all().all()


def test_the_interval_of_learning_is_what_passes_for_drift_where_learning_is_unlikely():
    up = np.array([0.0, 0.5, 0.999])
    given, nothing = np.tile([30.0, 25.0], (3, 1)), np.zeros((3, 3))
    one, neuron = np.zeros(3), np.zeros(1)
    parts = Parts(up, one, up, nothing, nothing, nothing, given, given * [-1, 1], one, neuron, neuron)
    low, high = learning_interval(parts, np.array([4.0, 0.0, 4.0]))
    assert [low[0], high[0]] == pytest.approx([-1.96 * 4, 1.96 * 4], abs=0.01)
    assert low[1] == pytest.approx(0.0, abs=0.01)
    assert high[1] == pytest.approx(30 + 1.645 * 5, abs=0.1)
    assert low[2] == pytest.approx(30 - 1.96 * 5, abs=0.3)


def test_intervals_hold_changes_by_learning_too_small_to_be_called(short_chain):
    drawn = draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": 25}), 2004)
    small = 0.06 * np.random.default_rng(1).standard_normal(len(drawn.table))  # of what passes for drift, in ln
    found = separate(drawn.table, "hierarchical", seed=1).synapses
    true = drawn.truth["learning"] + small * drawn.truth["a_end"]
    assert found["delta_learning_lo"].le(true).mul(found["delta_learning_hi"].ge(true)).mean() > 0.93


@pytest.mark.parametrize(
    ("depression", "p_any", "p_down", "said"),
    [
        ("reduced_insertion", 1.0, 0.9, []),
        ("reduced_insertion", 1.0, 0.1, ["p_depressed is about less insertion alone (probability of any: 0.10)"]),
        ("reduced_insertion", 0.2, 0.6, ["models without any learning have a probability of 0.80"]),
        ("label_blind_removal", 1.0, 0.9, ["shows only in totals: p_depressed rests on them and on a prior"]),
        ("label_blind_removal", 0.3, 0.1, ["a probability of 0.70", "on a prior"]),
    ],
)
def test_what_is_not_seen_of_learning_follows_from_the_weights_of_the_models(depression, p_any, p_down, said):
    found = learning_in_doubt(depression, p_any, p_down)
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


def test_a_sentence_about_learning_never_contradicts_the_probability_beside_it(sparse):
    assert sparse[0].info["diagnosis"]["probability_of_learning"] > 0.9
    assert not any("without any learning" in said for said in sparse[0].info["warnings"])


def test_a_reading_in_which_hardly_any_synapse_learned_is_no_rival():
    table = draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": 8}), 2003).table
    table[["r_old", "r_new"]] = 0.0
    data = arrange(table, {})[0]
    assert not rivals_of(data, choose(data, has_branches=False))


def test_a_table_of_controls_alone_has_nothing_to_find(short_chain):
    table = draw(scenario("no_learning").model_copy(update={"n_neurons": 12}), 1001).table.assign(group="yoked")
    result = separate(table, "hierarchical")
    assert (result.synapses["p_learning"] < 1e-6).all()
    said = " ".join(result.info["warnings"])
    assert "all animals are controls" in said
    assert "there is nothing to find" in said
    assert "no control animals" not in said
    assert all(np.isfinite(v) for v in result.info["parameters"].values() if isinstance(v, float))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"animal_id": ["a", "b"] * 20}, "neuron_id 1 occurs with animal_id 'a' and 'b'"),
        ({"group": ["yoked", "trained"] * 20}, "neuron_id 1 occurs with group 'yoked' and 'trained'"),
        ({"group": ["Yoked"] * 20 + ["yoked "] * 20}, "a group is written 'Yoked' and 'yoked '"),
    ],
)
def test_neurons_of_two_animals_and_groups_written_twice_are_refused(changes, said):
    table = pd.DataFrame({"synapse_id": range(40), "neuron_id": [1] * 20 + [2] * 20, "r_old": 30.0, "r_new": 20.0})
    with pytest.raises(SynimgError, match=said):
        separate(table.assign(**changes))
