"""Animals of a cohort side by side: what each group shows, and how the methods rank in each animal."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CHANCE, ESTIMATE, SET_COLORS, TRUTH

MARKERS = "osD^vP"


def cohort(animals: pd.DataFrame, precision: dict[str, dict[str, float | None]]) -> Figure:
    """Share learned and median log turnover of every animal by group, and the average precision of several methods.

    Parameters
    ----------
    animals : DataFrame
        A row per animal: ``animal_id``, ``group``, ``share_learned`` with ``_lo`` and ``_hi``, ``share_learned_true``,
        ``log_turnover``.
    precision : dict
        Average precision by animal and method; None where no synapse learned.
    """
    figure = Figure(figsize=(13.5, 4.4), layout="constrained")
    shares, turnover, methods = figure.subplots(1, 3)
    groups = list(dict.fromkeys(animals["group"]))
    for k, group in enumerate(groups):
        rows = animals[animals["group"] == group]
        x = k + np.linspace(-0.25, 0.25, len(rows)) if len(rows) > 1 else np.array([float(k)])
        middle, low, high = (rows[f"share_learned{end}"].to_numpy(float) for end in ("", "_lo", "_hi"))
        shares.vlines(x, low, high, color=ESTIMATE, lw=1.5, alpha=0.7)
        shares.scatter(x, middle, color=ESTIMATE, s=28, zorder=3, label="estimate, 95 % interval" if k == 0 else None)
        true = rows["share_learned_true"].to_numpy(float)
        shares.scatter(x, true, marker="_", s=160, color=TRUTH, zorder=4, label="truth" if k == 0 else None)
        turnover.scatter(
            x, rows["log_turnover"], color=SET_COLORS[k % len(SET_COLORS)], marker=MARKERS[k % len(MARKERS)]
        )
    shares.set(ylabel="share of synapses that learned", title="Learned")
    shares.legend(frameon=False, fontsize=8)
    turnover.set(ylabel="median log turnover", title="Turnover, all causes together")
    for axis in (shares, turnover):
        axis.set_xticks(range(len(groups)), groups)
        axis.set_xlim(-0.5, len(groups) - 0.5)
    names = list(dict.fromkeys(name for row in precision.values() for name in row))
    ranked = {animal: row for animal, row in precision.items() if any(v is not None for v in row.values())}
    for k, (animal, row) in enumerate(ranked.items()):
        values = [np.nan if row.get(name) is None else float(row[name] or 0.0) for name in names]
        color = SET_COLORS[groups.index(animals.set_index("animal_id").loc[animal, "group"]) % len(SET_COLORS)]
        methods.plot(
            range(len(names)), values, color=color, marker=MARKERS[k % len(MARKERS)], lw=1, alpha=0.8, label=animal
        )
    methods.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=8)
    methods.set(ylim=(0, 1), ylabel="average precision", title="Methods on the measured tables")
    if 0 < len(ranked) <= 8:
        methods.legend(frameon=False, fontsize=7)
    methods.grid(axis="y", color=CHANCE, lw=0.3)
    for axis in (shares, turnover, methods):
        axis.spines[["top", "right"]].set_visible(False)
    return figure
