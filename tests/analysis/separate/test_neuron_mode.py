"""Separation by the neuron's mode, on tables of which everything is known."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.calls import called
from synimg.analysis.separation import separate
from synimg.analysis.validate.scores import average_precision
from synimg.errors import SynimgError
from synimg.streams import stream


def table(seed, n_neurons=60, n_each=57, share=0.1, sd_h=0.25, kt=0.8, mean=60, label=0.8):
    """Synapse table, ln factor of each neuron, ln learning of each synapse (the base regime of the suite, both signs)."""
    rng, n = stream(seed, "test"), n_neurons * n_each
    row = np.repeat(np.arange(n_neurons), n_each)
    a_start = mean * np.exp(0.6 * rng.standard_normal(n) - 0.18)
    h = sd_h * rng.standard_normal(n_neurons)
    sign = np.where(rng.random(n) < 0.7, 1, -1)
    learning = np.where(rng.random(n) < share, sign * np.abs(0.55 + 0.2 * rng.standard_normal(n)), 0.0)
    growth = np.exp(h[row] + learning + 0.2 * rng.standard_normal(n))
    stay = np.minimum(np.exp(-kt), growth)
    old = rng.binomial(rng.binomial(np.rint(a_start).astype(int), stay), label) / label
    new = rng.binomial(rng.poisson(np.maximum(a_start * (growth - stay), 0)), label) / label
    frame = pd.DataFrame({"synapse_id": np.arange(n), "neuron_id": row, "r_old": old, "r_new": new})
    for name in ("r_old", "r_new"):
        frame[f"{name}_se"] = np.sqrt(frame[name] * (1 - label) / label)
    return frame, h, learning


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_learned_synapses_rank_higher_than_by_the_naive_reading(seed):
    frame, _, learning = table(seed)
    scores = {m: separate(frame, m).synapses["p_learning"].to_numpy(float) for m in ("raw", "neuron_mode")}
    truth = learning != 0
    assert average_precision(truth, scores["neuron_mode"]) > average_precision(truth, scores["raw"]) + 0.15


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_factors_are_recovered_with_true_intervals(seed):
    frame, h, _ = table(seed)
    neurons = separate(frame, "neuron_mode").neurons
    error = np.log(neurons["scale_factor"]) - (h - h.mean())
    assert np.sqrt((error**2).mean()) < 0.06
    held = (np.log(neurons["scale_factor_lo"]) <= h) & (h <= np.log(neurons["scale_factor_hi"]))
    assert held.mean() > 0.85  # 3.5 sigma below 0.95 for 60 neurons
    assert (neurons["common_lo"] < neurons["scale_factor_lo"]).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_learning_nothing_is_called(seed):
    frame, _, _ = table(seed, share=0.0)
    assert called(separate(frame, "neuron_mode").synapses["lfdr"].to_numpy(float), 0.1).sum() == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_homeostasis_every_factor_is_one(seed):
    frame, _, _ = table(seed, sd_h=0.0)
    assert np.log(separate(frame, "neuron_mode").neurons["scale_factor"]).abs().max() < 0.08


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_called_is_false_no_more_often_than_stated(seed):
    frame, _, learning = table(seed, share=0.15, n_neurons=200)
    chosen = called(separate(frame, "neuron_mode").synapses["lfdr"].to_numpy(float), 0.2)
    if chosen.any():
        assert (learning[chosen] == 0).mean() < 0.2 + 2.5 * np.sqrt(0.16 / chosen.sum())


def test_the_order_of_the_rows_does_not_matter():
    frame, _, _ = table(1, n_neurons=12)
    shuffled = frame.sample(frac=1, random_state=1)
    one = separate(frame, "neuron_mode").synapses.set_index("synapse_id").sort_index()
    two = separate(shuffled, "neuron_mode").synapses.set_index("synapse_id").sort_index()
    np.testing.assert_allclose(one["p_learning"], two["p_learning"], rtol=1e-6, atol=1e-12)


def test_the_causes_add_up_to_the_change_under_the_reading():
    frame, _, _ = table(1, n_neurons=12)
    result = separate(frame, "neuron_mode").synapses
    deltas = result[["delta_learning", "delta_homeostasis", "delta_drift"]].sum(axis=1)
    assert (deltas < frame["r_old"] + frame["r_new"]).all()
    assert (result["delta_learning_lo"] <= result["delta_learning_hi"]).all()


@pytest.mark.parametrize(
    "frame",
    [
        table(1, n_neurons=1)[0],
        table(1, n_each=1)[0],
        table(1, n_neurons=8)[0].drop(columns=["r_old_se", "r_new_se"]),
        table(1, n_neurons=8)[0].assign(r_old_se=0.0, r_new_se=0.0),
        table(1, n_neurons=8)[0].assign(r_old=40.0, r_new=20.0),
        table(1, n_neurons=8)[0].assign(r_old=0.0),
        table(1, n_neurons=8)[0].assign(r_new=0.0),
        table(1, n_neurons=8)[0].assign(group=["yoked"] * 228 + ["trained"] * 228),
    ],
    ids=["one neuron", "one synapse each", "no errors", "errors of 0", "constant", "no old", "no new", "controls"],
)
def test_odd_but_valid_tables_give_finite_probabilities(frame):
    result = separate(frame, "neuron_mode")
    assert result.synapses["p_learning"].between(0, 1).all()
    assert np.isfinite(result.neurons["scale_factor"]).all()
    assert len(result.synapses) == len(frame)


def test_auto_takes_what_the_table_allows_and_says_why():
    for n_neurons, n_each, name in ((20, 3, "raw"), (3, 20, "neuron_mode"), (20, 20, "hierarchical")):
        result = separate(table(1, n_neurons=n_neurons, n_each=n_each)[0])
        assert result.info["method"] == name
        assert name in result.info["warnings"][0]


def test_no_likely_parent_at_all_is_refused_and_one_neuron_without_has_the_factor_of_all():
    frame, _, _ = table(1, n_neurons=6, n_each=20)
    with pytest.raises(SynimgError, match="'neuron_prob' is 0 in all rows"):
        separate(frame.assign(neuron_prob=0.0), "neuron_mode")
    result = separate(frame.assign(neuron_prob=np.where(frame["neuron_id"] == 2, 0.0, 1.0)), "neuron_mode")
    assert result.neurons["scale_factor"][2] == pytest.approx(1.0, abs=0.3)
    assert not called(result.synapses["lfdr"].to_numpy(float)[frame["neuron_id"] == 2], 0.1).any()


def test_controls_are_counted_as_they_are():
    frame, _, _ = table(1, n_neurons=5, n_each=20)
    for groups, said in (
        (["trained"] * 5, "no control animals"),
        (["yoked"] * 5, "all animals are controls"),
        (["yoked"] * 2 + ["trained"] * 3, "only 2 neurons of control animals (it takes 3)"),
        (["yoked"] * 3 + ["trained"] * 2, "only 2 neurons of trained animals (it takes 3)"),
    ):
        told = separate(frame.assign(group=np.repeat(groups, 20)), "neuron_mode").info["warnings"][0]
        assert told.startswith(f"not identifiable in full: {said}: the zero")
