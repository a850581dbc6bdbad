"""Validation of a data set: everything is scored, null controls come out null."""

import json

import numpy as np
import pandas as pd
import pytest

import synimg
from synimg import config
from synimg.analysis.separation_files import separate_dataset, separate_table
from synimg.analysis.validate import separation as module
from synimg.analysis.validate import validate_elsewhere
from synimg.analysis.validate.separation import compare
from synimg.errors import SynimgError
from synimg.store.tables import read_table, write_table


def test_scores_are_complete_and_json(tiny_path):
    scores = json.loads((tiny_path / "analysis/default/scores.json").read_text())
    assert scores["network"]["ledger_error_receptors"] < 1e-11
    for row in scores["average_precision"].values():
        assert row.keys() == {"raw", "neuron_mode", "hierarchical", "ceiling"}
        assert row["ceiling"] > row["raw"]
    separation = scores["separation"]
    assert separation["ceiling"]["calibration"]["error"] < 0.06  # 229 rows of 10 neurons
    low, high = separation["ceiling"]["share_95"]
    assert low < separation["ceiling"]["share"] < high
    for cause in ("learning", "homeostasis", "drift"):
        assert separation[f"delta_{cause}"].keys() >= {"r2", "r2_95", "slope", "coverage_95"}
        assert separation["ceiling"][f"delta_{cause}"]["r2"] is not None
    assert scores["verdicts"] == []
    assert {row["set"] for row in scores["erasure"]["curve"]} >= {"truly learned most", "called by the separation"}


def test_undoing_nothing_leaves_the_task_as_it_was(tiny_path):
    scores = json.loads((tiny_path / "analysis/default/scores.json").read_text())
    assert scores["erasure"]["loss_intact"] == pytest.approx(scores["network"]["final_loss"], rel=1e-6)


@pytest.mark.usefixtures("short_budget")
def test_without_learning_nothing_counts_as_learned_and_nothing_is_called(tmp_path):
    values = config.preset("tiny").model_dump() | {"rule": {"kind": "off"}}
    synimg.generate(config.Config.parse(values, "null"), tmp_path / "null")
    synimg.measure(tmp_path / "null")
    separate_dataset(tmp_path / "null", method="neuron_mode")
    scores = synimg.validate(tmp_path / "null")
    separation = scores["separation"]
    assert separation["share_learned_true"] == 0
    assert separation["discovery"][1]["n_called"] <= 2
    assert [one["what"] for one in scores["verdicts"]] == ["no synapse learned"]


def test_truth_and_result_may_lie_elsewhere(tiny_path, tmp_path):
    truth = read_table(tiny_path / "truth/synapses.parquet")
    made_by_hand = truth[["synapse_id"]].assign(
        neuron_id=truth["post_id"], r_old=truth["r_old_true"], r_new=truth["r_new_true"]
    )
    write_table(tmp_path / "table.csv", made_by_hand)
    separate_table(tmp_path / "table.csv", tmp_path / "result", "neuron_mode")
    scores = validate_elsewhere(tmp_path / "result", tiny_path / "truth")
    assert scores["average_precision"] > 1.5 * scores["share_learned_true"]
    low, high = scores["average_precision_95"]
    assert low < scores["average_precision"] < high
    assert scores["delta_homeostasis"]["r2"] is not None
    assert scores["network"]["n_edges"] > 100


def test_truth_that_names_the_learned_alone_is_enough(tiny_path, tmp_path):
    truth = read_table(tiny_path / "truth/synapses.parquet")
    separate_table(tiny_path / "analysis/default/synapses.parquet", tmp_path / "result", "raw")
    write_table(tmp_path / "truth/synapses.parquet", truth[["synapse_id", "is_learned"]])
    scores = validate_elsewhere(tmp_path / "result", tmp_path / "truth")
    assert scores["auroc"] is not None
    assert "delta_learning" not in scores
    assert "factor" not in scores


def test_the_budget_holds_the_validated_method_and_its_refusals(monkeypatch):
    monkeypatch.setattr(module, "COMPARED", ("raw",))
    table = pd.DataFrame({"synapse_id": range(9), "neuron_id": 1, "r_old": 9.0, "r_new": np.arange(9.0)})
    learned, p = np.arange(9) > 6, np.arange(9.0)
    tables = {"true receptors": (table, learned), "measured": (table, learned)}
    budget = compare(tables, {}, ("threshold", "threshold", p))
    assert budget["true receptors"] == {"raw": 1.0, "threshold": None, "ceiling": None}  # it needs controls
    assert budget["measured"] == {"raw": 1.0, "threshold": 1.0, "ceiling": None}


def test_validation_without_separation_says_what_to_run(tiny_copy):
    synimg.measure(tiny_copy, run="other")
    with pytest.raises(SynimgError, match="run 'synimg separate"):
        synimg.validate(tiny_copy, run="other")
