"""Puncta and pairs drawn over the image that they were found in, for a person to judge."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.store.atomic import atomic_path
from synimg.viewers.figures.style import composite, nice_length, scale_bar

Floats = NDArray[np.float64]
COLORS = ("FF00FF", "00FF00", "00FFFF", "FFFFFF")
CROP = 220
GAMMA = 0.6


def overlay(channels: dict[str, Floats], puncta: pd.DataFrame, pairs: pd.DataFrame, voxel_um: Floats) -> Figure:
    """The whole field, and a crop of it: as it is, and with every punctum marked and paired ones circled.

    The crop has a gamma of 0.6, so that the eye sees what is faint.

    Parameters
    ----------
    channels : dict of (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale; a stack is shown as its maximum along z. The first four are drawn: there are no
        more colours that can be told apart.
    puncta, pairs : DataFrame
        As `synimg.analysis.foreign.measure_channels` gives them.
    voxel_um : (axes,) ndarray
        Voxel size.
    """
    channels = dict(list(channels.items())[: len(COLORS)])
    flat = np.stack([image.max(axis=0) if image.ndim == 3 else image for image in channels.values()])
    tops = [(0.0, max(float(np.percentile(image, 99.7)), 1e-3)) for image in flat]
    picture = composite(flat, list(COLORS[: len(flat)]), tops)
    pixel_um = float(voxel_um[-1])
    y0, x0 = _typical(pairs if len(pairs) else puncta, pixel_um, picture.shape[:2])
    figure = Figure(figsize=(22, 7.8), layout="compressed")
    field, bare, crop = figure.subplots(1, 3)
    size = (min(CROP, picture.shape[0]), min(CROP, picture.shape[1]))
    field.imshow(picture, interpolation="nearest")
    field.add_patch(Rectangle((x0, y0), size[1], size[0], fill=False, edgecolor="white", lw=1.5))
    scale_bar(field, nice_length(picture.shape[1] * pixel_um / 5), pixel_um, picture.shape[:2])
    names = " / ".join(
        f"{name} ({color})" for name, color in zip(channels, ("magenta", "green", "cyan", "white"), strict=False)
    )
    field.set_title(names)
    part = picture[y0 : y0 + size[0], x0 : x0 + size[1]] ** GAMMA
    for axis in (bare, crop):
        axis.imshow(part, interpolation="nearest")
        scale_bar(axis, nice_length(size[1] * pixel_um / 5), pixel_um, size)
        axis.set_autoscale_on(False)
    for (name, marker), color in zip(
        zip(channels, "+x1|", strict=False), ("#FFB0FF", "#B0FFB0", "#B0FFFF", "#FFFFFF"), strict=False
    ):
        rows = puncta[puncta["channel"] == name]
        inside = _inside(rows, pixel_um, (y0, x0), size)
        label = f"{name}: {len(rows)}"
        crop.scatter(
            inside["x_um"] / pixel_um - x0,
            inside["y_um"] / pixel_um - y0,
            marker=marker,
            s=45,
            lw=1.2,
            color=color,
            label=label,
        )
    if len(pairs):
        inside = _inside(pairs, pixel_um, (y0, x0), size)
        place = inside["x_um"] / pixel_um - x0, inside["y_um"] / pixel_um - y0
        crop.scatter(*place, s=240, facecolors="none", edgecolors="white", lw=1.4, label=f"pairs: {len(pairs)}")
    crop.legend(loc="upper left", framealpha=0.6, facecolor="black", labelcolor="white")
    bare.set_title("the square at the left")
    crop.set_title("what was found there, counts of the whole field")
    for axis in (field, bare, crop):
        axis.set_axis_off()
    return figure


def save_overlay(
    path: Path, channels: dict[str, Floats], puncta: pd.DataFrame, pairs: pd.DataFrame, voxel_um: Floats
) -> None:
    """Draw `overlay` into a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        overlay(channels, puncta, pairs, voxel_um).savefig(temporary, dpi=90, metadata={"Software": None})


def _typical(puncta: pd.DataFrame, pixel_um: float, shape: tuple[int, ...]) -> tuple[int, int]:
    """Corner of the crop around the place with the median number of neighbours among the crowded half."""
    if puncta.empty:
        return 0, 0
    places = puncta[["y_um", "x_um"]].to_numpy(float)
    crowd = [len(near) for near in cKDTree(places).query_ball_point(places, 0.4 * CROP * pixel_um)]
    middle = places[np.argsort(crowd, kind="stable")[int(0.9 * (len(crowd) - 1))]] / pixel_um
    corner = np.clip(middle - CROP / 2, 0, np.maximum(np.array(shape) - CROP, 0)).astype(int)
    return int(corner[0]), int(corner[1])


def _inside(rows: pd.DataFrame, pixel_um: float, corner: tuple[int, int], size: tuple[int, int]) -> pd.DataFrame:
    y, x = rows["y_um"] / pixel_um - corner[0], rows["x_um"] / pixel_um - corner[1]
    return rows[(y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])]
