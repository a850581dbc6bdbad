"""A synapse map, seen from above

Opens the sample data set and draws its synapses over the recorded image, coloured by what the separation says, ringed by
what is true.
"""

import numpy as np
from matplotlib.figure import Figure

from synimg.store.dataset import Dataset
from synimg.viewers.colours import NAMED
from synimg.viewers.figures.style import CLASS_MARKERS, composite, scale_bar
from synimg.viewers.sample import sample_dataset
from synimg.viewers.source import Source


def main() -> Figure:
    """The picture."""
    source = Source(Dataset.open(sample_dataset()))
    synapses, pixel_um = source.synapses, source.pixel_um
    colors = [str(channel["color"]) for channel in source.channels]
    windows = [(channel["window"]["start"], channel["window"]["end"]) for channel in source.channels]
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axis = figure.subplots()
    axis.imshow(composite(source.projection, colors, windows), interpolation="nearest")
    for name, rows in synapses.groupby("class"):
        place = rows["x_um"] / pixel_um, rows["y_um"] / pixel_um
        marker, label = CLASS_MARKERS.get(str(name), "o"), f"{name} ({len(rows)})"
        axis.scatter(*place, s=40, color=NAMED[str(name)], marker=marker, lw=0, label=label)
    learned = synapses["is_learned_true"].fillna(False).astype(bool)
    ringed = synapses[learned]
    place = ringed["x_um"] / pixel_um, ringed["y_um"] / pixel_um
    axis.scatter(*place, s=110, facecolors="none", edgecolors="white", lw=1, label=f"truly learned ({len(ringed)})")
    scale_bar(axis, 2.0, pixel_um, source.projection.shape[1:])
    axis.legend(loc="upper left", facecolor="black", labelcolor="white", framealpha=0.7, fontsize=8)
    axis.set_axis_off()
    share = float(np.mean(synapses["class"] != "unchanged"))
    axis.set_title(f"{len(synapses)} synapses, {share:.0%} called at a false discovery rate of 0.2")
    return figure


if __name__ == "__main__":
    main().savefig("map.png", dpi=130)
