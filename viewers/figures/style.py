"""Colours and axes that all figures share."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

CAUSE_COLORS = {"learning": "#D55E00", "homeostasis": "#0072B2", "drift": "#777777"}
CLASS_MARKERS = {"potentiated": "^", "depressed": "v"}
"""Orange and blue are one grey in print: up and down are told by the shape, too."""
TRUTH, ESTIMATE, CHANCE = "#000000", "#D55E00", "#999999"
SET_COLORS = ("#000000", "#D55E00", "#0072B2", "#999999", "#009E73", "#CC79A7")
SET_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def new_figure(n_panels: int, width_in: float = 4.6, height_in: float = 3.7) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side, with plain axes."""
    figure = Figure(figsize=(width_in * n_panels, height_in), layout="constrained")
    axes = [figure.add_subplot(1, n_panels, k + 1) for k in range(n_panels)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def scale_bar(axis: Axes, length_um: float, pixel_um: float, shape: tuple[int, int]) -> None:
    """A white bar of `length_um` in the lower right corner of an image of `shape` pixels."""
    n = length_um / pixel_um
    right, bottom = shape[1] * 0.96, shape[0] * 0.95
    axis.plot([right - n, right], [bottom, bottom], color="white", lw=3, solid_capstyle="butt")
    axis.text(right - n / 2, bottom - 0.02 * shape[0], f"{length_um:g} µm", color="white", ha="center", va="bottom")


def nice_length(length_um: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above a length."""
    power = 10.0 ** np.floor(np.log10(length_um))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= length_um * (1 + 1e-9)) * power)


def composite(channels: NDArray[Any], colors: list[str], windows: list[tuple[float, float]]) -> NDArray[np.float64]:
    """An RGB picture (y, x, 3) of channels (c, y, x), each in its colour and between its window's ends."""
    picture = np.zeros((*channels.shape[1:], 3))
    for channel, color, (low, high) in zip(channels, colors, windows, strict=True):
        rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        picture += np.clip((channel.astype(float) - low) / (high - low), 0, 1)[..., None] * rgb
    return np.clip(picture, 0, 1)
