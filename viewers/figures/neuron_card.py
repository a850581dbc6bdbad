"""One neuron: the log turnover of its synapses with the factor read from it, and the synapses along its dendrite."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.colours import NAMED
from synimg.viewers.figures.style import CHANCE, CLASS_MARKERS, TRUTH

FACTOR = "#009E73"


def baseline(synapses: pd.DataFrame, neurons: pd.DataFrame) -> float:
    """Log turnover of a synapse of a neuron whose factor is 1: the median over neurons of median minus ln factor.

    Parameters
    ----------
    synapses, neurons : DataFrame
        The whole map with ``log_turnover``, and the separation's neurons.
    """
    median = synapses.groupby("neuron_id")["log_turnover"].median()
    factor = neurons.set_index("neuron_id")["scale_factor"]
    return float((median - np.log(factor.reindex(median.index))).median())


def neuron_card(
    rows: pd.DataFrame,
    neuron: pd.Series | None,
    base: float,
    scale_factor_true: float | None = None,
    selected: int | None = None,
    width_in: float = 4.6,
) -> Figure:
    """The histogram of log turnover, and what is left of each synapse's along the dendrite.

    Parameters
    ----------
    rows : DataFrame
        Synapses of the neuron: ``log_turnover``, ``turnover_residual``, ``class``, ``path_um`` (NaN where the dendrite is
        not known), ``branch_id``.
    neuron : Series, optional
        Its row of the separation: ``scale_factor``, ``scale_factor_lo``, ``_hi``, ``common_lo``, ``common_hi``.
    base : float
        See `baseline`.
    scale_factor_true : float, optional
        The true factor, drawn where it is known.
    selected : int, optional
        ``synapse_id`` to point out.
    width_in : float
        Width of the picture.
    """
    figure = Figure(figsize=(width_in, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1)
    values = rows["log_turnover"].to_numpy(float)
    values = values[np.isfinite(values)]
    top.hist(values, bins=max(8, min(40, values.size // 3)), color=CHANCE, label=f"{values.size} synapses")
    if neuron is not None and np.isfinite(float(neuron["scale_factor"])):
        for low, high, alpha, label in (
            ("common_lo", "common_hi", 0.15, "with what no data can tell from learning"),
            ("scale_factor_lo", "scale_factor_hi", 0.35, "95 % interval"),
        ):
            ends = [base + np.log(float(neuron[name])) if float(neuron[name]) > 0 else np.nan for name in (low, high)]
            if np.isfinite(ends).all():
                top.axvspan(*ends, color=FACTOR, alpha=alpha, lw=0, label=label)
        factor = float(neuron["scale_factor"])
        top.axvline(base + np.log(factor), color=FACTOR, lw=2, label=f"factor {factor:.2f}")
    if scale_factor_true is not None:
        top.axvline(
            base + np.log(scale_factor_true), color=TRUTH, ls="--", label=f"true factor {scale_factor_true:.2f}"
        )
    top.axvline(base, color=TRUTH, lw=1, ls=":", label="factor 1")
    top.set(xlabel="log turnover ln((old + new) / old)", ylabel="synapses")
    shown = np.r_[values, base]
    if shown.size > 1:
        margin = 0.15 * max(float(np.ptp(shown)), 0.1)
        top.set_xlim(shown.min() - margin, shown.max() + margin)
    top.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    along = rows["path_um"].notna().to_numpy() if "path_um" in rows else np.zeros(len(rows), bool)
    place = rows["path_um"].to_numpy(float) if along.any() else np.arange(len(rows), dtype=float)
    for name, group in rows.assign(place=place).groupby("class"):
        label = f"{name} ({len(group)})"
        bottom.scatter(
            group["place"], group["turnover_residual"], s=16, color=NAMED.get(str(name), CHANCE), label=label, lw=0,
            marker=CLASS_MARKERS.get(str(name), "o"),
        )  # fmt: skip
    if selected is not None and (chosen := (rows["synapse_id"] == selected).to_numpy()).any():
        at = place[chosen], rows.loc[chosen, "turnover_residual"]
        bottom.scatter(*at, s=120, facecolors="none", edgecolors=TRUTH, lw=1.5)
    bottom.axhline(0, color=CHANCE, lw=0.8)
    what = "way along the dendrite from the soma [µm]" if along.any() else "synapses in the order of the table"
    bottom.set(xlabel=what, ylabel="residual log turnover")
    bottom.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    for axis in (top, bottom):
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.label.set_size(8)
        axis.yaxis.label.set_size(8)
    return figure
