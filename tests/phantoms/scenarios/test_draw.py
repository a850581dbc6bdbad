"""Scenarios: tables that carry what they say, and nothing of the truth."""

import numpy as np
import pytest

from synimg import schema
from synimg.calibrate import receptors_of_dyes
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import count_variance, draw, drift_sd, scaling_law
from synimg.phantoms.scenarios.suite import SUITE, scenario

NAMES = list(SUITE)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_valid_and_holds_no_truth(name):
    drawn = draw(scenario(name), 1)
    checked = schema.check(drawn.table, schema.SYNAPSES, name)
    schema.check(drawn.truth, schema.TRUTH_SYNAPSES, name)
    schema.check(drawn.neurons, schema.TRUTH_NEURONS, name)
    assert set(checked.columns) <= set(schema.SYNAPSES.names)
    assert (checked["synapse_id"] == drawn.truth["synapse_id"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_causes_add_up_in_receptors_and_in_logs(name):
    truth = draw(scenario(name), 2).truth
    change = truth["a_end"] - truth["a_start"]
    np.testing.assert_allclose(truth[["learning", "homeostasis", "drift"]].sum(axis=1), change, atol=1e-9)
    old = truth[~truth["formed"]]
    logs = old[["ln_learning", "ln_homeostasis", "ln_drift"]].sum(axis=1)
    np.testing.assert_allclose(logs, np.log(old["a_end"] / old["a_start"]), atol=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    draws = [draw(scenario("wrong_parents"), seed).checksum() for seed in (1, 2, 1)]
    assert draws[0] == draws[2] != draws[1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_standard_errors_are_the_scatter_of_the_counts(seed):
    drawn = draw(scenario("few_synapses"), seed)
    for name in ("old", "new"):
        error = (drawn.table[f"r_{name}"] - drawn.truth[f"r_{name}_true"]) / drawn.table[f"r_{name}_se"]
        assert error.std() == pytest.approx(1.0, abs=0.07)  # sd of an sd 0.013; the se is that of the observed count


def test_standard_errors_are_those_of_the_calibration():
    settings = scenario("sparse_potentiation")
    table = draw(settings, 1).table
    old, new = (table[f"r_{name}"].to_numpy() * settings.labelling for name in ("old", "new"))
    tag = {
        "pulse_efficiency": settings.labelling,
        "chase_efficiency": settings.labelling,
        "blocking_efficiency": 1.0,
    }
    found = receptors_of_dyes(old, new, count_variance(settings, old), count_variance(settings, new), tag)
    for name, values in zip(("r_old", "r_old_se", "r_new", "r_new_se"), found[:4], strict=True):
        np.testing.assert_allclose(table[name], values)


@pytest.mark.parametrize(("name", "share"), [("sparse_potentiation", 0.1), ("half_learned", 0.4), ("no_learning", 0.0)])
def test_as_many_learn_as_the_scenario_says(name, share):
    learned = np.concatenate([draw(scenario(name), seed).truth["is_learned"] for seed in (1, 2, 3)])
    assert learned.mean() == pytest.approx(share, abs=4 * np.sqrt(share / learned.size))


def test_parents_are_wrong_as_often_as_neuron_prob_says():
    drawn = draw(scenario("wrong_parents"), 1)
    right = (drawn.table["neuron_id"] == drawn.truth["post_id"]).to_numpy()
    stated = drawn.table["neuron_prob"].to_numpy()
    assert right.mean() == pytest.approx(stated.mean(), abs=0.02)
    assert stated[right].mean() > stated[~right].mean() + 0.05


def test_shuffled_neurons_keep_their_numbers_and_lose_their_factors():
    drawn = draw(scenario("shuffled_neurons"), 1)
    assert np.array_equal(np.sort(drawn.table["neuron_id"]), np.sort(drawn.truth["post_id"]))
    right = drawn.table["neuron_id"] == drawn.truth["post_id"]
    assert right.mean() < 0.1  # one in 25 by chance: ids are dealt out within an animal


def test_small_synapses_are_missing_below_the_threshold():
    table = draw(scenario("detection_threshold"), 1).table
    assert (table["r_old"] + table["r_new"]).min() >= 30.0


def test_large_synapses_are_spared_or_scale_most():
    sizes = np.array([5.0, 50.0, 500.0])
    spared, diverging = (scaling_law(scenario(f"{law}_scaling"), sizes) for law in ("sparing", "divergent"))
    assert spared[0] > 0.99
    assert spared[2] < 0.01
    assert (np.diff(diverging) > 0).all()
    assert (np.diff(drift_sd(scenario("sparse_potentiation"), sizes)) < 0).all()


def test_a_misspelt_scenario_gets_the_nearest_name():
    with pytest.raises(SynimgError, match="did you mean 'heavy_drift'"):
        scenario("heavy_drifts")
