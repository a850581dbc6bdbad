"""What grey levels, voxels and counts of an image from any lab must satisfy for its puncta to mean anything."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.optics.profile import FWHM

Floats = NDArray[np.float64]
DENSEST = {2: (2.0, "um^2"), 3: (2.5, "um^3")}
"""Puncta in a plane and in a volume beyond which they are noise: cortex has 1 to 2 synapses per um^3, and what is as wide as a
punctum has 2.4 maxima per um^2 of pure noise."""
LEAST_COUNT = 200  # in small images chance makes a crowd
MOST_SATURATED = 0.001
KNOWN_TOPS = tuple(2**bits - 1 for bits in (8, 10, 11, 12, 13, 14, 15, 16))
"""Last grey levels of detectors."""
LEAST_CLIPPED = 3
"""Voxels at the last level; the brightest one alone may have it by chance."""


def refuse_values(values: NDArray[Any], where: str) -> None:
    """Refuse grey levels (y, x) or (z, y, x) of a channel that cannot be measured.

    Raises
    ------
    SynimgError
        If they are no numbers, not finite, all the same, or nowhere above 0.
    """
    if values.dtype.kind not in "buif":
        raise SynimgError(f"{where}: holds {values.dtype} instead of grey levels; save it as whole or real numbers")
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        bad = np.argwhere(~finite)
        first = ", ".join(f"{axis} {i}" for axis, i in zip("zyx"[-values.ndim :], bad[0], strict=True))
        raise SynimgError(
            f"{where}: {len(bad)} of its voxels are NaN or infinite, the first at {first}; replace them before measuring"
        )
    if values.size == 0:
        raise SynimgError(f"{where}: has the shape {values.shape}; no voxel in it")
    low, high = values.min(), values.max()
    if low == high:
        raise SynimgError(f"{where}: every voxel has the same value ({low}); no image in it")
    if high <= 0:
        raise SynimgError(
            f"{where}: no voxel is above 0 ({low:g} to {high:g}); add what was subtracted before measuring"
        )


def is_top(largest: float, n_there: int) -> bool:
    """Whether the largest grey level, which `n_there` voxels have, is the last that a detector gives: these are saturated."""
    return largest in KNOWN_TOPS and n_there >= LEAST_CLIPPED


def refuse_voxels(shape: tuple[int, ...], voxel_um: Floats, sigma_um: float, where: str) -> None:
    """Refuse a voxel size with which a punctum is much smaller than a voxel or larger than the image.

    Raises
    ------
    SynimgError
        If it is.
    """
    for axis, n, voxel in zip("zyx"[-len(shape) :], shape, voxel_um, strict=True):
        if sigma_um < 0.25 * voxel:
            raise SynimgError(
                f"{where}: voxels of {voxel:g} um along {axis} are too coarse for puncta of {FWHM * sigma_um:.2g} um; check "
                "--voxel-um, or say how wide puncta are (--punctum-sigma-um, their sd)"
                + ("" if axis != "z" else ", or measure a projection along z with --voxel-um Y,X")
            )
        if FWHM * sigma_um > n * voxel:
            raise SynimgError(
                f"{where}: {n} voxels of {voxel:g} um along {axis} are smaller than a punctum of {FWHM * sigma_um:.2g} um; "
                "check --voxel-um and --punctum-sigma-um"
            )


def refuse_crowd(n_found: int, shape: tuple[int, ...], voxel_um: Floats, threshold: float) -> None:
    """Refuse a threshold at which noise is found, before every find is looked at.

    Raises
    ------
    SynimgError
        If more puncta than tissue can hold stand out.
    """
    extent = float(np.prod(shape) * np.prod(voxel_um))
    most, unit = DENSEST[len(shape)]
    if n_found > max(most * extent, LEAST_COUNT):
        raise SynimgError(
            f"{n_found} puncta in {extent:.0f} {unit} are above a contrast of {threshold:g}, more than tissue holds: they are "
            "noise; raise --threshold, or check --voxel-um"
        )


def doubts(summary: pd.DataFrame) -> list[str]:
    """What a user must know about the grey levels of images, from their summary: a sentence for each kind of doubt."""
    said = []
    for what, least, so in (
        ("saturated", MOST_SATURATED, "puncta there come out too dim and too wide"),
        ("negative", 0.0, "something was subtracted, and contrasts are shares of what is above 0"),
    ):
        start = f"share_{what}_"
        columns = [str(name) for name in summary if str(name).startswith(start)]
        rows = summary.melt("image", columns, "channel", "share")
        rows = rows[rows["share"] > least].sort_values("share", ascending=False)
        if rows.empty:
            continue
        image, column, share = rows.iloc[0]
        some = f"{image} has {what} voxels"
        if len(summary) > 1:
            some = f"{rows['image'].nunique()} of {len(summary)} images have {what} voxels, most of all {image}"
        said.append(f"{some} ({100 * share:.2g} % of '{column.removeprefix(start)}'): {so}")
    return said
