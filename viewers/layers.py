"""A data set as napari layers: plain tuples (data, arguments, type), made without napari or Qt."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes, levels_of
from synimg.store.lazy import lazy_level
from synimg.viewers.colours import NAMED, colour_by
from synimg.viewers.dendrites import SPACE, dendrites_of
from synimg.viewers.synapse_map import read_synapse_map, read_truth

LayerData = tuple[Any, dict[str, Any], str]

SYNAPSES, TRUTH, DENDRITES = "synapses", "true synapses", "dendrites"
MOST_DRAWN = 20_000
"""More points than these take a software renderer longer than a third of a second: a map of the density stands for them."""
LARGE_UM, SMALL_UM = 0.6, 0.35
UNCHANGED = NAMED["unchanged"]
SYMBOLS = {"potentiated": "triangle_up", "depressed": "triangle_down", "unchanged": "disc"}
"""napari's symbols of the classes."""


def layers_of(path: str | Path | Dataset, run: str = "default") -> list[LayerData]:
    """Layers of a data set: channels, neuron labels, dendrites, measured synapses, and the true ones (hidden).

    Parameters
    ----------
    path : path or Dataset
        The data set; without a measurement or a truth the layers that need it are left out.
    run : str
        Analysis run.

    Returns
    -------
    list of (data, arguments, type)
        As `napari.Viewer.add_layer` takes them through ``Layer.create``; every layer is in micrometres.

    Raises
    ------
    SynimgError
        If there is no data set or no image in it.
    """
    dataset = path if isinstance(path, Dataset) else Dataset.open(path)
    dataset.require("image", f"synimg generate ... --out {dataset.path}")
    layers = [*_channels(dataset), _neuron_labels(dataset)]
    truth = dataset.path / "truth"
    if (truth / "morphology").is_dir():
        layers.append(dendrites_of(truth / "morphology", dataset.config.volume.size_um))
    table = read_synapse_map(dataset, run) if dataset.is_done(f"{run}/measure") else None
    if (truth / "synapses.parquet").is_file():
        layers.append(true_synapses(read_truth(dataset), table))
    if table is not None:
        layers.append(synapses(table))
    for _, arguments, _ in layers:
        arguments["metadata"] = {"synimg": {"dataset": str(dataset.path), "run": run}}
    return layers


def _channels(dataset: Dataset) -> list[LayerData]:
    omero = image_attributes(dataset.image)["ome"]["omero"]["channels"]
    scale = dataset.config.volume.voxel_um
    levels = [lazy_level(dataset.image, level) for level, _ in levels_of(dataset.image)]
    layers: list[LayerData] = []
    for c, channel in enumerate(omero):
        window = channel["window"]
        arguments = {
            "name": channel["label"],
            "scale": scale,
            "colormap": colormap(channel["color"]),
            "contrast_limits": (window["start"], window["end"]),
            "blending": "additive",
            "projection_mode": "max",
            "multiscale": True,
            "visible": channel["label"] in {"pulse", "chase"},
            **SPACE,
        }
        layers.append(([level[c] for level in levels], arguments, "image"))
    return layers


def colormap(color: str) -> Any:
    """napari's colormap from black to a hexadecimal colour."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return {"colors": [[0, 0, 0, 1], [*rgb, 1]], "name": f"synimg-{color}", "interpolation": "linear"}


def _neuron_labels(dataset: Dataset) -> LayerData:
    levels = [lazy_level(dataset.image, f"labels/neurons/{level}") for level, _ in levels_of(dataset.image)]
    arguments = {
        "name": "neurons",
        "scale": dataset.config.volume.voxel_um,
        "opacity": 0.5,
        "multiscale": True,
        "visible": False,
        **SPACE,
    }
    return levels, arguments, "labels"


def synapses(table: pd.DataFrame, column: str = "class") -> LayerData:
    """The measured synapses as one Points layer that has the whole table as its features."""
    if "p_learning" in table:  # what changed most surely lies on top
        table = table.sort_values("p_learning", kind="stable", na_position="first")
    colors, _ = colour_by(table[column])
    arguments = {
        "name": SYNAPSES,
        "features": table.drop(columns=PLACE).reset_index(drop=True),
        "size": diameters(table) if len(table) else SMALL_UM,
        "symbol": symbols(table) if len(table) else SYMBOLS["unchanged"],
        "face_color": colors if len(colors) else UNCHANGED,  # napari takes no empty array
        "border_width": 0.0,
        "projection_mode": "all",
        "visible": True,
        **SPACE,
    }
    return table[PLACE].to_numpy(float, copy=True), arguments, "points"


def diameters(table: pd.DataFrame) -> Any:
    """Diameter of the dot of every synapse [um]: what changed by learning is larger than what did not."""
    return np.where(table["class"].isin(["potentiated", "depressed"]), LARGE_UM, SMALL_UM)


def symbols(table: pd.DataFrame) -> Any:
    """Symbol of every synapse: what grew or shrank is told apart without colours too."""
    return table["class"].map(SYMBOLS).fillna(SYMBOLS["unchanged"]).to_numpy(object)


def true_synapses(truth: pd.DataFrame, found: pd.DataFrame | None) -> LayerData:
    """The true synapses as open squares, hidden at first: class by the ledger, and whether each was found."""
    up, learned = (truth["ln_learning"] > 0).to_numpy(), truth["is_learned"].fillna(False).to_numpy(bool)
    classes = np.where(learned, np.where(up, "potentiated", "depressed"), "unchanged").astype(object)
    truth = truth.assign(**{"class": classes}).iloc[np.argsort(learned, kind="stable")]
    if found is not None:
        hit = truth["synapse_id"].isin(found["true_synapse_id"].dropna())
        truth["match"] = np.where(hit, "match", "miss")
    colors, _ = colour_by(truth["class"])
    arguments = {
        "name": TRUTH,
        "features": truth.drop(columns=PLACE).reset_index(drop=True),
        "size": 1.2 * diameters(truth) if len(truth) else SMALL_UM,
        "symbol": "square",
        "face_color": "transparent",
        "border_color": colors if len(colors) else UNCHANGED,
        "border_width": 0.1,
        "projection_mode": "all",
        "visible": False,
        **SPACE,
    }
    return truth[PLACE].to_numpy(float, copy=True), arguments, "points"


def legend_of(layers: list[LayerData]) -> str:
    """What the colours of the shown synapses mean, a line for each, with counts."""
    shown = [
        arguments["features"]["class"]
        for _, arguments, kind in layers
        if kind == "points" and arguments["visible"] and "class" in arguments["features"]
    ]
    if not shown:
        return ""
    counts = shown[0].value_counts()
    words = {"potentiated": "orange, up: potentiated", "depressed": "blue, down: depressed"}
    words |= {"unchanged": "grey: unchanged", "not separated": "yellow: not separated yet"}
    return "\n".join(f"{words[name]} {counts[name]}" for name in words if name in counts)
