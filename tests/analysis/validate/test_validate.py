"""Validation of a data set: everything is scored, null controls come out null."""

import json

import pytest

import synimg
from synimg import config
from synimg.analysis.separation import separate_dataset, separate_table
from synimg.analysis.validate import validate_elsewhere
from synimg.errors import SynimgError
from synimg.store.tables import read_table, write_table


def test_scores_are_complete_and_json(tiny_path):
    scores = json.loads((tiny_path / "analysis/default/scores.json").read_text())
    assert scores["network"]["ledger_error_receptors"] < 1e-11
    assert scores["average_precision"]["measured"].keys() == {"raw", "neuron_mode", "hierarchical", "oracle factor"}
    assert {row["set"] for row in scores["erasure"]["curve"]} >= {"truly learned most", "called by the separation"}


def test_undoing_nothing_leaves_the_task_as_it_was(tiny_path):
    scores = json.loads((tiny_path / "analysis/default/scores.json").read_text())
    assert scores["erasure"]["loss_intact"] == pytest.approx(scores["network"]["final_loss"], rel=1e-6)


def test_without_learning_nothing_counts_as_learned_and_nothing_is_called(tmp_path):
    values = config.preset("tiny").model_dump() | {"rule": {"kind": "off"}}
    synimg.generate(config.Config.parse(values, "null"), tmp_path / "null")
    synimg.measure(tmp_path / "null")
    separate_dataset(tmp_path / "null", method="neuron_mode")
    separation = synimg.validate(tmp_path / "null")["separation"]
    assert separation["share_learned_true"] == 0
    assert separation["discovery"][1]["n_called"] <= 2


def test_truth_and_result_may_lie_elsewhere(tiny_path, tmp_path):
    truth = read_table(tiny_path / "truth/synapses.parquet")
    made_by_hand = truth[["synapse_id"]].assign(
        neuron_id=truth["post_id"], r_old=truth["r_old_true"], r_new=truth["r_new_true"]
    )
    write_table(tmp_path / "table.csv", made_by_hand)
    separate_table(tmp_path / "table.csv", tmp_path / "result", "neuron_mode")
    scores = validate_elsewhere(tmp_path / "result", tiny_path / "truth")
    assert scores["average_precision"] > 1.5 * scores["share_learned_true"]


def test_validation_without_separation_says_what_to_run(tiny_copy):
    synimg.measure(tiny_copy, run="other")
    with pytest.raises(SynimgError, match="run 'synimg separate"):
        synimg.validate(tiny_copy, run="other")
