"""One punctum or two: what two neighbours explain that one alone would not."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.fit import Fit, Scene, add_punctum, fisher_step, move, moved_since
from synimg.analysis.punctum import N_SHAPE, PAIRS, REACH, covariance_of

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
N_STEPS, STILL = 20, 0.01
BEYOND = 1.5  # PSF widths by which the one may move from the middle of the two


@nb.njit(cache=True, nogil=True)
def _as_one(a: Floats, b: Floats, voxel: Floats) -> Floats:
    """The punctum with the light, the middle and the covariance of two."""
    n_a, n_b = a[3:-N_SHAPE].sum(), b[3:-N_SHAPE].sum()
    share = n_a / max(n_a + n_b, 1e-9)
    one = share * a + (1.0 - share) * b
    one[3:-N_SHAPE] = a[3:-N_SHAPE] + b[3:-N_SHAPE]
    between, s = share * (1.0 - share), one.size - N_SHAPE
    for k in range(N_SHAPE):
        i, j = PAIRS[k, 0], PAIRS[k, 1]
        one[s + k] += between * (a[i] - b[i]) * voxel[i] * (a[j] - b[j]) * voxel[j]
    return one


@nb.njit(cache=True, nogil=True)
def _two_over_one(
    data: Singles,
    model: Singles,
    thetas: Floats,
    pairs: Ints,
    optics: tuple[Floats, Floats, Floats, float],
    voxel: Floats,
) -> Floats:
    psf, shift, scale, _ = optics
    found = np.empty(pairs.shape[0])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(pairs.shape[0]):
        a, b = thetas[pairs[k, 0]].copy(), thetas[pairs[k, 1]].copy()
        one = _as_one(a, b, voxel)
        covariance = covariance_of(one, psf[0], scale)
        for i in range(3):
            reach = REACH * math.sqrt(covariance[i, i]) + BEYOND * psf[0, i]
            low[i] = max(int(one[i] + shift[:, i].min() - reach), 0)
            high[i] = min(int(math.ceil(one[i] + shift[:, i].max() + reach)) + 1, data.shape[i + 1])
        for i in range(3):
            a[i] -= low[i]
            b[i] -= low[i]
            one[i] -= low[i]
        seen = data[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
        two = model[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]].copy()
        single = two.copy()
        add_punctum(single, a, psf, shift, scale, -1.0)
        add_punctum(single, b, psf, shift, scale, -1.0)
        add_punctum(single, one, psf, shift, scale, 1.0)
        information, since = np.empty((one.size, one.size)), np.inf
        for _ in range(N_STEPS):
            moved = move(one, fisher_step(seen, single, one, optics, information, since), psf)
            since = moved_since(since, moved)
            add_punctum(single, one, psf, shift, scale, 1.0)
            if moved < STILL:
                break
        gain = 0.0
        for c in range(seen.shape[0]):
            for z in range(seen.shape[1]):
                for y in range(seen.shape[2]):
                    for x in range(seen.shape[3]):
                        m2, m1 = max(two[c, z, y, x], 1e-6), max(single[c, z, y, x], 1e-6)
                        if m2 != m1:  # beyond the puncta's reach it costs time alone
                            gain += max(seen[c, z, y, x], 0.0) * math.log(m2 / m1) - (m2 - m1)
        found[k] = 2.0 * gain
    return found


def two_over_one(scene: Scene, fit: Fit, model: Singles, pairs: Ints) -> Floats:
    """Twice the log likelihood (k,) by which pairs (k, 2) of puncta explain an image better than one in the place of both.

    Parameters
    ----------
    model : (channel, z, y, x) ndarray
        Expected image of the fit.
    """
    return _two_over_one(scene.data, model, fit.theta, pairs, scene.optics, scene.voxel_um)
