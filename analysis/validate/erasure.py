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
    """Loss and score (accuracy or R2) after undoing the learning of the same number of synapses, chosen in several ways.

    Parameters
    ----------
    evaluate : callable
        Takes a mask (n_contacts,) of contacts to undo; returns loss and score.
    scores : dict of (n_contacts,) ndarray
        By the name of the choice: contacts with the highest score are undone first; -inf is never chosen.
    imaged : (n_contacts,) ndarray of bool
        Contacts that random choices are made from, and that fractions refer to.
    seed : int
        Of the random choices.

    Returns
    -------
    DataFrame
        ``set``, ``fraction``, ``n``, ``loss``, ``score``, and ``loss_lo``, ``loss_hi`` over the random choices.
    """
    rows = []
    pool = np.flatnonzero(imaged)
    for fraction in FRACTIONS:
        n = round(fraction * pool.size)
        for name, rank in scores.items():
            order = np.argsort(-rank, kind="stable")[:n]
            mask = np.zeros(imaged.size, bool)
            mask[order[np.isfinite(rank[order])]] = True
            loss, score = evaluate(mask)
            rows.append({"set": name, "fraction": fraction, "n": n, "loss": loss, "score": score})
        losses, task_scores = [], []
        for draw in range(N_RANDOM):
            mask = np.zeros(imaged.size, bool)
            mask[stream(seed, "validate", "erasure", draw, n).permutation(pool)[:n]] = True
            loss, score = evaluate(mask)
            losses.append(loss)
            task_scores.append(score)
        spread = {"loss_lo": float(min(losses)), "loss_hi": float(max(losses))}
        mean = {"loss": float(np.mean(losses)), "score": float(np.mean(task_scores))}
        rows.append({"set": f"random ({N_RANDOM} draws)", "fraction": fraction, "n": n, **mean, **spread})
    return pd.DataFrame(rows)
