"""Groups of synapses: share learned and mean change of each, as a forest plot or along a gradient."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CHANCE, ESTIMATE, new_figure

MOST_SHOWN = 30
TITLES = {"share_learned": "share learned", "change_ln": "mean change of ln receptors"}


def groups(table: pd.DataFrame, by: dict[str, Any]) -> Figure:
    """Every group with its 95 % interval, filled where it differs from the rest at q <= 0.05.

    Parameters
    ----------
    table : DataFrame
        By schema GROUP_RESULT.
    by : dict
        ``info["by"]`` of the separation.
    """
    shown = [name for name in TITLES if name in table and table[name].notna().any()]
    is_gradient = bool(by["gradient"])
    if not is_gradient and len(table) > MOST_SHOWN:
        furthest = (table[shown[-1]] - table[shown[-1]].median()).abs()
        table = table.loc[np.sort(furthest.nlargest(MOST_SHOWN).index)]
    height = 3.7 if is_gradient else 1.2 + 0.28 * max(len(table), 4)
    figure, axes = new_figure(len(shown), 4.6, height)
    for axis, name in zip(axes, shown, strict=True):
        middle, low, high = (table[f"{name}{end}"].to_numpy(float) for end in ("", "_lo", "_hi"))
        q = table[f"q_{name}"].to_numpy(float) if f"q_{name}" in table else np.full(len(table), np.nan)
        face = [ESTIMATE if value <= 0.05 else "white" for value in q]
        where = table["value"].to_numpy(float) if is_gradient else np.arange(len(table))[::-1]
        lines = axis.vlines if is_gradient else axis.hlines
        lines(where, low, high, color=ESTIMATE, lw=1.5)
        x, y = (where, middle) if is_gradient else (middle, where)
        axis.scatter(x, y, s=26, color=face, edgecolor=ESTIMATE, zorder=3)
        if is_gradient:
            slope = by["gradient"][name]
            n = table["n_synapses"].to_numpy(float)
            centre = (n @ where) / n.sum(), (n @ middle) / n.sum()
            ends = np.array([where.min(), where.max()])
            p = "" if slope["p"] is None else f", p = {slope['p']:.2g}"
            axis.plot(ends, centre[1] + slope["slope"] * (ends - centre[0]), color="#000000", lw=1)
            axis.set(xlabel=by["column"], ylabel=TITLES[name], title=f"slope {slope['slope']:+.3g} per unit{p}")
        else:
            total = table["n_synapses"].to_numpy(float)
            axis.axvline(float(total @ middle / total.sum()), color=CHANCE, lw=0.8)
            axis.set(xlabel=TITLES[name], yticks=where, ylim=(-0.7, len(table) - 0.3))
            axis.set_yticklabels([str(group)[:24] for group in table["group"]])
    return figure
