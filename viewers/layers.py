"""A data set as napari layers: plain tuples (data, arguments, type), made without napari or Qt."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.store.dataset import Dataset
from synimg.store.image import LEVELS, image_attributes, open_array
from synimg.store.morphology import read_tree_arrays
from synimg.store.tables import read_table

LayerData = tuple[Any, dict[str, Any], str]

CLASS_COLORS = {"potentiated": "#D55E00", "depressed": "#0072B2", "unchanged": "#BBBBBB", "not separated": "#F0E442"}
"""Okabe and Ito's palette, told apart by the colour-blind."""
CALLED_LFDR = 0.2
SPACE: dict[str, Any] = {"units": ("um", "um", "um"), "axis_labels": ("z", "y", "x")}


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
        layers.append(dendrites_of(truth / "morphology"))
    if (truth / "synapses.parquet").is_file():
        layers.append(_true_synapses(truth))
    if dataset.is_done(f"{run}/measure"):
        layers.append(_synapses(dataset, run))
    return layers


def _channels(dataset: Dataset) -> list[LayerData]:
    omero = image_attributes(dataset.image)["ome"]["omero"]["channels"]
    scale = dataset.config.volume.voxel_um
    levels = [da.from_zarr(open_array(dataset.image, str(level))) for level in range(LEVELS)]
    layers: list[LayerData] = []
    for c, channel in enumerate(omero):
        window = channel["window"]
        arguments = {
            "name": channel["label"],
            "scale": scale,
            "colormap": _colormap(channel["color"]),
            "contrast_limits": (window["start"], window["end"]),
            "blending": "additive",
            "projection_mode": "max",
            "multiscale": True,
            "visible": channel["label"] in {"pulse", "chase"},
            **SPACE,
        }
        layers.append(([level[c] for level in levels], arguments, "image"))
    return layers


def _colormap(color: str) -> Any:
    """napari's colormap from black to a hexadecimal colour."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return {"colors": [[0, 0, 0, 1], [*rgb, 1]], "name": f"synimg-{color}", "interpolation": "linear"}


def _neuron_labels(dataset: Dataset) -> LayerData:
    levels = [da.from_zarr(open_array(dataset.image, f"labels/neurons/{level}")) for level in range(LEVELS)]
    arguments = {
        "name": "neurons",
        "scale": dataset.config.volume.voxel_um,
        "opacity": 0.5,
        "multiscale": True,
        "visible": False,
        **SPACE,
    }
    return levels, arguments, "labels"


def dendrites_of(folder: Path) -> LayerData:
    """All dendrites as one Vectors layer: one vector per piece, which stays fast for thousands of branches."""
    pieces, neuron = [], []
    for file in sorted(folder.glob("neuron*.swc")):
        points, _, parent, *_ = read_tree_arrays(file)
        child = np.flatnonzero(parent >= 0)
        start = points[parent[child]]
        pieces.append(np.stack([start, points[child] - start], axis=1))
        neuron.append(np.full(child.size, int(file.stem.removeprefix("neuron"))))
    arguments = {
        "name": "dendrites",
        "features": pd.DataFrame({"neuron_id": np.concatenate(neuron)}),
        "edge_color": "#56B4E9",
        "edge_width": 0.12,
        "vector_style": "line",
        "projection_mode": "all",
        "opacity": 0.7,
        "visible": True,
        **SPACE,
    }
    return np.concatenate(pieces), arguments, "vectors"


def class_of(table: pd.DataFrame) -> NDArray[Any]:
    """Class of every synapse of a separated table: potentiated, depressed or unchanged (called at `CALLED_LFDR`)."""
    if "lfdr" not in table:
        return np.full(len(table), "not separated", dtype=object)
    p_up = table["p_potentiated"].fillna(table["p_learning"]).to_numpy(float)
    p_down = table["p_depressed"].fillna(0.0).to_numpy(float)
    called = (table["lfdr"] <= CALLED_LFDR).to_numpy(bool)
    return np.where(called, np.where(p_up >= p_down, "potentiated", "depressed"), "unchanged").astype(object)


def _points(name: str, table: pd.DataFrame, classes: NDArray[Any], symbol: str, visible: bool) -> LayerData:
    # what changed lies on top of what did not, and is larger
    changed = np.isin(classes.astype(str), ["potentiated", "depressed"])
    order = np.argsort(changed, kind="stable")
    table, classes, changed = table.iloc[order], classes[order], changed[order]
    features = table.drop(columns=["z_um", "y_um", "x_um"]).assign(**{"class": classes})
    colors = [CLASS_COLORS[str(c)] for c in classes]
    arguments = {
        "name": name,
        "features": features.reset_index(drop=True),
        "size": np.where(changed, 0.9, 0.35),
        "symbol": symbol,
        "face_color": "transparent" if symbol == "ring" else colors,
        "border_color": colors,
        "border_width": 0.12,
        "projection_mode": "all",
        "visible": visible,
        **SPACE,
    }
    return table[["z_um", "y_um", "x_um"]].to_numpy(float), arguments, "points"


def _synapses(dataset: Dataset, run: str) -> LayerData:
    folder = dataset.run(run)
    table = read_table(folder / "synapses.parquet", schema.SYNAPSES)
    if dataset.is_done(f"{run}/separate"):
        result = read_table(folder / "separation.parquet", schema.SEPARATION)
        table = table.merge(result, on="synapse_id", how="left")
    return _points("synapses", table, class_of(table), "disc", visible=True)


def _true_synapses(truth: Path) -> LayerData:
    table = read_table(truth / "synapses.parquet", schema.TRUTH_SYNAPSES)
    table = table[table["is_imaged"]].reset_index(drop=True)
    up, learned = (table["ln_learning"] > 0).to_numpy(), table["is_learned"].to_numpy(bool)
    classes = np.where(learned, np.where(up, "potentiated", "depressed"), "unchanged").astype(object)
    return _points("true synapses", table, classes, "square", visible=False)


def legend_of(layers: list[LayerData]) -> str:
    """One line that says what the colours of the shown synapses mean, with counts."""
    shown = [
        arguments["features"]["class"] for _, arguments, kind in layers if kind == "points" and arguments["visible"]
    ]
    if not shown:
        return ""
    counts = shown[0].value_counts()
    words = {"potentiated": "orange: potentiated", "depressed": "blue: depressed", "unchanged": "grey: unchanged"}
    words["not separated"] = "yellow: not separated yet"
    return "   ".join(f"{words[name]} {counts[name]}" for name in words if name in counts)
