"""Every neuron's homeostatic factor: recovered against true."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure

COARSE = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
FINE = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6)
"""Ticks of an axis that spans less than a factor of two."""


def factor(neurons: pd.DataFrame) -> Figure:
    """Recovered v true factor with both intervals.

    Parameters
    ----------
    neurons : DataFrame
        ``scale_factor`` with ``_lo``, ``_hi``, ``common_lo``, ``common_hi``, and ``scale_factor_true``.
    """
    figure, (axis,) = new_figure(1, 5.2, 4.4)
    true = neurons["scale_factor_true"].to_numpy(float)
    found = neurons["scale_factor"].to_numpy(float)
    for low, high, color, width, label in (
        ("common_lo", "common_hi", CHANCE, 1, "with the common part that no data can tell from learning"),
        ("scale_factor_lo", "scale_factor_hi", ESTIMATE, 2, "95 % interval, given this reading"),
    ):
        axis.vlines(true, neurons[low], neurons[high], color=color, lw=width, alpha=0.6, label=label)
    axis.scatter(true, found, s=14, color=ESTIMATE, zorder=3, label="estimate, one neuron each")
    ends = [np.nanmin(true) * 0.9, np.nanmax(true) * 1.1]
    axis.plot(ends, ends, color=TRUTH, lw=1, label="truth")
    axis.set(xscale="log", yscale="log", xlabel="true scaling factor", ylabel="recovered scaling factor")
    for which in (axis.xaxis, axis.yaxis):
        start, stop = which.get_view_interval()
        which.set_major_locator(FixedLocator(FINE if stop < 2 * start else COARSE))
        which.set_major_formatter("{x:g}")
        which.set_minor_locator(NullLocator())
    axis.set_title("Homeostatic factor of every neuron")
    axis.legend(frameon=False, fontsize=7, loc="upper left")
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, top * 1.7)
    return figure
