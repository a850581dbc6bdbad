"""Ranking of synapses: precision against recall of the learned ones."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.viewers.figures.style import CHANCE, SET_COLORS, SET_STYLES, new_figure


def precision_recall(is_learned: NDArray[np.bool_], rankings: dict[str, NDArray[Any]]) -> Figure:
    """Precision v recall of the learned synapses for several rankings of the same synapses.

    Parameters
    ----------
    is_learned : (n,) ndarray of bool
        Truth.
    rankings : dict of (n,) ndarray
        Scores by name; a larger score means more likely learned.
    """
    figure, (axis,) = new_figure(1, 5.2, 4.4)
    n_learned = max(int(is_learned.sum()), 1)
    for (name, score), color, style in zip(rankings.items(), SET_COLORS[1:] + SET_COLORS[:1], SET_STYLES, strict=False):
        hits = np.cumsum(is_learned[np.argsort(-score, kind="stable")])
        precision, recall = hits / np.arange(1, hits.size + 1), hits / n_learned
        area = float((precision * np.diff(recall, prepend=0.0)).sum())
        shown = hits > 0
        axis.plot(recall[shown], precision[shown], color=color, ls=style, lw=2, label=f"{name} (AP {area:.2f})")
    base = float(is_learned.mean())
    axis.axhline(base, color=CHANCE, lw=1, label=f"chance ({base:.2f})")
    axis.set(xlabel="recall of learned synapses", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.set_title("Which synapses learned?")
    axis.legend(frameon=False, fontsize=8)
    return figure
