"""How bright a dye is: the spots, traces with their fitted steps, and the heights of the steps with the law through them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import special

from synimg.analysis.camera_files import with_error
from synimg.analysis.dye_files import FoundDyes
from synimg.analysis.dyes import STEADIEST
from synimg.store.atomic import atomic_path
from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH

N_TRACES = 6


def dyes(found: FoundDyes) -> Figure:
    """The mean image with the spots that were used, some traces with their fitted levels, and the histogram of brightness.

    Parameters
    ----------
    found : FoundDyes
        Of a movie, or of a standard, which has no traces.
    """
    has_traces = found.steps is not None and len(found.steps.last) > 0
    figure = Figure(figsize=(14.0 if has_traces else 9.4, 4.2), layout="constrained")
    grid = figure.add_gridspec(N_TRACES if has_traces else 1, 3 if has_traces else 2)
    _spots(figure.add_subplot(grid[:, 0]), found)
    if has_traces:
        axes = [figure.add_subplot(grid[k, 1]) for k in range(N_TRACES)]
        _traces(axes, found)
    _heights(figure.add_subplot(grid[:, -1]), found)
    return figure


def save_dyes_figure(path: Path, found: FoundDyes) -> None:
    """Draw `dyes` into a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        dyes(found).savefig(temporary, dpi=110, metadata={"Software": None})


def _spots(axis: Axes, found: FoundDyes) -> None:
    image, spots = found.spots.mean_electrons, found.spots
    low, high = np.percentile(image, (1.0, 99.8))
    axis.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    used, places, what = spots.is_alone & ~spots.is_saturated, spots.at_vox, "alone"
    if found.steps is not None:
        used, places, what = np.zeros(len(places), bool), found.steps.spots.at_vox, "with a last step"
        used[found.steps.which] = True
    for which, color, label in ((used, ESTIMATE, what), (~used, "#56B4E9", "others")):
        shown = places[which]
        axis.scatter(
            shown[:, 1], shown[:, 0], s=36, facecolors="none", edgecolors=color, lw=0.9, label=f"{len(shown)} {label}"
        )
    axis.set_axis_off()
    axis.set_title("mean of the frames" + (" of the first field" if found.law.n > used.sum() else ""), fontsize=10)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, frameon=False, fontsize=8)


def _traces(axes: list[Axes], found: FoundDyes) -> None:
    """Traces from the dimmest to the brightest, evenly spread."""
    steps = found.steps
    assert steps is not None
    order = np.argsort([last.height for last in steps.last])
    chosen = order[np.linspace(0, len(order) - 1, N_TRACES).astype(int)]
    for axis, k in zip(axes, chosen, strict=True):
        last = steps.last[k]
        axis.plot(steps.spots.traces[steps.which[k]], color=CHANCE, lw=0.6)
        axis.plot(last.levels, color=ESTIMATE, lw=1.4)
        axis.axvline(last.at - 0.5, color=TRUTH, lw=0.8, ls=":")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_title(f"last step {with_error(last.height, last.se)} electrons", fontsize=8, pad=1)
        axis.tick_params(labelsize=7)
        if axis is not axes[-1]:
            axis.set_xticklabels([])
    axes[-1].set_xlabel("frame", fontsize=9)
    axes[N_TRACES // 2].set_ylabel("electrons in a frame", fontsize=9)


def _heights(axis: Axes, found: FoundDyes) -> None:
    law, seen, settings = found.law, found.heights.seen, found.settings
    places = (settings.n_dyes or 1.0) * settings.labelled
    top = float(np.quantile(seen, 0.995)) * 1.15
    counts, edges = np.histogram(seen, int(np.clip(2 * np.sqrt(len(seen)), 8, 40)), (0.0, top))
    axis.stairs(counts, edges, fill=True, color="#CCCCCC")
    x = np.linspace(0, top, 400)[1:]
    width = edges[1] - edges[0]
    # every spot has an error, and a least brightness, of its own
    expected, unseen = np.zeros_like(x), np.zeros_like(x)
    for se, least in zip(found.heights.se, found.heights.least, strict=True):
        variance = places * law.mean**2 * (1.0 / law.shape + 1.0 - settings.labelled) + se**2
        shape, scale = (places * law.mean) ** 2 / variance, variance / (places * law.mean)
        density = np.exp((shape - 1) * np.log(x / scale) - x / scale - special.gammaln(shape)) / scale
        density /= max(float(special.gammaincc(shape, least / scale)), 1e-3)
        expected += np.where(x >= least, density, 0.0)
        unseen += density
    axis.plot(x, width * expected, color=ESTIMATE, lw=1.8, label="law, where spots are seen")
    axis.plot(x, width * unseen, color=ESTIMATE, lw=1.0, ls="--", label="with those too dim to be seen")
    axis.axvline(places * law.mean, color=TRUTH, lw=1, ls=":")
    axis.set_ylim(0, 1.35 * max(counts.max(), 1.0, float(width * expected.max())))
    what = "last step" if settings.n_dyes is None else "a spot"
    axis.set(
        xlabel=f"brightness of {what} [electrons in a frame]", ylabel="dyes" if settings.n_dyes is None else "spots"
    )
    spread = "no spread seen" if law.shape >= STEADIEST else f"shape {with_error(law.shape, law.shape_se)}"
    axis.set_title(f"a dye: {with_error(law.mean, law.mean_se)} electrons, {spread}", fontsize=10)
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
