"""Grown dendrites beside real ones: crossings of spheres around the soma (Sholl 1953), and lengths of sections that branch."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synimg.phantoms.morphology import Tree, branching_lengths_um, section_lengths_um, sholl_crossings
from synimg.viewers.figures.style import SET_COLORS, new_figure

SHELL_UM = 10.0
STYLES = ("-", "--", ":")


def dendrites(families: list[list[tuple[str, Tree]]], segment_um: float) -> Figure:
    """Sholl curves, and the share of the sections ending in a branching that are longer than a length.

    Parameters
    ----------
    families : list of list of (name, Tree)
        Trees that are to be compared with each other; those of a family have one colour.
    segment_um : float
        The mean way to a branching that was asked for. What grew is shorter: the tree ends while many tips are on their way.
    """
    figure, (left, right) = new_figure(2, 5.2, 4.2)
    longest = 0.0
    for color, family in zip(SET_COLORS[1:], families, strict=False):
        for (name, tree), style in zip(family, STYLES, strict=False):
            _draw(left, right, tree, name, color, style)
            longest = max(longest, float(branching_lengths_um(tree).max(initial=segment_um)))
    length = np.linspace(0, longest, 200)
    right.plot(
        length, np.exp(-length / segment_um), color=SET_COLORS[0], lw=1, label=f"asked for: mean {segment_um:g} µm"
    )
    left.set(xlabel="distance from the soma [µm]", ylabel="crossings of a sphere", xlim=(0, None), ylim=(0, None))
    right.set(xlabel="length of sections that branch [µm]", ylabel="share that is longer", xlim=(0, None))
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=7)
    return figure


def _draw(left: Axes, right: Axes, tree: Tree, name: str, color: str, style: Any) -> None:
    radius, crossings = sholl_crossings(tree, SHELL_UM)
    left.plot(radius, crossings, color=color, ls=style, label=name)
    lengths, every = np.sort(branching_lengths_um(tree)), section_lengths_um(tree)
    share = 1.0 - np.arange(1, lengths.size + 1) / max(lengths.size, 1)
    mean = lengths.sum() / max(lengths.size, 1)
    label = f"{name}: mean {mean:.0f} µm of {lengths.size} (all {every.size} sections: {every.mean():.0f} µm)"
    right.step(np.r_[0, lengths], np.r_[1, share], where="post", color=color, ls=style, label=label)
