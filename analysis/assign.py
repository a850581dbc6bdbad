"""The parent neuron of a synapse, from the dyes at its place or from label read-outs, with a probability."""

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
OUTLIER_SHARE = 0.02
MODEL_ERROR = 0.08


def read_colours(dyes: Floats, variance: Floats, points_vox: Floats, sigma_vox: Floats) -> tuple[Floats, Floats]:
    """Dye signal (n, c) of what lies at each point, and its standard error.

    Parameters
    ----------
    dyes, variance : (c, z, y, x) ndarray [electrons, electrons^2]
        Dye channels of a block, and the variance of each voxel.
    points_vox : (n, 3) ndarray
        Synapses, in voxels of the block.
    sigma_vox : (3,) ndarray
        Width of the point spread function.

    Notes
    -----
    Least squares of a blob, a constant and a slope along each axis over a window of 2.5 widths: a neighbour's
    dendrite that passes by is mostly constant and slope, the spine head at the synapse is the blob.
    """
    widths = np.sqrt(np.asarray(sigma_vox) ** 2 + np.array([0.4, 1.2, 1.2]) ** 2)
    return _blobs(np.ascontiguousarray(dyes), np.ascontiguousarray(variance), np.asarray(points_vox), widths)


@nb.njit(cache=True, nogil=True)
def _blobs(dyes: Floats, variance: Floats, points: Floats, widths: Floats) -> tuple[Floats, Floats]:
    n, n_dyes = points.shape[0], dyes.shape[0]
    value, error = np.zeros((n, n_dyes)), np.full((n, n_dyes), np.inf)
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    row = np.empty(5)
    for i in range(n):
        for a in range(3):
            reach = int(np.ceil(2.5 * widths[a]))
            middle = int(round(points[i, a]))
            low[a], high[a] = max(middle - reach, 0), min(middle + reach + 1, dyes.shape[a + 1])
        if (high <= low).any():
            continue
        for c in range(n_dyes):
            normal, right = np.zeros((5, 5)), np.zeros(5)
            mean_variance = 0.0
            count = 0
            for z in range(low[0], high[0]):
                for y in range(low[1], high[1]):
                    for x in range(low[2], high[2]):
                        dz, dy, dx = z - points[i, 0], y - points[i, 1], x - points[i, 2]
                        u = (dz / widths[0]) ** 2 + (dy / widths[1]) ** 2 + (dx / widths[2]) ** 2
                        row[0], row[1] = np.exp(-0.5 * u), 1.0
                        row[2], row[3], row[4] = dz, dy, dx
                        for p in range(5):
                            right[p] += row[p] * dyes[c, z, y, x]
                            for q in range(5):
                                normal[p, q] += row[p] * row[q]
                        mean_variance += variance[c, z, y, x]
                        count += 1
            for p in range(5):
                normal[p, p] += 1e-9
            inverse = np.linalg.inv(normal)
            value[i, c] = (inverse[0] * right).sum()
            error[i, c] = np.sqrt(max(inverse[0, 0], 0.0) * mean_variance / count)
    return value, error


def decode(colours: Floats, colours_se: Floats, codebook: Floats, expression_cv: float) -> tuple[Ints, Floats]:
    """Row (n,) of the code book that explains each colour best, and the probability (n,) that it is right.

    Parameters
    ----------
    colours, colours_se : (n, c) ndarray
        Dye signals, in any common unit: only their ratios count.
    codebook : (m, c) ndarray
        Levels of the m neurons.
    expression_cv : float
        Relative error of a level, once in the code book and once at the synapse.

    Notes
    -----
    Normal errors of the signal (photons) and in proportion to it (expression twice, and what the blob model
    misses); the unknown amount of cytosol is fitted for every neuron. A share of colours (mixtures of neighbours)
    fits no neuron: it flattens the posterior where nothing fits well.
    """
    relative = np.sqrt(2.0 * expression_cv**2 + MODEL_ERROR**2)
    log_likelihood = np.empty((len(colours), len(codebook)))
    for j, code in enumerate(codebook):
        weight = 1.0 / colours_se**2
        amount = np.maximum((weight * colours * code).sum(1) / (weight * code**2).sum(1), 1e-9)
        for _ in range(3):
            variance = colours_se**2 + (relative * amount[:, None] * code) ** 2
            amount = np.maximum((colours * code / variance).sum(1) / (code**2 / variance).sum(1), 1e-9)
        variance = colours_se**2 + (relative * amount[:, None] * code) ** 2
        off = colours - amount[:, None] * code
        # densities of ratios to the brightness, which is common to all neurons
        scale = np.linalg.norm(colours, axis=1) + 1e-9
        log_likelihood[:, j] = -0.5 * (off**2 / variance + np.log(2 * np.pi * variance / scale[:, None] ** 2)).sum(1)
    top = log_likelihood.max(axis=1, keepdims=True)
    likelihood = np.exp(log_likelihood - top) * (1.0 - OUTLIER_SHARE)
    stray = OUTLIER_SHARE * np.exp(np.clip(-top[:, 0], -700, 50))
    best = log_likelihood.argmax(axis=1)
    probability = likelihood.max(axis=1) / (likelihood.sum(axis=1) + stray * len(codebook))
    return best, np.clip(probability, 1.0 / len(codebook), 1.0)


def nearest_readout(points_um: Floats, readouts: pd.DataFrame, gate_um: float) -> tuple[Ints, Floats]:
    """Neuron (n,) of the read-out next to each synapse, and the probability (n,) that it is the parent.

    A synapse without a read-out within `gate_um` takes the nearest one at a probability of 0.
    """
    places = readouts[["z_um", "y_um", "x_um"]].to_numpy(float)
    distance, row = cKDTree(places).query(points_um)
    probability = np.where(distance <= gate_um, 1.0 - readouts["error_rate"].to_numpy(float)[row], 0.0)
    return readouts["neuron_id"].to_numpy(np.int64)[row], probability
