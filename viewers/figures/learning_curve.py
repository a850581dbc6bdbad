"""The task: how well the network does it, over the window."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.viewers.figures.style import CAUSE_COLORS, CHANCE, TRUTH, new_figure


def learning_curve(
    update: NDArray[Any],
    score: NDArray[Any],
    score_name: str,
    criterion: float,
    trials_per_update: int,
    snapshot: NDArray[Any],
    ln_by_cause: dict[str, NDArray[Any]],
) -> Figure:
    """Test score over trials, and the spread of ln receptors that each cause has made by then.

    Parameters
    ----------
    update, score : (n_tests,) ndarray
        Updates at which the network was tested, and how it did.
    score_name : str
        What the score is, such as ``"accuracy"``.
    criterion : float
        Score that counts as learned.
    trials_per_update : int
        Trials per update.
    snapshot : (n_snapshots,) ndarray
        Updates of the snapshots.
    ln_by_cause : dict of (n_snapshots, n_contacts) ndarray
        Change of ln receptors of every contact, by cause.
    """
    figure, (left, right) = new_figure(2)
    left.plot(update * trials_per_update, score, color=TRUTH, marker="o", ms=3)
    left.axhline(criterion, color=CHANCE, ls="--", lw=1)
    left.text(update[-1] * trials_per_update, criterion - 0.015, "criterion", ha="right", va="top", color="#555555")
    low = min(0.4, float(score.min()) - 0.05)
    left.set(
        xlabel="trials", ylabel=f"{score_name} on test trials", ylim=(low, 1.02), title="The network learns the task"
    )
    styles = {"learning": "-", "homeostasis": "--", "drift": ":"}
    for cause, values in ln_by_cause.items():
        sd = np.std(values, axis=1)
        right.plot(snapshot * trials_per_update, sd, color=CAUSE_COLORS[cause], ls=styles[cause], lw=2, label=cause)
    right.set(xlabel="trials", ylabel="sd over synapses of ln receptors", title="What moved the synapses meanwhile")
    right.legend(frameon=False)
    return figure
