"""One synapse: its voxels in every channel, the fitted model and the residual, and its place in its neuron's turnover."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.analysis.look import Cutout
from synimg.viewers.figures.style import CHANCE, ESTIMATE

Floats = NDArray[np.float64]
RECEPTORS = ("pulse", "chase")


def synapse_card(cutout: Cutout, turnover: Floats, this: float | None, width_in: float = 4.2) -> Figure:
    """The slice through a synapse: data, model and residual of pulse and chase, further channels, and the histogram.

    In the residual orange is light that the model lacks, violet light that it has too much.

    Parameters
    ----------
    cutout : Cutout
        From `analysis.look`.
    turnover : (n,) ndarray
        Log turnover of the synapses of its neuron; empty for none.
    this : float, optional
        Log turnover of this one.
    width_in : float
        Width of the picture.
    """
    others = [i for i, name in enumerate(cutout.channels) if name not in RECEPTORS]
    n_rows = 2 + (-(-len(others) // 3) if others else 0)
    figure = Figure(figsize=(width_in, 1.32 * n_rows + 1.5), layout="constrained")
    grid = figure.add_gridspec(n_rows + 1, 3, height_ratios=[1.0] * n_rows + [1.0])
    z = int(np.clip(round((cutout.at_um[0] - cutout.first_um[0]) / cutout.voxel_um[0]), 0, cutout.grey.shape[1] - 1))
    for row, name in enumerate(RECEPTORS):
        data = cutout.grey[cutout.channels.index(name), z].astype(float)
        model, residual = cutout.model[row, z], cutout.residual[row, z]
        called = cutout.called[cutout.channels.index(name)]
        low, high = float(min(data.min(), model.min())), float(max(data.max(), model.max()))
        for column, (title, picture) in enumerate(((called, data), ("model", model), ("residual, ±5 sd", residual))):
            axis = figure.add_subplot(grid[row, column])
            if column < 2:
                axis.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest", extent=_extent(cutout))
            else:
                axis.imshow(picture, cmap="PuOr_r", vmin=-5, vmax=5, interpolation="nearest", extent=_extent(cutout))
            _mark(axis, cutout, title)
    for k, channel in enumerate(others):
        axis = figure.add_subplot(grid[2 + k // 3, k % 3])
        axis.imshow(cutout.grey[channel, z], cmap="gray", interpolation="nearest", extent=_extent(cutout))
        _mark(axis, cutout, cutout.channels[channel])
    axis = figure.add_subplot(grid[n_rows, :])
    known = turnover[np.isfinite(turnover)]
    axis.hist(known, bins=max(8, min(30, known.size // 4)), color=CHANCE, histtype="stepfilled")
    if this is not None and np.isfinite(this) and known.size:
        axis.axvline(this, color=ESTIMATE, lw=2)
        below = float((known < this).mean())
        axis.set_title(f"this synapse: {this:.2f}, above {below:.0%} of its neuron's", fontsize=8, color=ESTIMATE)
    axis.set_xlabel("log turnover of the neuron's synapses", fontsize=8)
    axis.set_ylabel("synapses", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _extent(cutout: Cutout) -> tuple[float, float, float, float]:
    """Edges of the slice [um], so that places can be drawn on it."""
    n_y, n_x = cutout.grey.shape[-2:]
    (_, y, x), (_, dy, dx) = cutout.first_um, cutout.voxel_um
    return x - dx / 2, x + (n_x - 0.5) * dx, y + (n_y - 0.5) * dy, y - dy / 2


def _mark(axis: Axes, cutout: Cutout, title: str) -> None:
    """Fitted puncta near the slice as small dots, the synapse in the middle as a ring; a bar of half a micrometre."""
    left, right, bottom, top = _extent(cutout)
    near = np.abs(cutout.puncta_um[:, 0] - cutout.at_um[0]) < 0.4
    axis.scatter(cutout.puncta_um[near, 2], cutout.puncta_um[near, 1], s=6, color="#56B4E9", lw=0)
    axis.scatter([cutout.at_um[2]], [cutout.at_um[1]], s=90, facecolors="none", edgecolors="#E69F00", lw=1.2)
    axis.plot([right - 0.62, right - 0.12], [bottom - 0.15] * 2, color="#E69F00", lw=2, solid_capstyle="butt")
    axis.set(xlim=(left, right), ylim=(bottom, top))
    axis.set_title(title, fontsize=8, pad=2)
    axis.set_axis_off()
