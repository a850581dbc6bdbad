"""Scores of amounts against computations by hand, and intervals that hold whole neurons."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.validate.amounts import delta_scores, factor_rows, factor_scores, share_scores
from synimg.analysis.validate.bootstrap import copies_of, interval
from synimg.streams import stream


def test_copies_hold_whole_neurons_of_whole_animals():
    neuron, animal = np.array([3, 1, 1, 2, 3, 4]), np.array(list("baaabb"))
    for rows in copies_of(neuron, animal, stream(1, "test")):
        for one in (1, 3):  # neurons of two rows each
            first, second = np.flatnonzero(neuron == one)
            assert (rows == first).sum() == (rows == second).sum()
    assert interval([np.arange(3)], lambda rows: None) is None


def test_an_interval_over_neurons_is_wide_where_neurons_differ():
    neuron = np.repeat(np.arange(20), 10)
    animal = np.full(neuron.size, "a")
    copies = copies_of(neuron, animal, stream(1, "test"))
    by_neuron, by_row = (neuron < 10).astype(float), np.tile([0.0, 1.0], 100)
    widths = [np.ptp(interval(copies, lambda rows, v=v: float(v[rows].mean()))) for v in (by_neuron, by_row)]
    assert widths[0] == pytest.approx(4 * 0.5 / np.sqrt(20), rel=0.25)
    assert widths[1] == 0


def test_factors_are_centred_by_animal_and_judged_by_their_own_interval():
    truth = pd.DataFrame({"neuron_id": [1, 2, 3, 4], "animal_id": list("aabb"), "scale_factor": 1.0})
    found = truth[["neuron_id"]].assign(scale_factor=np.exp([0.1, 0.3, -0.1, -0.3]))
    for name, half in (("scale_factor", 0.2), ("common", 1.0)):
        found[f"{name}_lo"], found[f"{name}_hi"] = (found["scale_factor"] * np.exp(side * half) for side in (-1, 1))
    scores = factor_scores(factor_rows(found, truth))
    assert scores["rmse_ln"] == pytest.approx(np.sqrt((0.01 + 0.09) / 2))
    assert scores["rmse_ln_centred"] == pytest.approx(0.1)
    assert (scores["coverage_95"], scores["coverage_common"]) == (0.5, 1.0)
    assert scores["error_over_interval"] == pytest.approx(1.4826 * 0.2 / (0.4 / 3.92))


def test_a_change_that_is_not_known_is_not_scored():
    found = pd.DataFrame({"delta_drift": [1.0, 2.0, 3.0, np.nan], "delta_drift_lo": 0.0, "delta_drift_hi": 2.5})
    scores = delta_scores(found, np.array([1.0, 2.0, 3.0, np.nan]), "drift")
    assert (scores["r2"], scores["slope"]) == (pytest.approx(1), pytest.approx(1))
    assert scores["coverage_95"] == pytest.approx(2 / 3)
    assert delta_scores(found, np.array([1.0, 2.0, 3.0, 4.0]), "drift") == {}  # a row that is true and not stated


def test_shares_are_judged_animal_by_animal():
    truth = pd.DataFrame({"animal_id": ["a"] * 40 + ["b"] * 40, "is_learned": np.arange(80) < 10})
    for cause in ("learning", "homeostasis", "drift"):
        truth[f"ln_{cause}"] = np.where(truth["is_learned"], 1.0, 0.0) if cause == "learning" else 0.0
    animals = pd.DataFrame({"animal_id": ["a", "b"], "share_learned": [0.2, 0.1]})
    animals["share_learned_lo"], animals["share_learned_hi"] = [0.1, 0.05], [0.3, 0.2]
    scores = share_scores(animals, truth, [np.arange(80)] * 3)
    assert (scores["a"]["share_learned"]["true"], scores["a"]["share_learned"]["holds"]) == (0.25, True)
    assert (scores["b"]["share_learned"]["true"], scores["b"]["share_learned"]["holds"]) == (0.0, False)
    assert scores["a"]["var_share_learning"]["true"] == pytest.approx(1)
    assert scores["a"]["var_share_learning"]["found"] is None
    assert "var_share_learning" not in scores["b"]  # nothing varies there
