"""What moved each synapse: the ledger's causes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CAUSE_COLORS, CHANCE, new_figure


def causes(truth: pd.DataFrame) -> Figure:
    """Change of ln receptors by cause over all synapses, and learning against the total.

    Parameters
    ----------
    truth : DataFrame
        Truth table (`schema.TRUTH_SYNAPSES`) with ``ln_learning``, ``ln_homeostasis``, ``ln_drift``, ``is_learned``.
    """
    figure, (left, right) = new_figure(2)
    bins = np.linspace(-1.5, 1.5, 91).tolist()
    styles = {"learning": "-", "homeostasis": "--", "drift": ":"}
    for cause, color in CAUSE_COLORS.items():
        values = truth[f"ln_{cause}"].to_numpy(float)
        label = f"{cause} (sd {values.std():.2f})"
        left.hist(values, bins, histtype="step", color=color, ls=styles[cause], lw=2, density=True, label=label)
    left.set_yscale("log")
    left.set(xlabel="change of ln receptors", ylabel="density of synapses", title="Causes of change")
    left.legend(frameon=False, fontsize=8)
    total = truth[[f"ln_{cause}" for cause in CAUSE_COLORS]].to_numpy(float).sum(axis=1)
    learning, learned = truth["ln_learning"].to_numpy(float), truth["is_learned"].to_numpy(bool)
    for which, color, size, name in (
        (~learned, CHANCE, 2, "not learned"),
        (learned, CAUSE_COLORS["learning"], 4, "learned"),
    ):
        label = f"{name} ({which.sum()})"
        right.scatter(total[which], learning[which], s=size, color=color, lw=0, alpha=0.5, label=label, rasterized=True)
    right.set(xlabel="total change of ln receptors", ylabel="change by learning", title="The total hides the learning")
    right.set(xlim=(-2, 2), ylim=(-1.5, 1.5))
    right.legend(frameon=False, fontsize=8, markerscale=4)
    return figure
