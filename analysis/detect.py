"""Candidates for puncta: local maxima of a filtered residual over its noise."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]


def log_significance(residual: Floats, variance: Floats, sigma_vox: Floats) -> Floats:
    """Response of a Laplacian of Gaussian at the punctum's width, in its own standard deviations.

    Parameters
    ----------
    residual, variance : (z, y, x) ndarray [electrons, electrons^2]
        Data minus model, summed over channels, and its expected variance.
    sigma_vox : (3,) ndarray
        Standard deviations of a punctum.

    Notes
    -----
    Each axis is weighted by its own variance, so that the filter is round in units of the punctum's width; it is
    blind to a constant background. Variance passes through the squared kernel, taken as white within its reach.
    """
    smooth, curved = residual.astype(np.float32), np.zeros(residual.shape, np.float32)
    for axis in range(3):
        once = ndimage.gaussian_filter1d(smooth, sigma_vox[axis], axis, truncate=4.0)
        twice = ndimage.gaussian_filter1d(smooth, sigma_vox[axis], axis, order=2, truncate=4.0)
        curved = ndimage.gaussian_filter1d(curved, sigma_vox[axis], axis, truncate=4.0) if axis else curved
        smooth, curved = once, curved - sigma_vox[axis] ** 2 * twice
    response = curved
    # energy of the kernel: (1 / (8 pi^1.5 prod sigma)) * (3 * 3/4 + 6 * 1/4) = 3.75 / (8 pi^1.5 prod sigma)
    energy = 3.75 / (8.0 * np.pi**1.5 * np.prod(sigma_vox))
    local = ndimage.gaussian_filter(variance.astype(np.float32), sigma_vox / np.sqrt(2.0), truncate=3.0)
    return response / np.sqrt(energy * np.maximum(local, 1e-12))


def candidates(significance: Floats, least: float, radius_vox: Floats) -> Floats:
    """Local maxima (n, axes) above `least`, sub-voxel by a parabola along each axis.

    Two maxima nearer than `radius_vox` along every axis count as one, the higher.
    """
    size = tuple(2 * int(np.ceil(r)) + 1 for r in radius_vox)
    peak = (significance == ndimage.maximum_filter(significance, size=size)) & (significance > least)
    at = np.argwhere(peak)
    order = np.argsort(-significance[peak], kind="stable")
    at = at[order]
    points = at.astype(np.float64)
    for axis in range(significance.ndim):
        n = significance.shape[axis]
        inner = (at[:, axis] > 0) & (at[:, axis] < n - 1)
        step = np.zeros(significance.ndim, int)
        step[axis] = 1
        here = at[inner]
        below, middle, above = (significance[tuple((here + k * step).T)] for k in (-1, 0, 1))
        curve = np.minimum(below - 2 * middle + above, -1e-9)
        points[inner, axis] += np.clip(0.5 * (below - above) / curve, -0.5, 0.5)
    return points
