"""In-silico erasure: what the task loses when learning is undone in chosen synapses."""

import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CHANCE, SET_COLORS, SET_STYLES, new_figure


def erasure(curve: pd.DataFrame, loss_intact: float, loss_chance: float) -> Figure:
    """Task loss against the number of synapses in which the learning was undone.

    Parameters
    ----------
    curve : DataFrame
        ``set``, ``n``, ``loss``, and ``loss_lo``, ``loss_hi`` where several draws were made.
    loss_intact, loss_chance : float
        Loss of the trained network and of guessing.
    """
    figure, (axis,) = new_figure(1, 5.2, 4.4)
    for (name, rows), color, style in zip(curve.groupby("set", sort=False), SET_COLORS, SET_STYLES, strict=False):
        rows = rows.sort_values("n")
        axis.plot(rows["n"], rows["loss"], color=color, ls=style, marker="o", ms=4, lw=2, label=str(name))
        if "loss_lo" in rows and rows["loss_lo"].notna().any():
            axis.fill_between(rows["n"], rows["loss_lo"], rows["loss_hi"], color=color, alpha=0.2, lw=0)
    axis.axhline(loss_intact, color=CHANCE, lw=1, ls=":")
    axis.text(axis.get_xlim()[1], loss_intact, "intact ", ha="right", va="bottom", color="#555555", fontsize=8)
    top = max(float(curve["loss"].max()) * 1.1, 1.2 * loss_intact)
    if top > loss_chance:
        axis.axhline(loss_chance, color=CHANCE, lw=1, ls="--")
        axis.text(axis.get_xlim()[1], loss_chance, "guessing ", ha="right", va="bottom", color="#555555", fontsize=8)
    axis.set(xlabel="synapses in which learning is undone", ylabel="task loss", ylim=(0, top))
    axis.set_title("Undo learning where it was called")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)  # curves may lie anywhere
    return figure
