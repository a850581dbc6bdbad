"""Colours of synapses beside the code book, and whether the probabilities of the decoding agree with what places tell."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.analysis.tile_look import ColourLook
from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure

Floats = NDArray[np.float64]
GOLDEN = 0.618034
LEAST_IN_BIN = 8
EDGES = np.array([0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0001])


def decoding(look: ColourLook) -> Figure:
    """Colours with the codes, how sure each parent is, and colour alone against place alone.

    Parameters
    ----------
    look : ColourLook
        From `analysis.tile_look`.
    """
    figure, axes = new_figure(3, 4.8, 4.4)
    _colours(axes[0], look)
    _sureness(axes[1], look)
    _calibration(axes[2], look)
    return figure


def _colours(axis: Axes, look: ColourLook) -> None:
    """In the plane of the two directions in which the codes differ most; a colour is what its dyes have of each other."""
    middle = look.codes.mean(axis=0)
    _, _, directions = np.linalg.svd(look.codes - middle, full_matrices=False)
    plane = directions[:2] if len(directions) > 1 else np.eye(2, look.codes.shape[1])
    codes, colours = ((v - middle) @ plane.T for v in (look.codes, look.colours))
    hues = [hsv_to_rgb(((k * GOLDEN) % 1.0, 0.75, 0.85)) for k in range(len(codes))]
    axis.scatter(colours[:, 0], colours[:, 1], s=10, lw=0, alpha=0.6, color=[hues[k] for k in look.row])
    axis.scatter(codes[:, 0], codes[:, 1], s=70, marker="X", color=hues, edgecolors="black", lw=0.9, zorder=3)
    axis.set(xlabel="first direction in which codes differ", ylabel="second direction", aspect="equal")
    axis.set_title(f"{len(colours)} synapses (dots), {len(codes)} codes (crosses), {len(look.dyes)} dyes", fontsize=10)


def _sureness(axis: Axes, look: ColourLook) -> None:
    edges = np.linspace(0.0, 1.0, 21).tolist()
    for values, color, label in (
        (look.colour_prob, CHANCE, "by colour alone"),
        (look.probability, ESTIMATE, "by colour and place"),
    ):
        axis.hist(values, edges, histtype="step", lw=2, color=color, label=f"{label}, mean {values.mean():.2f}")
    axis.set(xlabel="probability of the parent", ylabel="synapses")
    axis.set_title("how sure parents are", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="upper left")


def _calibration(axis: Axes, look: ColourLook) -> None:
    axis.plot([0, 1], [0, 1], color=TRUTH, lw=1, label="probabilities that are right")
    for low, high in pairwise(EDGES):
        which = (look.colour_prob >= low) & (look.colour_prob < high) & (look.near_by_chance < 1.0)
        if which.sum() >= LEAST_IN_BIN:
            at, (value, bottom, top) = float(look.colour_prob[which].mean()), look.right_by_place(which)
            axis.plot([at, at], [bottom, top], color=ESTIMATE, lw=1.2)
            axis.plot([at], [value], "o", ms=5, color=ESTIMATE)
            axis.annotate(f"  {which.sum()}", (at, value), fontsize=7, va="center")
    axis.set(xlabel="probability by colour alone", ylabel="share right, by who has a dendrite near")
    axis.set(xlim=(0, 1.03), ylim=(min(0.0, axis.get_ylim()[0]), 1.03))
    chance = float(look.near_by_chance.mean())
    axis.set_title(f"{look.is_near.mean():.0%} have a dendrite near, {chance:.0%} would by chance", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="upper left")
