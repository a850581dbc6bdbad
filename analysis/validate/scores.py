"""Scores of rankings, probabilities and estimates against the truth."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.calls import called

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
FLAG = "not identifiable:"
"""How a warning starts which says that the table has another reading; `not identifiable in full` is none, it says that the
zero of the factors is a convention."""


def average_precision(truth: Bools, score: Floats) -> float | None:
    """Mean precision at each true one, from the highest score down; None without a true one.

    Ties share one place: what stands in the same score is taken at once.
    """
    n_true = int(truth.sum())
    if n_true == 0:
        return None
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(score[order]) != 0), truth.size - 1)
    precision = hits[last] / (last + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / n_true)


def auroc(truth: Bools, score: Floats) -> float | None:
    """Probability that a true one scores above a false one (ties count half); None without both kinds."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((rank[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def discovery(truth: Bools, lfdr: Floats, nominal: float) -> dict[str, Any]:
    """How many are called at a `nominal` false discovery rate, the realised rate, and the power."""
    chosen = called(lfdr, nominal)
    n = int(chosen.sum())
    n_true = int(truth.sum())
    return {
        "nominal": nominal,
        "n_called": n,
        "realised_fdr": float((~truth[chosen]).mean()) if n else None,
        "power": float(truth[chosen].sum() / n_true) if n_true else None,
    }


def calibration(truth: Bools, probability: Floats, n_bins: int = 10) -> dict[str, Any]:
    """Mean probability and realised share in bins of equal width, and the expected calibration error."""
    which = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(which, minlength=n_bins)
    used = counts > 0
    said = np.bincount(which, probability, n_bins)[used] / counts[used]
    seen = np.bincount(which, truth, n_bins)[used] / counts[used]
    error = float((np.abs(said - seen) * counts[used]).sum() / truth.size)
    return {"error": error, "stated": said.tolist(), "realised": seen.tolist(), "n": counts[used].tolist()}


def agreement(estimate: Floats, truth: Floats) -> dict[str, float | None]:
    """Pearson r, R2 of the estimate itself, and slope of the truth on the estimate."""
    if estimate.size < 3 or truth.std() == 0 or estimate.std() == 0:
        return {"r": None, "r2": None, "slope": None}
    r = float(np.corrcoef(estimate, truth)[0, 1])
    r2 = float(1.0 - ((truth - estimate) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
    return {"r": r, "r2": r2, "slope": float(r * truth.std() / estimate.std())}
