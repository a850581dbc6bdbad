"""Worlds that must come out null or not identifiable are recognised, and the result is judged."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.validate.verdict import verdicts


def result(n_called=0, warnings=(), identifiable=False, common=(0.3, 3.0), n=100):
    synapses = pd.DataFrame({"lfdr": np.where(np.arange(n) < n_called, 0.01, 0.99)})
    neurons = pd.DataFrame(
        {"neuron_id": range(10), "scale_factor": 1.0, "common_lo": common[0], "common_hi": common[1]}
    )
    neurons = neurons.assign(scale_factor_lo=0.9, scale_factor_hi=1.1)
    return Separation(synapses, neurons, pd.DataFrame({"identifiable": [identifiable]}), {"warnings": list(warnings)})


def world(learned, factor=1.2, n=100):
    truth = pd.DataFrame({"neuron_id": np.arange(n) % 10, "is_learned": learned(np.arange(n))})
    truth["learning"] = 10.0 * truth["is_learned"]
    return truth, pd.DataFrame({"neuron_id": range(10), "scale_factor": factor})


FLAGGED = ["not identifiable: most may have learned"]


@pytest.mark.parametrize(
    ("found", "learned", "passed", "words"),
    [
        (result(), lambda i: i < 0, True, "nothing called, as it must be"),
        (result(n_called=7), lambda i: i < 0, False, "7 called, contrary"),
        (result(warnings=FLAGGED), lambda i: i % 7 < 4, True, "flagged as not identifiable, as it must be"),
        (result(warnings=["not identifiable in full: x"]), lambda i: i % 7 < 4, False, "not flagged, contrary"),
        (result(), lambda i: i % 10 < 3, True, "common interval holds for 100%"),
        (result(common=(0.9, 1.1)), lambda i: i % 10 < 3, False, "common interval holds for 0%"),
        (result(identifiable=True), lambda i: i % 10 < 3, False, "not flagged, contrary"),
    ],
)
def test_a_world_of_which_something_must_come_out_is_judged(found, learned, passed, words):
    (verdict,) = verdicts(found, *world(learned))
    assert verdict.passed == passed
    assert words in verdict.text


def test_without_homeostasis_factors_must_be_one():
    (verdict,) = verdicts(result(), *world(lambda i: i % 11 == 0, factor=1.0))
    assert verdict.passed
    assert "factors are 1 within 0.000 in ln" in verdict.text


def test_an_ordinary_world_is_not_judged():
    assert verdicts(result(), *world(lambda i: i % 11 == 0)) == []


def test_wrong_parents_do_not_hide_whole_cells():
    truth, neurons = world(lambda i: i % 10 < 3)
    truth = truth.assign(
        post_id=truth["neuron_id"], neuron_id=(truth["neuron_id"] * 7 + truth.index // 50) % 10, is_there=True
    )
    assert [one.what for one in verdicts(result(), truth, neurons)] == ["whole cells learned"]


def test_a_majority_of_both_signs_leaves_the_middle_where_it_was():
    truth, neurons = world(lambda i: i % 7 < 4)
    truth["learning"] *= np.where(np.arange(len(truth)) % 2, 1, -1)
    assert verdicts(result(), truth, neurons) == []
