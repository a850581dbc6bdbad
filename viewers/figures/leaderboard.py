"""The leaderboard as a picture: scenarios by methods, for ranking, false discoveries and the factor's interval."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PANELS = (
    ("ap_share", "average precision / ceiling", "YlGnBu", ""),
    ("fdr_05", "realised FDR at nominal 0.05", "Oranges", "fdr_05_broken"),
    ("factor_cover", "95 % interval of the factor holds", "PuBuGn", ""),
)
CELL_IN = (0.62, 0.27)
LEAST_PANEL_IN = 0.5
LETTER_IN, SLANT = 0.065, 0.6
"""Of a method's name: width of a letter, and how high it reaches where it stands aslant."""
MOST_WIDTH_IN = 12.0
"""Wider, the panels stand below each other: a page shows the picture as wide as itself."""


def leaderboard_figure(board: pd.DataFrame) -> Figure:
    """A panel per score; a dot marks a false discovery rate that is above nominal beyond its sampling error.

    Parameters
    ----------
    board : DataFrame
        As `analysis.validate.benchmark.leaderboard` gives it.
    """
    scenarios = list(dict.fromkeys(board["scenario"]))
    methods = [m for m in dict.fromkeys(board["method"]) if m != "ceiling"] + ["ceiling"]
    methods = [m for m in methods if m in set(board["method"])]
    names = max(len(m) for m in methods) * LETTER_IN
    panel, height = LEAST_PANEL_IN + CELL_IN[0] * len(methods), CELL_IN[1] * len(scenarios) + names * SLANT + 0.7
    beside = len(PANELS) * panel + 2.6 <= MOST_WIDTH_IN
    shape = (1, len(PANELS)) if beside else (len(PANELS), 1)
    figure = Figure(figsize=(2.6 + shape[1] * panel, shape[0] * height), layout="constrained")
    axes = figure.subplots(*shape, sharey=True, squeeze=False).ravel()
    for axis, (name, title, colors, mark) in zip(axes, PANELS, strict=True):
        _panel(axis, board, scenarios, methods, name, colors, mark)
        axis.set_title(title, fontsize=9)
        axis.set_yticks(range(len(scenarios)), [s.replace("_", " ") for s in scenarios], fontsize=8)
    return figure


def _panel(
    axis: Axes, board: pd.DataFrame, scenarios: list[str], methods: list[str], name: str, colors: str, mark: str
) -> None:
    grid = board.pivot(index="scenario", columns="method", values=name).reindex(index=scenarios, columns=methods)
    values = grid.to_numpy(float)
    axis.imshow(np.ma.masked_invalid(values), cmap=colors, vmin=0.0, vmax=1.0, aspect="auto")
    broken = np.zeros(values.shape, bool)
    if mark:
        marks = board.pivot(index="scenario", columns="method", values=mark).reindex(index=scenarios, columns=methods)
        broken = marks.fillna(False).to_numpy(bool)
    for (i, j), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:.2f}" + (" •" if broken[i, j] else "")
        axis.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if value > 0.6 else "#222222")
    axis.xaxis.tick_top()  # a page shows the upper rows first, and whoever reads one has to know the column
    axis.set_xticks(range(len(methods)), methods, rotation=35, ha="left", fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
