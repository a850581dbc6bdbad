"""Baselines as the field does it: what each gets right, what it needs, and where it must fail."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.separate.rank_order import corrected_ln_factor, rank_order_slope
from synimg.analysis.separation import methods, separate
from synimg.analysis.validate.scores import average_precision
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario
from synimg.streams import stream

BASELINES = ("threshold", "rank_order", "neuron_median")


def drawn(name="sparse_with_controls", seed=1, n_neurons=25, **changes):
    return draw(scenario(name).model_copy(update={"n_neurons": n_neurons, **changes}), seed)


def factor_error(found, truth):
    true = truth.neurons.set_index("neuron_id").loc[found.neurons["neuron_id"], "scale_factor"].to_numpy()
    error = np.log(found.neurons["scale_factor"].to_numpy()) - np.log(true)
    return error - error.mean()


@pytest.mark.parametrize("method", BASELINES)
def test_probabilities_and_deltas_are_whole_and_the_baseline_says_that_it_is_one(method):
    table = drawn().table
    result = separate(table, method)
    assert result.synapses["p_learning"].between(0, 1).all()
    np.testing.assert_allclose(result.synapses["p_learning"] + result.synapses["lfdr"], 1.0)
    both = result.synapses["p_potentiated"] + result.synapses["p_depressed"]
    assert (both <= result.synapses["p_learning"] + 1e-12).all()
    for cause in ("learning", "homeostasis", "drift"):
        low, high = result.synapses[f"delta_{cause}_lo"], result.synapses[f"delta_{cause}_hi"]
        assert (low <= result.synapses[f"delta_{cause}"]).all()
        assert (result.synapses[f"delta_{cause}"] <= high).all()
    assert "not calibrated" in result.info["warnings"][-1]


@pytest.mark.parametrize("method", BASELINES)
def test_the_order_of_the_rows_does_not_matter(method):
    table = drawn().table
    one, two = (separate(t, method).synapses.set_index("synapse_id") for t in (table, table[::-1]))
    np.testing.assert_allclose(one["p_learning"], two["p_learning"].loc[one.index], atol=1e-12)


@pytest.mark.parametrize("method", BASELINES)
def test_without_homeostasis_the_learned_synapses_come_first(method):
    found = drawn("no_homeostasis", groups=("trained", "yoked"))
    p = separate(found.table, method).synapses["p_learning"].to_numpy(float)
    learned = found.truth["is_learned"].to_numpy(bool)
    assert average_precision(learned, p) > 3 * learned.mean()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_controls_lie_beyond_their_own_threshold_as_often_as_a_normal_tail(seed):
    found = separate(drawn("no_learning", seed, groups=("trained", "yoked")).table, "threshold")
    assert 0.005 < found.info["diagnosis"]["share_of_controls_called"] < 0.06  # one-sided tail at 2 sd: 0.023


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_median_reads_factors_better_than_the_sorted_sizes(seed):
    found = drawn("no_learning", seed)
    errors = {m: factor_error(separate(found.table, m), found).std() for m in ("neuron_median", "rank_order")}
    assert errors["neuron_median"] < errors["rank_order"] < 0.2  # the factors' sd is 0.25


def test_scaled_neurons_are_called_learned_by_the_threshold_and_not_by_the_median():
    found = drawn("no_learning", groups=("trained", "yoked"), factor_sd_ln=0.0)
    table = found.table.copy()
    table.loc[table["group"] == "trained", "r_new"] *= 1.8  # deprivation: every synapse of every trained neuron
    share = {
        m: (separate(table, m).synapses["p_learning"].to_numpy()[table["group"] == "trained"] > 0.5).mean()
        for m in ("threshold", "neuron_median")
    }
    assert share["threshold"] > 0.2
    assert share["neuron_median"] < 0.12


def sizes(n, seed, sd=0.6):
    return 40 * np.exp(sd * stream(seed, "test", "sizes").standard_normal(n))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_the_corrected_factor_is_right_with_and_without_a_detection_threshold(factor, lost):
    control, scaled = np.sort(sizes(8_000, 1)), factor * sizes(8_000, 2)
    threshold = np.quantile(control, lost) if lost else min(control.min(), scaled.min())
    found = corrected_ln_factor(scaled[scaled >= threshold], control[control >= threshold], threshold)
    assert found == pytest.approx(np.log(factor), abs=0.07)  # 3 sd: at most 0.014 over 20 draws of 20,000


def test_the_sorted_regression_has_the_factor_as_its_slope_where_the_ratio_of_means_is_distorted():
    control, scaled = np.sort(sizes(20_000, 1)), 2.0 * sizes(20_000, 2)
    assert rank_order_slope(scaled, control) == pytest.approx(2.0, abs=0.1)
    threshold = np.quantile(control, 0.2)
    seen_scaled, seen_control = scaled[scaled >= threshold], control[control >= threshold]
    assert seen_scaled.mean() / seen_control.mean() < 1.85  # the controls' smallest are missing
    assert rank_order_slope(seen_scaled, seen_control) == pytest.approx(2.0, abs=0.15)


def test_every_method_declares_what_it_needs_and_assumes():
    known = methods()
    assert {"raw", "neuron_mode", "hierarchical", *BASELINES} <= set(known)
    for needs in known.values():
        assert needs.what
        assert needs.assumes
        assert needs.text()


@pytest.mark.parametrize(
    ("method", "table", "sentence"),
    [
        ("threshold", drawn("sparse_potentiation").table, "needs 3 neurons of control animals, the table has 0"),
        ("rank_order", drawn(synapses_per_neuron=(3, 3)).table, "needs 8 synapses per neuron, the median neuron has 3"),
        ("neuron_median", drawn(synapses_per_neuron=(1, 1)).table, "needs 3 synapses per neuron"),
    ],
)
def test_a_table_that_lacks_what_a_method_needs_is_refused_in_one_sentence(method, table, sentence):
    with pytest.raises(SynimgError) as error:
        separate(table, method)
    assert sentence in str(error.value)


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize(
    "change",
    [{"r_old": 40.0, "r_new": 20.0}, {"r_old": 0.0}, {"r_new": 0.0}, {"r_old_se": 0.0, "r_new_se": 0.0}],
    ids=["constant", "no old", "no new", "errors of 0"],
)
def test_odd_but_valid_tables_give_finite_results(method, change):
    table = pd.DataFrame(drawn(n_neurons=6).table).assign(**change)
    result = separate(table, method)
    assert np.isfinite(result.synapses[["p_learning", "delta_learning"]].to_numpy(float)).all()
    assert np.isfinite(result.neurons["scale_factor"]).all()


@pytest.mark.parametrize("method", ["raw", *BASELINES])
def test_old_receptors_without_a_logarithm_are_counted(method):
    table = drawn(n_neurons=10).table.query("r_old >= 0.5").reset_index(drop=True)
    table.loc[:6, "r_old"] = 0.0
    assert any(
        f"7 of {len(table)} synapses have an r_old below 0.5" in w for w in separate(table, method).info["warnings"]
    )
    told = separate(table.iloc[7:], method).info["warnings"]
    assert not any("logarithm" in sentence for sentence in told)
