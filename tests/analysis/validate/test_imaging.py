"""The image's scores."""

import numpy as np
import pandas as pd

from synimg.analysis.validate.imaging import imaging_scores, match_truth


def places(x, **columns):
    return pd.DataFrame({"z_um": 1.0, "y_um": 1.0, "x_um": np.asarray(x, float), **columns})


def test_a_synapse_of_another_neuron_is_no_false_positive():
    found = places([1.0, 2.0, 3.0], synapse_id=[1, 2, 3], neuron_id=1, neuron_prob=0.9)
    found = found.assign(r_old=10.0, r_new=5.0, r_old_se=1.0, r_new_se=1.0)
    true = places([1.0, 9.0], synapse_id=[7, 8], post_id=1, r_old_true=10.0, r_new_true=5.0)
    others = places([2.0])
    matched = match_truth(found, true, others)
    assert matched["true_synapse_id"].fillna(0).tolist() == [7, 0, 0]
    assert matched["is_background"].tolist() == [False, True, False]
    errors = found[["z_um", "y_um", "x_um"]].add_suffix("_se") * 0.1
    scores = imaging_scores(matched, true, errors, others)
    assert (scores["n_true"], scores["n_true_background"]) == (3, 1)
    assert (scores["precision"], scores["recall"]) == (2 / 3, 2 / 3)
    assert imaging_scores(match_truth(found, true), true, errors)["precision"] == 1 / 3


def test_synapses_without_a_parent_are_no_wrong_parents():
    found = places([1.0, 2.0, 3.0], synapse_id=[1, 2, 3], neuron_prob=[0.9, 0.8, np.nan])
    found["neuron_id"] = pd.array([5, 6, None], "Int64")
    found = found.assign(r_old=10.0, r_new=5.0, r_old_se=1.0, r_new_se=1.0)
    true = places([1.0, 2.0, 3.0], synapse_id=[7, 8, 9], post_id=[5, 1, 5], r_old_true=10.0, r_new_true=5.0)
    errors = found[["z_um", "y_um", "x_um"]].add_suffix("_se") * 0.1
    parents = imaging_scores(match_truth(found, true), true, errors)["parents"]
    assert (parents["accuracy"], parents["share_known"]) == (0.5, 2 / 3)


def test_a_parent_given_to_a_synapse_of_other_neurons_counts_in_the_calibration():
    x = np.arange(100.0)
    found = places(x, synapse_id=1 + np.arange(100), neuron_id=5, neuron_prob=0.5)
    found = found.assign(r_old=10.0, r_new=5.0, r_old_se=1.0, r_new_se=1.0)
    true = places(x[:50], synapse_id=1 + np.arange(50), post_id=5, r_old_true=10.0, r_new_true=5.0)
    errors = found[["z_um", "y_um", "x_um"]].add_suffix("_se") * 0.0 + 0.1
    others = places(x[50:])
    parents = imaging_scores(match_truth(found, true, others), true, errors, others)["parents"]
    assert parents == {"accuracy": 1.0, "share_of_others_named": 1.0, "calibration_error": 0.0}
