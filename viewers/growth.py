"""The growth of the synapse map as napari layers: a slider of days over the window."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.store.dataset import Dataset
from synimg.store.growth import Growth, read_growth
from synimg.store.tables import read_table
from synimg.viewers.dendrites import dendrites_of
from synimg.viewers.figures.growth import LEARNING, learning_limit, save_growth
from synimg.viewers.layers import LayerData

DIAMETER_UM = 0.6
"""Of a synapse with the mean number of receptors at the pulse; the area goes with the receptors."""


def read_growing_map(dataset: Dataset) -> tuple[Growth, pd.DataFrame]:
    """The growth of the map, and the truth table that has the places.

    Raises
    ------
    SynimgError
        If the network has no history, or the tissue is not there yet.
    """
    grown = read_growth(dataset)
    dataset.require("tissue", f"synimg generate ... --out {dataset.path}")
    return grown, read_table(dataset.path / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)


def film(dataset: Dataset | str | Path, out: Path) -> None:
    """Save how a data set's map grew, as an animation (.gif) or as a strip of maps (.png).

    Raises
    ------
    SynimgError
        If there is no data set or no history in it, or for another ending.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    grown, truth = read_growing_map(dataset)
    save_growth(out, grown, places_of(truth), dataset.config.volume.size_um)


def places_of(truth: pd.DataFrame) -> NDArray[np.float64]:
    """Places (n, 3) [um] of the synapses of a truth table, NaN where there is none."""
    return truth[["z_um", "y_um", "x_um"]].to_numpy(float)


def growth_layers(dataset: Dataset, grown: Growth, truth: pd.DataFrame) -> list[LayerData]:
    """Dendrites, and the synapses at every snapshot of the window: time in days, then z, y, x.

    Returns
    -------
    list of (data, arguments, type)
        As `synimg.viewers.layers.layers_of` gives them.
    """
    return [dendrites_of(dataset.path / "truth" / "morphology", dataset.config.volume.size_um), _growing(grown, truth)]


def growth_captions(grown: Growth, truth: pd.DataFrame) -> list[str]:
    """What is seen at every snapshot, and what the colours mean: napari's colour bar may leave its ends without numbers."""
    limit = learning_limit(grown)
    colours = f"colour: learned so far, {-limit:g} to {limit:g} ln receptors"
    return [f"{line}   {colours}" for line in grown.captions(truth["z_um"].notna().to_numpy())]


def _growing(grown: Growth, truth: pd.DataFrame) -> LayerData:
    place = places_of(truth)
    step, row = np.nonzero(grown.is_there & np.isfinite(place[:, 0]))
    # what has learned most lies on top
    learned = grown.ln_learning[step, row]
    order = np.lexsort((np.abs(learned), step))
    step, row, learned = step[order], row[order], learned[order]
    receptors = grown.receptors[step, row]
    limit = learning_limit(grown)
    features = pd.DataFrame(
        {
            "synapse_id": truth["synapse_id"].to_numpy()[row],
            "neuron_id": truth["post_id"].to_numpy()[row],
            "day": grown.day[step],
            "receptors": receptors.astype(np.float32),
            "ln_learning": learned.astype(np.float32),
        }
    )
    mean = grown.receptors[0][grown.is_there[0]].mean()
    arguments: dict[str, Any] = {
        "name": "growing synapses",
        "features": features,
        "size": DIAMETER_UM * np.sqrt(receptors / mean),
        "face_color": "ln_learning",
        "face_colormap": {"colors": [_rgba(color) for color in LEARNING], "name": "synimg-learning"},
        "face_contrast_limits": (-limit, limit),
        "border_width": 0,
        "projection_mode": "all",
        "scale": (_days_per_step(grown), 1.0, 1.0, 1.0),
        "units": ("day", "um", "um", "um"),
        "axis_labels": ("day", "z", "y", "x"),
    }
    return np.column_stack([step, place[row]]), arguments, "points"


def _rgba(color: str) -> list[float]:
    return [*(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0]


def _days_per_step(grown: Growth) -> float:
    """Mean time between snapshots; each lies within half an update of the even grid."""
    return float(grown.day[-1] / max(grown.day.size - 1, 1))
