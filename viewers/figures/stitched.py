"""Tiles put together: where they lie, which synapses two of them found, and how well their counts agree."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from synimg.analysis.stitch import Stitched, TileTable
from synimg.store.atomic import atomic_path
from synimg.viewers.figures.style import SET_COLORS, new_figure

MOST_LABELS = 30


def stitched(found: Stitched, tiles: Sequence[TileTable]) -> Figure:
    """A map of the tiles seen along z, and the electrons of synapses in both of the tiles that found them."""
    figure, (seen, counts) = new_figure(2, 5.6, 4.8)
    for (_, row), tile in zip(found.tiles.iterrows(), tiles, strict=True):
        size = tile.size_um
        seen.add_patch(Rectangle((row["x_um"], row["y_um"]), size[2], size[1], fill=False, edgecolor="#777777", lw=1))
        if len(tiles) <= MOST_LABELS:
            seen.annotate(
                tile.name, (row["x_um"], row["y_um"]), (2, -3), textcoords="offset points", va="top", fontsize=7
            )
    for is_twice, color, label in ((False, SET_COLORS[2], "one tile"), (True, SET_COLORS[1], "several tiles")):
        mine = found.synapses[(found.synapses["n_tiles"] > 1) == is_twice]
        seen.scatter(mine["x_um"], mine["y_um"], s=2, lw=0, color=color, label=f"{len(mine)} found by {label}")
    seen.set(xlabel="x [µm]", ylabel="y [µm]", aspect="equal")
    seen.invert_yaxis()
    seen.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, markerscale=3)
    _counts(counts, found)
    return figure


def _counts(axis: Axes, found: Stitched) -> None:
    twice = found.twice
    axis.set(xlabel="electrons in one tile", ylabel="electrons in the other")
    if twice.empty:
        axis.text(0.5, 0.5, "no synapse was found twice", ha="center", transform=axis.transAxes)
        return
    for name, color in (("old", SET_COLORS[5]), ("new", SET_COLORS[4])):
        x, y = twice[f"{name}_electrons"], twice[f"other_{name}_electrons"]
        errors: dict[str, Any] = {"xerr": twice[f"{name}_electrons_se"], "yerr": twice[f"other_{name}_electrons_se"]}
        scatter = found.overlaps[f"{name}_scatter"].median()
        label = f"{name} receptors: scatter is {scatter:.2f} of what errors say"
        axis.errorbar(x, y, **errors, fmt=".", ms=3, lw=0.5, color=color, alpha=0.7, label=label)
    low = max(float(np.percentile(twice[["old_electrons", "new_electrons"]], 2)), 1.0)
    high = float(twice[["old_electrons", "new_electrons"]].to_numpy().max())
    axis.plot([low, high], [low, high], color="black", lw=0.8)
    axis.set(xscale="log", yscale="log", xlim=(0.7 * low, 1.4 * high), ylim=(0.7 * low, 1.4 * high))
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        one.set_major_formatter(ScalarFormatter())
        one.set_minor_formatter(NullFormatter())
    axis.legend(frameon=False, fontsize=8)


def save_stitched(path: Path, found: Stitched, tiles: Sequence[TileTable]) -> None:
    """Draw `stitched` into a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        stitched(found, tiles).savefig(temporary, dpi=130, metadata={"Software": None})
