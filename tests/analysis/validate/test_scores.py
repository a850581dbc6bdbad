"""Scores against slow, obvious computations."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synimg.analysis.calls import called
from synimg.analysis.validate.scores import auroc, average_precision, discovery

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=30)


@given(rows)
def test_auroc_counts_pairs(data):
    truth, score = np.array([t for t, _ in data]), np.array([s for _, s in data], float)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[truth] for b in score[~truth]]
    assert auroc(truth, score) is None if not pairs else np.isclose(auroc(truth, score), np.mean(pairs))


@given(rows)
def test_average_precision_is_one_for_a_perfect_ranking_and_the_base_rate_for_none(data):
    truth = np.array([t for t, _ in data])
    if truth.any():
        assert np.isclose(average_precision(truth, truth.astype(float)), 1)
        assert np.isclose(average_precision(truth, np.zeros(truth.size)), truth.mean())


def test_the_called_set_is_the_largest_within_the_rate():
    lfdr = np.array([0.3, 0.01, 0.05, 0.9])
    assert called(lfdr, 0.05).tolist() == [False, True, True, False]
    assert discovery(np.array([False, True, False, True]), lfdr, 0.05)["realised_fdr"] == 0.5
