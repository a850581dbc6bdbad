"""A lab's recording as it was measured: the brightest along z, the synapses, and the traced dendrites with those on them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.analysis.measure import Found
from synimg.store.atomic import atomic_path
from synimg.store.morphology import Trace
from synimg.viewers.figures.optics import optics
from synimg.viewers.figures.sizes import sizes
from synimg.viewers.figures.style import composite, nice_length, scale_bar

Floats = NDArray[np.float64]
COLORS = ("FF00FF", "00FF00")
GAMMA = 0.6
GOLDEN = 0.618034
"""Steps of the hue from one neuron to the next: however many, neighbours in the list differ."""
LONGEST_IN = 11.0


def recording(
    brightest: NDArray[np.uint16], synapses: pd.DataFrame, traces: Sequence[Trace], pixel_um: tuple[float, float]
) -> Figure:
    """The image alone, and with what was found in it; a gamma of 0.6 shows what is faint.

    Parameters
    ----------
    brightest : (2, y, x) ndarray
        Maximum along z of the old and the new receptors' channel.
    synapses : DataFrame
        As measured.
    traces : sequence of Trace
        Dendrites; synapses have the colour of their neuron's.
    pixel_um : tuple of float
        Size of a pixel (y, x).
    """
    shape = brightest.shape[1:]
    height, width = shape[0] * pixel_um[0], shape[1] * pixel_um[1]
    scale = LONGEST_IN / max(2.0 * width, height)
    figure = Figure(figsize=(max(2.0 * width * scale, 6.0), max(height * scale, 2.0) + 0.8), layout="compressed")
    bare, found = figure.subplots(1, 2)
    windows = [tuple(np.percentile(channel, (20.0, 99.8))) for channel in brightest]
    picture = composite(brightest, list(COLORS), [(low, max(high, low + 1.0)) for low, high in windows]) ** GAMMA
    extent = (-0.5 * pixel_um[1], width - 0.5 * pixel_um[1], height - 0.5 * pixel_um[0], -0.5 * pixel_um[0])
    bare.imshow(picture, interpolation="nearest", aspect=pixel_um[0] / pixel_um[1])
    scale_bar(bare, nice_length(width / 5.0), pixel_um[1], shape)
    bare.set_title("brightest along z: old (magenta), new (green)", fontsize=10)
    found.imshow(0.5 * picture, interpolation="nearest", extent=extent)
    found.set_autoscale_on(False)
    n_known = 0
    for k, trace in enumerate(traces):
        color = hsv_to_rgb(((k * GOLDEN) % 1.0, 0.65, 1.0))
        pieces = np.stack([trace.start_um[:, :0:-1], trace.end_um[:, :0:-1]], axis=1)
        found.add_collection(LineCollection(list(pieces), colors=[color], linewidths=0.8, alpha=0.8))
        mine = synapses[(synapses["neuron_id"] == trace.neuron_id).fillna(False).to_numpy(bool)]
        found.scatter(mine["x_um"], mine["y_um"], s=9, color=color, edgecolors="black", linewidths=0.3)
        n_known += len(mine)
    others = synapses[synapses["neuron_id"].isna().to_numpy()] if traces else synapses
    found.scatter(others["x_um"], others["y_um"], s=14, facecolors="none", edgecolors="white", linewidths=0.4)
    said = f"{len(synapses)} synapses"
    if traces:
        said = f"{n_known} synapses in the colour of their dendrite, {len(others)} without parent (white)"
    found.set_title(said, fontsize=10)
    for axis in (bare, found):
        axis.set_axis_off()
    return figure


def save_recording(
    folder: Path, brightest: NDArray[np.uint16], found: Found, traces: Sequence[Trace], voxel_um: Floats
) -> None:
    """Draw `recording`, and `optics` and `sizes` where they are known, into PNG files.

    Each is written whole or not at all.
    """
    pixel_um = float(voxel_um[1]), float(voxel_um[2])
    figures = {"synapses": recording(brightest, found.synapses, traces, pixel_um)}
    if any(channel.axial is not None for channel in found.quality.optics.channels):
        figures["optics"] = optics(found.quality.optics)
    if found.detections["area_um2"].notna().any():
        figures["sizes"] = sizes(found.synapses, found.detections["form"].to_numpy(object), None, found.quality.unit)
    for name, figure in figures.items():
        with atomic_path(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=150, metadata={"Software": None})
