"""Grown dendrites beside two real cells

A block of tissue holds pieces of dendrite, so the default tree branches often and fills it. Whole cells branch less: with
their number of dendrites, way to a branching, share of forks, straightness and spread of paces (in the legend, in this order)
trees grow that reach as far. Lines are the real cells' crossings of spheres around the soma (Sholl), whose numbers stand in
this file, bands what 16 grown trees have.
"""

import numpy as np
from matplotlib.figure import Figure

from synimg.config import Tissue
from synimg.phantoms.morphology import grow, sholl_crossings
from synimg.streams import stream
from synimg.viewers.figures.style import SET_COLORS, new_figure

SHELL_UM = 20.0
REAL = (
    # dendrite in all [um]; room and soma in it [um]; settings; crossings of spheres 20 um apart
    (
        3164.0,
        ((151.0, 478.0, 256.0), (119.0, 187.0, 152.0)),
        Tissue(n_primary_dendrites=6, segment_um=35.3, fork_share=0.375, bend=0.03, pace_sd_ln=0.4),
        (12, 18, 20, 18, 17, 14, 11, 8, 5, 3, 3, 3, 3, 1, 1, 0),
    ),
    (
        1519.0,
        ((102.0, 242.0, 263.0), (69.0, 129.0, 206.0)),
        Tissue(n_primary_dendrites=3, segment_um=29.7, fork_share=0.35, bend=0.03, pace_sd_ln=0.4),
        (4, 9, 8, 9, 8, 4, 3, 2, 2, 1, 0),
    ),
)
N_TREES = 16


def main() -> Figure:
    """The picture."""
    figure, axes = new_figure(2, 5.2, 4.2)
    for axis, (length_um, (room_um, soma_um), like, real) in zip(axes, REAL, strict=True):
        radius = SHELL_UM * np.arange(1, len(real) + 1)
        asked = f"{like.n_primary_dendrites}, {like.segment_um:.0f} µm, {like.fork_share:.2g}, {like.bend:g}, {like.pace_sd_ln:g}"
        for settings, color, label in ((like, SET_COLORS[1], f"grown like it ({asked})"), (Tissue(), "0.5", "default")):
            grown = np.zeros((N_TREES, len(real)))
            for k, crossings in enumerate(grown):
                tree = grow(np.array(soma_um), room_um, length_um, settings, stream(k, "figure", "dendrites"))
                found = sholl_crossings(tree, SHELL_UM)[1][: len(real)]
                crossings[: found.size] = found
            low, middle, high = np.percentile(grown, [10, 50, 90], axis=0)
            axis.fill_between(radius, low, high, color=color, alpha=0.2, lw=0)
            axis.plot(radius, middle, color=color, lw=1, label=label)
        axis.plot(radius, real, color="black", label=f"real cell, {length_um / 1000:.1f} mm of dendrite")
        axis.set(xlabel="distance from the soma [µm]", ylabel="crossings of a sphere", xlim=(0, None), ylim=(0, 60))
        axis.legend(frameon=False, fontsize=7)
    return figure


if __name__ == "__main__":
    main().savefig("dendrites.png", dpi=130)
