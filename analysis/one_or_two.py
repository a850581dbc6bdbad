"""Whether two puncta are one synapse: the likelihood of both against that of the one that explains them best."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.fit import Fit, Scene, add_punctum, add_step, fisher_step, no_negative_shape, take_out
from synimg.analysis.punctum import N_SHAPE, PAIRS, in_channel, prior_sd, window_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
N_STEPS = 12
SAME = 3e-4  # relative difference of expected light that no photon tells
LITTLE = 1.0  # of twice a log likelihood, that a step still gains: there the one is fitted


def evidence_of_two(scene: Scene, fit: Fit, model: Floats, pairs: Ints) -> Floats:
    """Twice the log likelihood (n,) that is lost when one punctum of any place, count and shape stands for two.

    Parameters
    ----------
    scene, fit
        What was fitted.
    model : (channel, z, y, x) ndarray [electrons]
        Expected image with all puncta of `fit`, as in `fit.fitted`.
    pairs : (n, 2) ndarray
        Rows of `fit`.

    Notes
    -----
    All other puncta stay. Shapes are penalised by their prior on both sides, so that a disc, which is about as long as its
    counts say, passes for one, and a pair does not.
    """
    optics = (scene.psf_vox, scene.shift_vox, scene.shape_scale, scene.spread_um2)
    return _evidence(scene.data, model, fit.theta, np.ascontiguousarray(pairs), *optics)


@nb.njit(cache=True, nogil=True)
def _evidence(
    data: Floats, model: Floats, thetas: Floats, pairs: Ints, psf: Floats, shift: Floats, scale: Floats, spread: float
) -> Floats:
    found = np.zeros(pairs.shape[0])
    for k in range(pairs.shape[0]):
        a, b = thetas[pairs[k, 0]].copy(), thetas[pairs[k, 1]].copy()
        low, high = _around(a, b, model, psf, shift, scale)
        if (high <= low).any():
            continue
        # of copies, as large as both reach
        seen = data[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
        two = model[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
        one = two.copy()
        for axis in range(3):
            a[axis] -= low[axis]
            b[axis] -= low[axis]
        whole = _joined(a, b, scale)
        for theta, sign in ((a, -1.0), (b, -1.0), (whole, 1.0)):
            add_punctum(one, theta, psf, shift, scale, sign)
        for _ in range(N_STEPS):
            score, information = take_out(seen, one, whole, psf, shift, scale)
            step = fisher_step(score, information, whole, spread)
            add_step(whole, step, psf)
            add_punctum(one, whole, psf, shift, scale, 1.0)
            if score @ step < LITTLE:
                break
        log_ratio = 0.0
        for c in range(two.shape[0]):
            for z in range(two.shape[1]):
                for y in range(two.shape[2]):
                    for x in range(two.shape[3]):
                        m, n = max(two[c, z, y, x], 1e-6), max(one[c, z, y, x], 1e-6)
                        if abs(m - n) > SAME * n:
                            log_ratio += max(seen[c, z, y, x], 0.0) * math.log(m / n) - (m - n)
        found[k] = 2.0 * log_ratio + _unlikely(whole, spread) - _unlikely(a, spread) - _unlikely(b, spread)
    return found


@nb.njit(cache=True, nogil=True)
def _around(a: Floats, b: Floats, model: Floats, psf: Floats, shift: Floats, scale: Floats) -> tuple[Ints, Ints]:
    """First and last + 1 voxel (3,) that two puncta reach in any channel."""
    shape = (model.shape[1], model.shape[2], model.shape[3])
    low, high = np.array(shape), np.zeros(3, np.int64)
    for c in range(psf.shape[0]):
        for theta in (a, b):
            window = window_of(in_channel(theta, shift[c]), psf[c], scale, shape)
            low, high = np.minimum(low, window[:, 0]), np.maximum(high, window[:, 1])
    return low, high


@nb.njit(cache=True, nogil=True)
def _joined(a: Floats, b: Floats, scale: Floats) -> Floats:
    """The punctum that has the counts, the middle and the covariance of two together."""
    n = a.size - N_SHAPE
    share = a[3:n].sum() / max(a[3:n].sum() + b[3:n].sum(), 1e-9)
    whole, apart = share * a + (1.0 - share) * b, a[:3] - b[:3]
    whole[3:n] = a[3:n] + b[3:n]
    for k in range(N_SHAPE):
        whole[n + k] += share * (1.0 - share) * apart[PAIRS[k, 0]] * apart[PAIRS[k, 1]] / scale[k]
    no_negative_shape(whole)
    return whole


@nb.njit(cache=True, nogil=True)
def _unlikely(theta: Floats, spread: float) -> float:
    """Squared distance of a shape from the one that its counts say, in sds of its prior."""
    expected, total = spread * max(theta[3:-N_SHAPE].sum(), 0.0), 0.0
    for k in range(theta.size - N_SHAPE, theta.size):
        total += (theta[k] - (expected if k < theta.size - 3 else 0.0)) ** 2
    return total / prior_sd(theta, spread) ** 2
