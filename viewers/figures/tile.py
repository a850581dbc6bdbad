"""One tile as the measurement saw it: image, background, search and residual, with what was found."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from synimg.analysis.tile_look import TileLook

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
CANDIDATE, KEPT = "#56B4E9", "#E69F00"
SLAB_UM = 0.8
WIDE_UM = 9.0
"""Of the part that is shown, where most was found: more would be too small to see."""


def tile(look: TileLook) -> Figure:
    """A plane of both channels: the image, its smooth background, the search filter with candidates, and the residual.

    Parameters
    ----------
    look : TileLook
        From `analysis.tile_look`.
    """
    z, rows, columns = _where(look)
    figure = Figure(figsize=(14.0, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 4)
    near = {
        name: places[np.abs(places[:, 0] - (look.first_um[0] + z * look.voxel_um[0])) < SLAB_UM / 2]
        for name, places in (("candidates", look.candidates_um), ("puncta", look.puncta_um))
    }
    for c, name in enumerate(look.channels):
        image, background, residual = (v[c, z, rows, columns] for v in (look.electrons, look.background, look.residual))
        low, high = np.percentile(image, (1.0, 99.7))
        axes = [figure.add_subplot(grid[c, 0]), figure.add_subplot(grid[c, 1]), figure.add_subplot(grid[c, 3])]
        _show(axes[0], look, image, (rows, columns), f"{name}: image [electrons]", "gray", (low, high))
        _mark(axes[0], near["puncta"], KEPT, 60)
        _show(axes[1], look, background, (rows, columns), "smooth background, same scale", "gray", (low, high))
        spread = float(np.std(residual))
        _show(
            axes[2],
            look,
            residual,
            (rows, columns),
            f"residual, ±5 sd of the noise; sd {spread:.2f}",
            "PuOr_r",
            (-5, 5),
        )
    axis = figure.add_subplot(grid[0, 2])
    seen = look.significance[z, rows, columns]
    top = float(np.clip(np.percentile(seen, 99.7), 2 * look.threshold, None))
    shown = _show(axis, look, seen, (rows, columns), "search filter, both channels [sd]", "magma", (-3.0, top))
    _mark(axis, near["candidates"], CANDIDATE, 60)
    figure.colorbar(shown, ax=axis, shrink=0.75)
    axis = figure.add_subplot(grid[1, 2])
    _histogram(axis, look)
    n = f"{len(near['candidates'])} candidates (blue), {len(near['puncta'])} puncta (orange) within {SLAB_UM / 2:g} µm"
    figure.suptitle(f"plane at z = {look.first_um[0] + z * look.voxel_um[0]:.1f} µm: {n}", fontsize=11)
    return figure


def _where(look: TileLook) -> tuple[int, slice, slice]:
    """The plane, and the part of it, in which most puncta lie."""
    at = (look.puncta_um - look.first_um) / look.voxel_um
    shape = np.array(look.significance.shape)
    if not len(at):
        return int(shape[0] // 2), slice(None), slice(None)
    counts = np.bincount(np.clip(np.rint(at[:, 0]), 0, shape[0] - 1).astype(int), minlength=shape[0])
    reach = max(int(SLAB_UM / look.voxel_um[0] / 2), 1)
    z = int(np.argmax(np.convolve(counts, np.ones(2 * reach + 1), "same")))
    middle = np.median(at[np.abs(at[:, 0] - z) <= reach][:, 1:], axis=0)
    half = 0.5 * WIDE_UM / look.voxel_um[1:]
    low = np.clip(middle - half, 0, np.maximum(shape[1:] - 2 * half, 0)).astype(int)
    high = np.minimum(low + np.ceil(2 * half).astype(int), shape[1:])
    return z, slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _show(
    axis: Axes,
    look: TileLook,
    picture: Singles | Floats,
    part: tuple[slice, slice],
    title: str,
    colours: str,
    limits: tuple[float, float],
) -> AxesImage:
    (y, x), (dy, dx) = look.first_um[1:], look.voxel_um[1:]
    rows, columns = (range(n)[p] for n, p in zip(look.significance.shape[1:], part, strict=True))
    extent = (
        x + (columns[0] - 0.5) * dx,
        x + (columns[-1] + 0.5) * dx,
        y + (rows[-1] + 0.5) * dy,
        y + (rows[0] - 0.5) * dy,
    )
    shown = axis.imshow(picture, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest", extent=extent)
    axis.set_autoscale_on(False)
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=7)
    axis.set_xlabel("x [µm]", fontsize=8)
    axis.set_ylabel("y [µm]", fontsize=8)
    return shown


def _mark(axis: Axes, places: Floats, color: str, size: float) -> None:
    axis.scatter(places[:, 2], places[:, 1], s=size, facecolors="none", edgecolors=color, lw=1.0)


def _histogram(axis: Axes, look: TileLook) -> None:
    """The search filter's values beside what noise alone gives: its own sd is 1."""
    values = look.significance.ravel()
    edges = np.linspace(-6.0, 14.0, 101)
    axis.hist(np.clip(values, edges[0], edges[-1]), edges.tolist(), color="#CCCCCC", log=True, label="voxels")
    middle = 0.5 * (edges[1:] + edges[:-1])
    expected = len(values) * np.exp(-0.5 * middle**2) / np.sqrt(2 * np.pi) * (edges[1] - edges[0])
    axis.plot(middle, expected, color="black", lw=1.2, label="noise alone")
    axis.axvline(look.threshold, color=CANDIDATE, lw=1.5, label="candidates above")
    axis.set(xlabel="search filter [sd]", ylabel="voxels", ylim=(0.7, None))
    axis.set_title(f"whole tile: {len(look.candidates_um)} candidates, {len(look.puncta_um)} puncta kept", fontsize=9)
    axis.legend(frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
