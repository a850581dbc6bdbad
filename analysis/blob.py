"""A bright punctum that stands alone: a Gaussian on a constant, of free widths along and across the axis."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.punctum import VOXEL_VARIANCE

Floats = NDArray[np.float64]


def fit_blob(
    data: Floats, window: tuple[slice, ...], at: Floats, electrons: float, psf_um: Floats, voxel_um: Floats
) -> tuple[Floats, Floats] | None:
    """A Gaussian on a constant: z, y, x [voxels], electrons, background, variances axial and lateral [um^2], and their errors.

    Parameters
    ----------
    data : (z, y, x) ndarray [electrons], plus the variance of the read noise
    window : tuple of slice
        Which voxels of the block `data` are.
    at, electrons, psf_um
        To begin with.

    Notes
    -----
    Poisson maximum likelihood by Fisher scoring; None if it runs away.
    """
    z, y, x = (np.arange(s.start, s.stop, dtype=float) for s in window)
    p = np.array([*at, max(electrons, 1.0), max(float(np.median(data)), 1e-3), psf_um[0] ** 2, psf_um[1] * psf_um[2]])
    for _ in range(15):
        information, gradient = _blob_sums(data, z - p[0], y - p[1], x - p[2], p, voxel_um)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        limit = np.array([0.5, 0.5, 0.5, 0.5 * p[3] + 20.0, 0.5 * p[4] + 1.0, 0.4 * p[5], 0.4 * p[6]])
        p = p + np.clip(step, -limit, limit)
        p[3:] = np.maximum(p[3:], [1.0, 1e-3, 1e-4, 1e-4])
        if np.all(np.abs(step) < 1e-3 * limit):
            break
    if not np.isfinite(p).all() or p[5] > 4 * psf_um[0] ** 2 or p[6] > 4 * psf_um[1] * psf_um[2]:
        return None
    return p, np.sqrt(np.maximum(np.diag(np.linalg.inv(information)), 0.0))


@nb.njit(cache=True, nogil=True)
def _blob_sums(data: Floats, z: Floats, y: Floats, x: Floats, p: Floats, voxel_um: Floats) -> tuple[Floats, Floats]:
    """Fisher information and gradient of the log likelihood of a blob `p`, of voxels at such distances from its middle."""
    information, gradient, slope = np.zeros((7, 7)), np.zeros(7), np.ones(7)
    variance = np.array([p[5], p[6], p[6]]) / voxel_um**2 + VOXEL_VARIANCE
    peak = 1.0 / np.sqrt((2.0 * np.pi) ** 3 * variance.prod())
    wide = np.empty(3)
    for i in range(z.size):
        for j in range(y.size):
            for k in range(x.size):
                away = (z[i], y[j], x[k])
                square = z[i] ** 2 / variance[0] + y[j] ** 2 / variance[1] + x[k] ** 2 / variance[2]
                slope[3] = peak * np.exp(-0.5 * square)
                light = p[3] * slope[3]
                for a in range(3):
                    slope[a] = light * away[a] / variance[a]
                    wide[a] = 0.5 * light * (away[a] ** 2 / variance[a] - 1.0) / (variance[a] * voxel_um[a] ** 2)
                slope[5], slope[6] = wide[0], wide[1] + wide[2]
                model = light + p[4]
                for m in range(7):
                    weighted = slope[m] / model
                    gradient[m] += weighted * (data[i, j, k] - model)
                    for n in range(m + 1):
                        information[m, n] += weighted * slope[n]
    for m in range(7):
        information[:m, m] = information[m, :m]
    return information, gradient
