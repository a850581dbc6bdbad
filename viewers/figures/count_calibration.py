"""Measured receptors against the true ones."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure


def count_calibration(matched: pd.DataFrame) -> Figure:
    """Old and new receptors of matched synapses, measured v true, and the errors in units of their standard error.

    Parameters
    ----------
    matched : DataFrame
        ``r_old``, ``r_new`` and their ``_se``, with ``r_old_true``, ``r_new_true``.
    """
    figure, axes = new_figure(3, 4.0)
    for axis, name in zip(axes, ("r_old", "r_new"), strict=False):
        true, found = matched[f"{name}_true"].to_numpy(float), matched[name].to_numpy(float)
        top = float(np.percentile(true, 99.5)) * 1.15 if true.size else 1.0
        # few are dots that are seen, many a cloud
        area = float(np.clip(3000 / max(true.size, 1), 4, 16))
        axis.scatter(true, found, s=area, lw=0, alpha=0.4, color=ESTIMATE, rasterized=True)
        axis.plot([0, top], [0, top], color=TRUTH, lw=1)
        what = "old" if name == "r_old" else "new"
        axis.set(xlabel=f"true {what} receptors", ylabel=f"measured {what} receptors", xlim=(0, top), ylim=(0, top))
        axis.set_title(f"{what.capitalize()} receptors")
    grid = np.linspace(-5, 5, 101)
    for name, style, color in (("r_old", "-", ESTIMATE), ("r_new", "--", "#0072B2")):
        z = (matched[name] - matched[f"{name}_true"]).to_numpy(float) / matched[f"{name}_se"].to_numpy(float)
        label = f"{name.replace('r_', '')} ({np.mean(np.abs(z) < 1.96):.0%} within 1.96)"
        axes[2].hist(z, grid[::4].tolist(), density=True, histtype="step", ls=style, color=color, lw=2, label=label)
    axes[2].plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color=CHANCE, lw=1, label="standard normal")
    axes[2].set(xlabel="error / stated standard error", ylabel="density", title="Are the errors true?", ylim=(0, 0.62))
    axes[2].legend(frameon=False, fontsize=8, loc="upper left")
    return figure
