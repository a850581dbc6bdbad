"""The diagnosis: what a table looks like is seen, and what it must not see it does not."""

import json

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.diagnosis import TWO_HUMPS, diagnose, diagnosis_lines
from synimg.analysis.separation import choice, separate
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def of(name, **changes):
    return diagnose(draw(scenario(name).model_copy(update=changes), 1001).table)


def test_levels_spread_beyond_noise_only_where_there_is_homeostasis():
    scaled, alike, dealt = of("sparse_potentiation"), of("no_homeostasis"), of("shuffled_neurons")
    assert scaled["level_sd"] > 3 * scaled["level_sd_noise"]
    for found in (alike, dealt):
        assert found["level_sd"] == pytest.approx(found["level_sd_noise"], rel=0.25)


def test_fewer_synapses_are_near_the_mode_where_more_learned():
    shares = [of(name)["share_near_mode"] for name in ("no_learning", "sparse_potentiation", "half_learned")]
    assert shares[0] > shares[1] > shares[2]


def test_two_kinds_of_neurons_make_two_humps():
    table = draw(scenario("sparse_potentiation").model_copy(update={"factor_sd_ln": 0.1}), 1).table
    one = diagnose(table)["level_bimodality"]
    table["r_new"] *= np.where(table["neuron_id"] % 2, 1.0, 4.0)
    assert one < TWO_HUMPS < diagnose(table)["level_bimodality"]


def test_learning_of_partners_is_a_factor_and_chance_is_none():
    table = draw(scenario("low_rank"), 1001).table
    assert diagnose(table)["residual_rank"] >= 1
    table["pre_id"] = np.random.default_rng(1).permutation(table["pre_id"])
    assert diagnose(table)["residual_rank"] == 0
    assert of("sparse_potentiation")["residual_rank"] is None  # partners are not known


def test_controls_are_counted_and_compared():
    found = of("whole_cell_with_controls")
    assert found["n_control_neurons"] == 100
    assert found["controls_shift_ln"] == pytest.approx(0.25 * np.log(2), abs=0.12)  # 3 sigma of two times 100 neurons


def test_the_order_of_rows_does_not_matter():
    table = draw(scenario("low_rank").model_copy(update={"n_neurons": 30}), 1).table
    found, turned = diagnose(table), diagnose(table[::-1].reset_index(drop=True))
    assert {k: v for k, v in found.items() if k != "residual_rank"} == pytest.approx(
        {k: v for k, v in turned.items() if k != "residual_rank"}
    )


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_table_with_too_little_says_none_and_no_more(n):
    table = pd.DataFrame({"synapse_id": range(n), "neuron_id": 1, "pre_id": 4, "r_old": 0.0, "r_new": 0.0})
    found = diagnose(table)
    assert (found["n_synapses"], found["level_sd"], found["residual_rank"]) == (n, None, None)
    assert diagnosis_lines(found)[0].startswith(f"{n} synapses on 1 neurons")


def test_every_result_carries_it_and_auto_quotes_what_decided():
    table = draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": 4, "n_animals": 1}), 1).table
    for method in ("raw", "auto", lambda t: t[["synapse_id"]].assign(p_learning=0.5)):
        found = separate(table, method).info["diagnosis"]["table"]
        assert found == diagnose(table)
        json.dumps(found, allow_nan=False)
    said = separate(table, "auto").info["warnings"][0]
    assert said.startswith("auto chose 'neuron_mode'")
    assert f"{len(table)} synapses on 4 neurons" in said


@pytest.mark.parametrize(
    ("n", "n_neurons", "per_neuron", "name"),
    [(4000, 100, 40.0, "hierarchical"), (80, 4, 20.0, "neuron_mode"), (60, 30, 2.0, "raw")],
)
def test_the_choice_follows_from_the_numbers_that_it_names(n, n_neurons, per_neuron, name):
    assert choice({"n_synapses": n, "n_neurons": n_neurons, "synapses_per_neuron": per_neuron})[0] == name
