"""What the photons allow: which puncta a likelihood ratio tells, to one who knows every brighter one."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chi2, ncx2

Floats = NDArray[np.float64]
NEAR = 4.0  # widths: neighbours that have a say in whether a punctum can be told
REACH = 3.5  # widths of an image of a punctum that is looked at
P_DETECT = 1e-4  # of the likelihood ratio with which the bound is stated


def detectable(points: Floats, electrons: Floats, variance: Floats, flat: Floats) -> Floats:
    """The probability that the photons alone give a punctum away, p < `P_DETECT`, to one who knows all brighter ones.

    Parameters
    ----------
    points
        Places [voxels], (n, 3).
    electrons
        Expected photo-electrons in each channel, (n, c).
    variance
        Of the image of each punctum along each axis [voxels squared], voxels included, (n, 3).
    flat
        What is expected without the puncta, read noise squared included, (c, z, y, x).

    Returns
    -------
    (n,).

    Notes
    -----
    From bright to faint: twice the log likelihood ratio, in the expected image of a punctum and the brighter ones near it,
    of these against the brighter ones alone, whose places and counts fit the light as well as they can; its power is that of
    a noncentral chi square, with a place and a count in each channel as its degrees of freedom.
    """
    width = np.sqrt(np.median(variance, axis=0))
    tree, total, size = cKDTree(points / width), electrons.sum(axis=1), flat.shape[1:]
    lost = np.empty(len(points))
    for i, point in enumerate(points):
        near = np.array(tree.query_ball_point(point / width, NEAR))
        all_of = np.append(near[total[near] > total[i]], i)
        reach = REACH * np.sqrt(variance[all_of])
        low = np.maximum(np.floor((points[all_of] - reach).min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil((points[all_of] + reach).max(axis=0)).astype(int) + 1, size)
        cut = (slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
        theta = np.column_stack([points[all_of] - low, electrons[all_of]])
        lost[i] = _lost_likelihood(np.ascontiguousarray(flat[cut]), theta, variance[all_of])
    freedom = 3 + electrons.shape[1]
    power: Floats = ncx2.sf(chi2.isf(P_DETECT, freedom), freedom, np.maximum(lost, 1e-9))
    return power


@nb.njit(cache=True)
def _lost_likelihood(background: Floats, theta: Floats, variance: Floats) -> float:
    """Twice the log likelihood that the expected image loses without its last punctum (rows z, y, x, electrons), at best."""
    n, channels, shape = len(theta) - 1, background.shape[0], background.shape[1:]
    width = 3 + channels
    line, slope = np.empty((n + 1, 3, max(shape))), np.empty(3 * n)
    data, kernel = background.copy(), np.empty(n + 1)
    _lines(line, theta, variance)
    for z, y, x in np.ndindex(shape):
        for j in range(n + 1):
            at = line[j, 0, z] * line[j, 1, y] * line[j, 2, x]
            for c in range(channels):
                data[c, z, y, x] += theta[j, 3 + c] * at
    best, trial, step, best_fit = theta[:n].copy(), theta[:n].copy(), np.zeros((n, width)), -np.inf
    for _ in range(60):
        _lines(line, trial, variance)
        score, information, fit = np.zeros(width * n), np.zeros((width * n, width * n)), 0.0
        for z, y, x in np.ndindex(shape):
            for j in range(n):
                kernel[j] = line[j, 0, z] * line[j, 1, y] * line[j, 2, x]
                slope[3 * j] = kernel[j] * (z - trial[j, 0]) / variance[j, 0]
                slope[3 * j + 1] = kernel[j] * (y - trial[j, 1]) / variance[j, 1]
                slope[3 * j + 2] = kernel[j] * (x - trial[j, 2]) / variance[j, 2]
            for c in range(channels):
                model, d = background[c, z, y, x], data[c, z, y, x]
                for j in range(n):
                    model += trial[j, 3 + c] * kernel[j]
                fit += d * math.log(model / d) - model + d
                for j in range(n):
                    for a in range(3):
                        u, du = width * j + a, slope[3 * j + a] * trial[j, 3 + c]
                        score[u] += du * (d / model - 1.0)
                        for k in range(n):
                            for b in range(3):
                                information[u, width * k + b] += du * slope[3 * k + b] * trial[k, 3 + c] / model
                            information[u, width * k + 3 + c] += du * kernel[k] / model
                            information[width * k + 3 + c, u] += du * kernel[k] / model
                    u = width * j + 3 + c
                    score[u] += kernel[j] * (d / model - 1.0)
                    for k in range(n):
                        information[u, width * k + 3 + c] += kernel[j] * kernel[k] / model
        if fit < best_fit:
            step *= 0.5
        else:
            gain, best_fit = fit - best_fit, fit
            best[:] = trial
            if gain < 1e-3:
                break
            for u in range(width * n):
                information[u, u] = information[u, u] * (1.0 + 1e-6) + 1e-9
            step = np.linalg.solve(information, score).reshape(n, width)
            for j in range(n):
                for a in range(3):
                    limit = 0.5 * math.sqrt(variance[j, a])
                    step[j, a] = min(max(step[j, a], -limit), limit)
        trial = best + step
        trial[:, 3:] = np.maximum(trial[:, 3:], 0.0)
    return -2.0 * best_fit


@nb.njit(cache=True)
def _lines(line: Floats, theta: Floats, variance: Floats) -> None:
    """Fill the profiles (punctum, axis, voxel) along z, y and x."""
    for j in range(len(theta)):
        for a in range(3):
            for i in range(line.shape[2]):
                away = i - theta[j, a]
                line[j, a, i] = math.exp(-0.5 * away**2 / variance[j, a]) / math.sqrt(2.0 * math.pi * variance[j, a])
