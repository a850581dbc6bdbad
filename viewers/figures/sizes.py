"""How large synapses are: areas by counts, and beside the true ones where these are known."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray

from synimg.analysis.extent import FORMS
from synimg.viewers.figures.style import CHANCE, ESTIMATE, SET_COLORS, TRUTH, new_figure

FORM_COLORS = dict(zip(FORMS, (CHANCE, SET_COLORS[2], ESTIMATE), strict=True))
N_BINS = 8


def sizes(
    synapses: pd.DataFrame, form: NDArray[np.object_], true_um2: NDArray[np.float64] | None, unit: str = "receptors"
) -> Figure:
    """Measured areas by counts, which forms there are by counts, and measured v true areas.

    Parameters
    ----------
    synapses : DataFrame
        ``r_old``, ``r_new``, ``size``, ``size_se``; at least one has a size.
    form : (n,) ndarray of str
        `analysis.extent.FORMS`, or null.
    true_um2 : (n,) ndarray, optional
        True areas, NaN where not known.
    unit : str
        Of counts.
    """
    is_known = true_um2 is not None and np.isfinite(true_um2[synapses["size"].notna()]).any()
    figure, axes = new_figure(3 if is_known else 2, 4.2)
    total, area, se = (
        v.to_numpy(float) for v in (synapses["r_old"] + synapses["r_new"], synapses["size"], synapses["size_se"])
    )
    _areas(axes[0], total, area, se, form)
    axes[0].set(xscale="log", yscale="log", xlabel=f"{unit}, old and new", ylabel="area [µm²]")
    axes[0].set_title(f"{np.isfinite(area).sum()} of {len(area)} synapses can be sized")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    _forms(axes[1], total, form)
    axes[1].set(
        xscale="log",
        xlabel=f"{unit}, old and new",
        ylabel="share",
        ylim=(0, 1),
        title="Form (white: none is likely enough)",
    )
    for axis in axes[:2]:
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    if is_known and true_um2 is not None:
        _areas(axes[2], true_um2, area, se, form)
        top = 1.2 * float(np.nanmax(np.where(np.isfinite(area), true_um2, np.nan)))
        axes[2].plot([0, top], [0, top], color=TRUTH, lw=1)
        z = (area - true_um2) / se
        held = np.mean(np.abs(z[np.isfinite(z)]) < 1.96)
        axes[2].set(xlabel="true area [µm²]", ylabel="measured area [µm²]", xlim=(0, top), ylim=(0, top))
        axes[2].set_title(f"{held:.0%} of the 95 % intervals hold")
    return figure


def _areas(
    axis: Axes, x: NDArray[np.float64], area: NDArray[np.float64], se: NDArray[np.float64], form: NDArray[np.object_]
) -> None:
    for name, color in FORM_COLORS.items():
        some = (form == name) & np.isfinite(area) & np.isfinite(x) & (x > 0)
        if some.any():
            axis.errorbar(x[some], area[some], se[some], fmt="o", ms=3, lw=0.4, alpha=0.5, color=color, label=name)


def _forms(axis: Axes, total: NDArray[np.float64], form: NDArray[np.object_]) -> None:
    """Shares of the forms among synapses of about the same count, one upon the other."""
    edges = np.unique(np.quantile(total[total > 0], np.linspace(0, 1, N_BINS + 1)))
    below = np.zeros(edges.size - 1)
    row = np.digitize(total, edges[1:-1])
    n = np.bincount(row, minlength=below.size)
    for name, color in FORM_COLORS.items():
        share = np.bincount(row[form == name], minlength=below.size) / np.maximum(n, 1)
        axis.stairs(below + share, edges, baseline=below, fill=True, color=color, alpha=0.8, label=name)
        below = below + share
    axis.legend(frameon=True, fontsize=8, loc="lower right")
