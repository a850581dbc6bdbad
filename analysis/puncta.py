"""Puncta in images without known units: shapes and relative brightness, no photons and no standard errors."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from synimg.analysis.detect import candidates
from synimg.analysis.plausible import refuse_crowd

Floats = NDArray[np.float64]


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
    response = np.zeros(image.shape)
    for axis in range(image.ndim):
        order = [0] * image.ndim
        order[axis] = 2
        response -= sigma_vox[axis] ** 2 * ndimage.gaussian_filter(image, sigma_vox, order=order)
    # a Gaussian of the same width: smoothed to 2^(-d/2) of its height, and d / 2 for the second derivatives
    scaled: Floats = response * 2.0 ** (image.ndim / 2) * 2.0 / image.ndim
    return scaled


def find_puncta(image: Floats, voxel_um: Floats, sigma_um: float, threshold: float) -> pd.DataFrame:
    """Puncta of one channel, brightest first.

    Parameters
    ----------
    image : (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale.
    voxel_um : (axes,) ndarray
        Voxel size.
    sigma_um : float
        Standard deviation of a typical punctum.
    threshold : float
        Least contrast, as a share of full scale: one number for all images that are to be compared.

    Returns
    -------
    DataFrame
        ``z_um`` (3-D only), ``y_um``, ``x_um``, ``contrast``, ``integrated`` (sum of full-scale shares above the local
        background), ``sigma_um`` (from second moments) and ``is_saturated``.
    """
    sigma_vox = sigma_um / voxel_um
    response = contrast(image, sigma_vox)
    points = candidates(response, threshold, sigma_vox)
    refuse_crowd(len(points), image.shape, voxel_um, threshold)
    axes = ["z_um", "y_um", "x_um"][-image.ndim :]
    shape = np.array(image.shape)
    nearest = np.clip(np.rint(points), 0, shape - 1).astype(int)
    table = {name: points[:, i] * voxel_um[i] for i, name in enumerate(axes)}
    table["contrast"] = response[tuple(nearest.T)]
    sums, widths, saturated = [], [], []
    for point, middle in zip(points, nearest, strict=True):
        total, width, top = _shape(image, point, middle, sigma_vox, voxel_um)
        sums.append(total)
        widths.append(width)
        saturated.append(top >= 1.0)
    return pd.DataFrame(table | {"integrated": sums, "sigma_um": widths, "is_saturated": np.array(saturated, bool)})


def _shape(
    image: Floats, point: Floats, middle: NDArray[np.int64], sigma_vox: Floats, voxel_um: Floats
) -> tuple[float, float, float]:
    """Brightness above the local background, width [um] and highest level of one punctum."""
    reach = np.maximum(np.ceil(3.0 * sigma_vox), 1).astype(int)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, image.shape)
    patch = image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    grid = np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    offset = [(g - p) * v for g, p, v in zip(grid, point, voxel_um, strict=True)]
    squared = np.sum([d**2 for d in offset], axis=0)
    scaled = np.sum([(d / (s * v)) ** 2 for d, s, v in zip(offset, sigma_vox, voxel_um, strict=True)], axis=0)
    rim, core = scaled > 2.2**2, scaled <= 2.2**2
    background = float(np.median(patch[rim])) if rim.any() else float(patch.min())
    above = np.maximum(patch[core] - background, 0.0)
    total = float(above.sum())
    width = float(np.sqrt((above * squared[core]).sum() / total / image.ndim)) if total > 0 else 0.0
    return total, width, float(patch[core].max())
