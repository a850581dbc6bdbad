"""Is the point spread function right? Light around bright puncta that stand alone, beside what the stated widths give."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synimg.analysis.survey import ChannelOptics, OpticsCheck, Width
from synimg.viewers.figures.style import CHANCE, ESTIMATE, SET_COLORS, TRUTH


def optics(check: OpticsCheck) -> Figure:
    """Mean profiles along z and laterally of each channel, data v stated width, and the widths by depth.

    Parameters
    ----------
    check : OpticsCheck
        With at least one channel whose widths are known.
    """
    known = [(c, c.axial, c.lateral) for c in check.channels if c.axial is not None and c.lateral is not None]
    figure = Figure(figsize=(12.0, 3.3 * len(known)), layout="constrained")
    for row, (channel, axial, lateral) in enumerate(known):
        for column, (name, what, width) in enumerate((("z", "along z", axial), ("lateral", "laterally", lateral))):
            axis = figure.add_subplot(len(known), 3, 3 * row + column + 1)
            axis.spines[["top", "right"]].set_visible(False)
            distance, light, se, stated = np.array(channel.profiles[name]).T
            axis.plot(distance, stated, color=TRUTH, lw=1.5, label="as stated, with the synapses' own size")
            axis.errorbar(distance, light, 1.96 * se, fmt="o", ms=4, color=ESTIMATE, label="bright puncta, 95 %")
            axis.axhline(0, color=CHANCE, lw=0.8)
            axis.set(xlabel=f"distance {what} [µm]", ylabel="light, middle = 1")
            axis.set_title(f"{channel.channel} {what}: {_text(width)}", fontsize=10, color=_color(width))
            if row == column == 0:
                axis.legend(frameon=False, fontsize=8)
        _depth(figure.add_subplot(len(known), 3, 3 * row + 3), channel)
    return figure


def _text(width: Width) -> str:
    return f"{1 + width.excess:.3f} ± {width.se_um / width.stated_um:.3f} of the stated"


def _color(width: Width) -> str:
    return ESTIMATE if width.is_off else TRUTH


def _depth(axis: Axes, channel: ChannelOptics) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.axhline(1.0, color=CHANCE, lw=0.8)
    if channel.by_depth:
        depth, axial, lateral = np.array(channel.by_depth).T
        axis.plot(depth, axial, "o-", color=SET_COLORS[1], label="axial")
        axis.plot(depth, lateral, "s--", color=SET_COLORS[2], label="lateral")
        axis.legend(frameon=False, fontsize=8)
    else:
        axis.set_xticks([])
        axis.text(0.5, 0.4, "too few to tell depths apart", transform=axis.transAxes, ha="center", fontsize=9)
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.8), max(high, 1.2))
    axis.set(xlabel="depth [µm]", ylabel="width over the stated")
    axis.set_title(f"{channel.channel}: {channel.n_puncta} puncta", fontsize=10)
