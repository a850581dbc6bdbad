"""An OME-Zarr image of any lab with a synapse table beside it, as napari layers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.lazy import lazy_level
from synimg.store.ome_zarr import SPATIAL, describe
from synimg.store.tables import read_table
from synimg.viewers.layers import LayerData, colormap, synapses
from synimg.viewers.synapse_map import with_derived

ENDINGS = (".parquet", ".csv")
COLORS = ("FF00FF", "00FF00", "00FFFF", "FFFF00", "FF8000", "FFFFFF")
MOST_PLANES, MOST_SIDE = 4, 1024


def tables_for(image: Path) -> list[Path]:
    """Where the synapse table of an image may be: of the image's name, or ``synapses``, in the same folder."""
    name = image.name.removesuffix(".zarr").removesuffix(".ome")
    return [image.parent / f"{stem}{ending}" for stem in (name, f"{name}_synapses", "synapses") for ending in ENDINGS]


def table_beside(image: Path) -> Path | None:
    """The synapse table that belongs to an image, if there is one."""
    return next((table for table in tables_for(image) if table.is_file()), None)


def layers_of_image(image: Path, table: Path) -> list[LayerData]:
    """The channels of an OME-Zarr image, and the synapses of a table with places in micrometres.

    Parameters
    ----------
    image : path
        OME-Zarr 0.4 or 0.5 with the axes y, x and perhaps z, c, t (of which the first time is taken).
    table : path
        ``.parquet`` or ``.csv`` with ``y_um``, ``x_um``, for a stack ``z_um``, and any other columns.

    Raises
    ------
    SynimgError
        If either is damaged, the table lacks the places, or most of them lie outside the image.
    """
    channels, extent_um = _channels(image)
    rows = read_table(table)
    wanted = PLACE if extent_um.shape[1] == 3 else PLACE[1:]
    if missing := [name for name in wanted if name not in rows]:
        raise SynimgError(f"{table}: column '{missing[0]}' is missing; the synapses need {', '.join(wanted)} in um")
    for name in wanted:
        if not pd.api.types.is_numeric_dtype(rows[name]) and len(rows):
            wrong = rows[name][pd.to_numeric(rows[name], errors="coerce").isna() & rows[name].notna()]
            raise SynimgError(
                f"{table}: column '{name}' holds '{wrong.iloc[0]}' (row {wrong.index[0]}); places are numbers in um"
            )
    rows = rows.dropna(subset=wanted).reset_index(drop=True)
    places = rows[wanted].to_numpy(float)
    outside = ~((places >= extent_um[0]) & (places <= extent_um[1])).all(axis=1)
    if outside.sum() > 0.5 * len(rows):
        sizes = " x ".join(f"{length:.4g}" for length in extent_um[1] - extent_um[0])
        raise SynimgError(
            f"{table}: {outside.sum()} of {len(rows)} synapses lie outside the image of {sizes} um ({image.name}); "
            "are its places in voxels, or of another image?"
        )
    if "z_um" not in rows:
        rows = rows.assign(z_um=0.0)
    if {"r_old", "r_new", "neuron_id"} <= set(rows.columns):
        rows = with_derived(rows)
    else:
        rows = rows.assign(**{"class": "not separated"})
    data, arguments, kind = synapses(rows)
    n_axes = extent_um.shape[1]
    arguments |= {"units": ("um",) * n_axes, "axis_labels": tuple(SPATIAL[-n_axes:])}
    arguments["metadata"] = {"synimg": {"image": str(image), "table": str(table), "n_outside": int(outside.sum())}}
    return [*channels, (data[:, -n_axes:], arguments, kind)]


def _channels(image: Path) -> tuple[list[LayerData], Any]:
    """A layer for every channel, and the lowest and highest place of the image [um]."""
    found = describe(image)
    axes, scale, shift, described = found.axes, found.scale, found.shift, found.channels
    spatial = [i for i, name in enumerate(axes) if name in SPATIAL]
    levels = [lazy_level(image, level, is_ours=False) for level in found.levels]
    if "t" in axes:
        levels = [level[tuple(0 if name == "t" else slice(None) for name in axes)] for level in levels]
        keep = [i for i, name in enumerate(axes) if name != "t"]
        axes, scale, shift = [axes[i] for i in keep], scale[keep], shift[keep]
        spatial = [i for i, name in enumerate(axes) if name in SPATIAL]
    place = [np.array([values[i] for i in spatial]) for values in (scale, shift)]
    n_channels = levels[0].shape[axes.index("c")] if "c" in axes else 1
    layers: list[LayerData] = []
    for c in range(n_channels):
        one = [level[tuple(c if name == "c" else slice(None) for name in axes)] for level in levels]
        channel = described[c] if c < len(described) else {}
        window = channel.get("window") or {}
        arguments: dict[str, Any] = {
            "name": channel.get("label") or f"channel {c}",
            "scale": place[0],
            "translate": place[1],
            "colormap": colormap(str(channel.get("color") or COLORS[c % len(COLORS)])),
            "blending": "additive",
            "multiscale": True,
            "units": ("um",) * len(spatial),
            "axis_labels": tuple(axes[i] for i in spatial),
        }
        if {"start", "end"} <= set(window):
            arguments["contrast_limits"] = (window["start"], window["end"])
        else:
            arguments["contrast_limits"] = _limits(one[-1])
        if len(spatial) == 3:
            arguments["projection_mode"] = "max"
        layers.append((one, arguments, "image"))
    size = np.array([levels[0].shape[i] for i in spatial])
    low = place[1] - 0.5 * place[0]
    return layers, np.stack([low, low + size * place[0]])


def _limits(level: Any) -> tuple[float, float]:
    """Grey levels to show, from the middle of the coarsest level (at most a few million voxels of it are read)."""
    most = (MOST_PLANES, MOST_SIDE, MOST_SIDE)[-level.ndim :]
    middle = tuple(slice(max((n - m) // 2, 0), (n + m + 1) // 2) for n, m in zip(level.shape, most, strict=True))
    low, high = np.percentile(np.asarray(level[middle]), [1, 99.8])
    return float(low), float(high if high > low else low + 1)
