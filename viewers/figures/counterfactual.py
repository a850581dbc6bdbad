"""Two truths about a cause: what the ledger booked to it, and what a run without it lacks."""

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CAUSE_COLORS, CHANCE, new_figure

SHOWN = 0.995


def counterfactual(truth: pd.DataFrame) -> Figure:
    """Change booked to each cause against the difference that the cause makes, per synapse.

    Parameters
    ----------
    truth : DataFrame
        Truth table (`schema.TRUTH_SYNAPSES`) with ``learning``, ``cf_learning`` and so on.
    """
    figure, axes = new_figure(3)
    for axis, cause in zip(axes, CAUSE_COLORS, strict=False):
        booked, made = truth[cause].to_numpy(float), truth[f"cf_{cause}"].to_numpy(float)
        top = max(float(np.quantile(np.abs(np.concatenate([booked, made])), SHOWN)), 1.0)
        extent = (-top, top, -top, top)
        axis.hexbin(booked, made, gridsize=45, extent=extent, norm=LogNorm(), cmap="Greys", mincnt=1, linewidths=0.1)
        axis.plot([-top, top], [-top, top], color=CHANCE, ls="--", lw=1)
        axis.set(xlabel="booked [receptors]", title=cause, xlim=(-top, top), ylim=(-top, top), aspect="equal")
        axis.title.set_color(CAUSE_COLORS[cause])
    axes[0].set_ylabel("missing in the run without it [receptors]")
    return figure


def disagreement(truth: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Per cause: correlation of both, and their mean absolute difference as a share of the mean absolute booked change.

    Notes
    -----
    They differ because causes answer each other: without learning, homeostasis has less to correct.
    """
    found = {}
    for cause in CAUSE_COLORS:
        booked, made = truth[cause].to_numpy(float), truth[f"cf_{cause}"].to_numpy(float)
        if booked.std() == 0 or made.std() == 0:
            found[cause] = (float("nan"), float("nan"))
            continue
        apart = float(np.abs(booked - made).sum() / np.abs(booked).sum())
        found[cause] = (float(np.corrcoef(booked, made)[0, 1]), apart)
    return found
