"""Puncta in images of any lab: shapes and relative brightness; electrons with errors only where the camera is known."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.detect import candidates, laplacian
from synimg.analysis.plausible import refuse_crowd

Floats = NDArray[np.float64]
CORE = 2.2  # sd of a typical punctum: its brightness is summed within
REACH = 3.0  # sd of a typical punctum: what is looked at around it


def contrast(image: Floats, sigma_vox: Floats) -> Floats:
    """Height of a punctum above its surroundings at every place, as a share of full scale.

    Parameters
    ----------
    image : (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale.
    sigma_vox : (axes,) ndarray
        Standard deviations of a typical punctum.

    Notes
    -----
    A Laplacian of Gaussian, scaled so that a Gaussian punctum of that width and of height A gives A.
    """
    # a Gaussian of the same width: smoothed to 2^(-d/2) of its height, and d / 2 for the second derivatives
    scaled: Floats = laplacian(image, sigma_vox) * 2.0 ** (image.ndim / 2) * 2.0 / image.ndim
    return scaled


@dataclass(frozen=True)
class Grey:
    """What the grey levels of an image are in electrons.

    zero : the level at which there would be no noise: the offset minus gain times squared read noise
    per_electron : levels of an electron; both in the unit of the image
    """

    zero: float
    per_electron: float


def noise_of(response: Floats) -> float:
    """Sd of the contrast that noise has, by the middle half of it."""
    return float(1.4826 * np.median(np.abs(response - np.median(response))))


def find_puncta(
    image: Floats,
    response: Floats,
    voxel_um: Floats,
    sigma_um: float,
    threshold: float,
    grey: Grey | None = None,
    top: float = 1.0,
) -> pd.DataFrame:
    """Puncta of one channel, brightest first.

    Parameters
    ----------
    image, response : (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale, and their `contrast`.
    voxel_um : (axes,) ndarray
        Voxel size.
    sigma_um : float
        Standard deviation of a typical punctum.
    threshold : float
        Least contrast, as a share of full scale: one number for all images that are to be compared.
    grey : Grey, optional
        The camera, if it is known.
    top : float
        From which share of full scale on a voxel is saturated.

    Returns
    -------
    DataFrame
        ``z_um`` (3-D only), ``y_um``, ``x_um``, ``contrast``, ``integrated`` (sum of full-scale shares above the local
        background), ``sigma_um`` (from second moments) and ``is_saturated``; with a camera ``electrons`` above the local
        background within 2.2 sigma and ``electrons_se``, by the noise of these voxels and of the background's.
    """
    sigma_vox = sigma_um / voxel_um
    points, contrast = candidates(response, threshold, sigma_vox)
    refuse_crowd(len(points), image.shape, voxel_um, threshold)
    axes = ["z_um", "y_um", "x_um"][-image.ndim :]
    shape = np.array(image.shape)
    nearest = np.clip(np.rint(points), 0, shape - 1).astype(int)
    table = {name: points[:, i] * voxel_um[i] for i, name in enumerate(axes)}
    table["contrast"] = contrast
    sums, widths, saturated, electrons = [], [], [], []
    for point, middle in zip(points, nearest, strict=True):
        patch, core, squared = _patch(image, point, middle, sigma_vox, voxel_um)
        background = float(np.median(patch[~core])) if not core.all() else float(patch.min())
        total, width = _shape(patch[core] - background, squared[core], image.ndim)
        sums.append(total)
        widths.append(width)
        saturated.append(float(patch[core].max()) >= top)
        if grey is not None:
            electrons.append(_electrons(patch[core], patch[~core], background, grey))
    table |= {"integrated": sums, "sigma_um": widths, "is_saturated": np.array(saturated, bool)}
    if grey is not None:
        table["electrons"], table["electrons_se"] = np.array(electrons, float).reshape(-1, 2).T
    return pd.DataFrame(table)


def reach_vox(sigma_vox: Floats) -> NDArray[np.int64]:
    """How far around a punctum its surroundings are looked at."""
    return np.maximum(np.ceil(REACH * sigma_vox), 1).astype(int)


def _patch(
    image: Floats, point: Floats, middle: NDArray[np.int64], sigma_vox: Floats, voxel_um: Floats
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Voxels around a punctum, whether they are in its core, and their squared distance [um^2]."""
    reach = reach_vox(sigma_vox)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, image.shape)
    patch = image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    grid = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    offset = [(g - p) * v for g, p, v in zip(grid, point, voxel_um, strict=True)]
    squared = np.sum([d**2 for d in offset], axis=0)
    scaled = np.sum([(d / (s * v)) ** 2 for d, s, v in zip(offset, sigma_vox, voxel_um, strict=True)], axis=0)
    return patch, scaled <= CORE**2, squared


def _shape(above: Floats, squared: Floats, n_axes: int) -> tuple[float, float]:
    """Brightness and width [um] of the voxels of a core, above the local background."""
    above = np.maximum(above, 0.0)
    total = float(above.sum())
    return total, float(np.sqrt((above * squared).sum() / total / n_axes)) if total > 0 else 0.0


def _electrons(core: Floats, rim: Floats, background: float, grey: Grey) -> tuple[float, float]:
    """Electrons of a core above the background that its rim shows, and their standard error.

    A voxel's variance is its level above the zero, in electrons; the median of n voxels varies by pi / 2n of theirs.
    """
    total = float((core - background).sum() / grey.per_electron)
    own = np.maximum(core - grey.zero, 0.0).sum() / grey.per_electron
    around = np.maximum(rim - grey.zero, 0.0).mean() / grey.per_electron if rim.size else 0.0
    return total, float(np.sqrt(own + core.size**2 * 0.5 * np.pi * around / max(rim.size, 1)))
