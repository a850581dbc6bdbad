"""In-silico erasure: undo the learning of chosen synapses in the ground-truth network and test the task again."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.streams import stream

Floats = NDArray[np.float64]
FRACTIONS = (0.05, 0.1, 0.2, 0.4)
N_RANDOM = 8


def erasure_curve(
    evaluate: Callable[[NDArray[np.bool_]], tuple[float, float]],
    scores: dict[str, Floats],
    imaged: NDArray[np.bool_],
    seed: int,
) -> pd.DataFrame:
    """Loss and accuracy after undoing the learning of the same number of synapses, chosen in several ways.

    Parameters
    ----------
    evaluate : callable
        Takes a mask (n_contacts,) of contacts to undo; returns loss and accuracy.
    scores : dict of (n_contacts,) ndarray
        By the name of the choice: contacts with the highest score are undone first; -inf is never chosen.
    imaged : (n_contacts,) ndarray of bool
        Contacts that random choices are made from, and that fractions refer to.
    seed : int
        Of the random choices.

    Returns
    -------
    DataFrame
        ``set``, ``fraction``, ``n``, ``loss``, ``accuracy``, and ``loss_lo``, ``loss_hi`` over the random choices.
    """
    rows = []
    pool = np.flatnonzero(imaged)
    for fraction in FRACTIONS:
        n = round(fraction * pool.size)
        for name, score in scores.items():
            order = np.argsort(-score, kind="stable")[:n]
            mask = np.zeros(imaged.size, bool)
            mask[order[np.isfinite(score[order])]] = True
            loss, accuracy = evaluate(mask)
            rows.append({"set": name, "fraction": fraction, "n": n, "loss": loss, "accuracy": accuracy})
        losses, accuracies = [], []
        for draw in range(N_RANDOM):
            mask = np.zeros(imaged.size, bool)
            mask[stream(seed, "validate", "erasure", draw, n).permutation(pool)[:n]] = True
            loss, accuracy = evaluate(mask)
            losses.append(loss)
            accuracies.append(accuracy)
        spread = {"loss_lo": float(min(losses)), "loss_hi": float(max(losses))}
        mean = {"loss": float(np.mean(losses)), "accuracy": float(np.mean(accuracies))}
        rows.append({"set": f"random ({N_RANDOM} draws)", "fraction": fraction, "n": n, **mean, **spread})
    return pd.DataFrame(rows)
