"""Do counts change with depth? Medians of synapses, and the trend."""

import numpy as np
from matplotlib.figure import Figure

from synimg.analysis.depth import DepthTrend
from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure


def depth(trend: DepthTrend) -> Figure:
    """Median electrons of synapses against depth, after what is stated of attenuation and bleaching, with the trend.

    Parameters
    ----------
    trend : DepthTrend
        Of a measurement's quality report.
    """
    figure, (axis,) = new_figure(1, 6.0, 4.2)
    at, value, se = np.array(trend.medians).T
    middle = float(np.exp(np.average(np.log(value), weights=(value / se) ** 2)))
    z = np.linspace(at.min(), at.max(), 50)
    from_middle = z - np.average(at, weights=(value / se) ** 2)
    line = middle * np.exp(trend.change * from_middle)
    for side in (-1.96, 1.96):
        axis.plot(
            z, middle * np.exp((trend.change + side * trend.change_se) * from_middle), color=ESTIMATE, lw=0.8, ls="--"
        )
    axis.plot(z, line, color=ESTIMATE, lw=1.8, label="trend, 95 %")
    axis.axhline(middle, color=CHANCE, lw=0.8)
    axis.errorbar(at, value, 1.96 * se, fmt="o", ms=5, color=TRUTH, label="medians, 95 %")
    axis.set(xlabel="depth below the first plane [µm]", ylabel="electrons of a synapse, as in the first plane")
    axis.set_ylim(0, 1.25 * float((value + 1.96 * se).max()))
    error = trend.change_se * trend.depth_um
    said = "beyond chance" if trend.warnings() else "no sure trend"
    axis.set_title(
        f"{100 * trend.change * trend.depth_um:+.0f} ± {100 * error:.0f} % (ln) over {trend.depth_um:.0f} µm: {said}",
        fontsize=10,
    )
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure
