"""How far one channel lies beside the other: bright puncta that both show."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synimg.analysis.tile_look import ShiftLook
from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure

HALF_UM = 0.15


def shift(look: ShiftLook) -> Figure:
    """The second channel's places beside the first's, laterally and axially, with their median and the stated shift.

    Parameters
    ----------
    look : ShiftLook
        From `analysis.tile_look`.
    """
    figure, (lateral, axial) = new_figure(2, 5.2, 4.4)
    middle = np.median(look.apart_um, axis=0)
    se = 1.2533 * 1.4826 * np.median(np.abs(look.apart_um - middle), axis=0) / np.sqrt(len(look.apart_um))
    first, second = look.channels
    for axis, (down, right) in ((lateral, (1, 2)), (axial, (0, 2))):
        names = "zyx"
        _cross(axis, look.stated_um[[right, down]], (0.0, 0.0), TRUTH, "as measured with")
        area = np.clip(30.0 * look.electrons / np.median(look.electrons), 5.0, 80.0)
        axis.scatter(
            look.apart_um[:, right],
            look.apart_um[:, down],
            s=area,
            lw=0,
            alpha=0.45,
            color=CHANCE,
            label=f"{len(look.apart_um)} puncta, larger: brighter",
        )
        _cross(axis, middle[[right, down]], 1.96 * se[[right, down]], ESTIMATE, "their median, 95 %")
        axis.axhline(0, color=CHANCE, lw=0.6)
        axis.axvline(0, color=CHANCE, lw=0.6)
        half = max(HALF_UM, 1.3 * float(np.quantile(np.abs(look.apart_um[:, [right, down]]), 0.97)))
        axis.set(xlim=(-half, half), ylim=(half, -half), aspect="equal")
        axis.set(xlabel=f"{names[right]} of {second} beside {first} [µm]", ylabel=f"{names[down]} [µm]")
        value = ", ".join(f"{names[a]} {middle[a]:+.3f} ± {se[a]:.3f}" for a in (down, right))
        axis.set_title(f"{value} µm", fontsize=10)
    lateral.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _cross(axis: Axes, at: object, half: object, color: str, label: str) -> None:
    (x, y), (dx, dy) = np.asarray(at), np.asarray(half)
    axis.errorbar([x], [y], xerr=[dx], yerr=[dy], fmt="+", ms=14, mew=1.6, color=color, label=label, zorder=3)
