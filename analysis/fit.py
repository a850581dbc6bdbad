"""Joint Poisson maximum likelihood of place, shape and counts of puncta in all channels.

Every punctum is a Gaussian of any shape: the point spread function widened by the synapse's own extent. Fisher scoring
of one punctum at a time against a live image of all the others (Gauss and Seidel), as long as it moves.
"""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.punctum import (
    N_SHAPE,
    PAIRS,
    POWERS,
    add_powers,
    along_x,
    covariance_of,
    gradient_polynomials,
    in_channel,
    inverse_of,
    moments_of,
    on_line,
    prior_sd,
    window_of,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """What the fit sees.

    data : (channel, z, y, x) ndarray [electrons], plus the variance of the read noise
    background : (channel, z, y, x) ndarray [electrons], likewise
    psf_vox : (channel, 3) ndarray, standard deviations of the point spread function
    shift_vox : (channel, 3) ndarray, where each channel shows what lies at 0
    voxel_um : (3,) ndarray
    spread_um2 : float, expected variance of a synapse's shape per axis and electron [um^2 / electron]

    Notes
    -----
    Poisson plus normal read noise is close to a Poisson shifted by the read noise's variance (Huang et al. 2013,
    Nat Methods 10:653), so that variance is in `data` and in `background`.
    """

    data: Floats
    background: Floats
    psf_vox: Floats
    shift_vox: Floats
    voxel_um: Floats
    spread_um2: float

    @property
    def n_parameters(self) -> int:
        """Place, electrons in each channel, and the shape."""
        return 3 + len(self.data) + N_SHAPE

    @property
    def shape_scale(self) -> Floats:
        """Voxels^2 per um^2 for each entry of the shape: zz, yy, xx, zy, zx, yx."""
        v = self.voxel_um
        return 1.0 / np.array([v[0] ** 2, v[1] ** 2, v[2] ** 2, v[0] * v[1], v[0] * v[2], v[1] * v[2]])


@dataclass(frozen=True)
class Fit:
    """Puncta of a scene, one row each.

    theta : (n, 9 + channels) ndarray: z, y, x [voxels], electrons in each channel, and the shape's covariance zz, yy,
        xx, zy, zx, yx [um^2] without the point spread function
    """

    theta: Floats

    @classmethod
    def none(cls, scene: Scene) -> "Fit":
        """No puncta."""
        return cls(np.zeros((0, scene.n_parameters)))

    @property
    def points_vox(self) -> Floats:
        """Centres (n, 3)."""
        return self.theta[:, :3]

    @property
    def electrons(self) -> Floats:
        """Counts (n, channels)."""
        return self.theta[:, 3:-N_SHAPE]

    def keep(self, which: NDArray[np.bool_]) -> "Fit":
        """The puncta for which `which` is true."""
        return Fit(self.theta[which])


def start(points_vox: Floats, electrons: Floats, scene: Scene) -> Floats:
    """Rows of `Fit.theta` to begin a fit with: round shapes of the expected width."""
    theta, counts = np.zeros((len(points_vox), scene.n_parameters)), np.maximum(electrons, 1.0)
    theta[:, :3], theta[:, 3:-N_SHAPE] = points_vox, counts
    theta[:, -N_SHAPE:-3] = (scene.spread_um2 * counts.sum(axis=1))[:, None]
    return theta


def split(scene: Scene, fit: Fit, least_excess: float) -> Floats:
    """Rows of `Fit.theta` with every punctum that is too long for one synapse replaced by two along its long axis.

    Parameters
    ----------
    least_excess : float
        Variance along the long axis, in squares of the PSF's width, beyond twice that expected from the counts: a disc on
        edge has one and a half times that of its mean.
    """
    psf_um = scene.psf_vox.mean(axis=0) * scene.voxel_um
    entries = fit.theta[:, -N_SHAPE:] / (psf_um[PAIRS[:, 0]] * psf_um[PAIRS[:, 1]])
    shape = np.empty((len(fit.theta), 3, 3))
    shape[:, PAIRS[:, 0], PAIRS[:, 1]] = shape[:, PAIRS[:, 1], PAIRS[:, 0]] = entries
    variances, axes = np.linalg.eigh(shape)
    expected = scene.spread_um2 * fit.electrons.sum(axis=1) / psf_um.min() ** 2
    is_long = variances[:, 2] > 2.0 * expected + least_excess
    if not is_long.any():
        return fit.theta
    half = (np.sqrt(variances[:, 2])[:, None] * axes[:, :, 2])[is_long] * scene.psf_vox.mean(axis=0)
    parts = [start(fit.points_vox[is_long] + sign * half, fit.electrons[is_long] / 2, scene) for sign in (-1, 1)]
    return np.vstack([fit.theta[~is_long], *parts])


@nb.njit(cache=True, nogil=True)
def add_punctum(model: Floats, whole: Floats, psf: Floats, shift: Floats, scale: Floats, sign: float) -> None:
    """Add (or with `sign` -1 take away) a punctum's expected electrons in every channel of `model`."""
    for c in range(psf.shape[0]):
        theta = in_channel(whole, shift[c])
        window = window_of(theta, psf[c], scale, (model.shape[1], model.shape[2], model.shape[3]))
        inverse, determinant = inverse_of(covariance_of(theta, psf[c], scale))
        peak = sign * theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        fall = math.exp(-inverse[2, 2])
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                constant, slope = along_x(inverse, dz, dy)
                a, b, h, ratio = on_line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
                h *= peak
                for x in range(a, b):
                    model[c, z, y, x] += h
                    h *= ratio
                    ratio *= fall


@nb.njit(cache=True, nogil=True)
def score_and_information(
    data: Floats, model: Floats, whole: Floats, psf: Floats, shift: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """Gradient of the log likelihood by a punctum's parameters, and their Fisher information.

    Notes
    -----
    Every derivative is the kernel times a polynomial of the distance, so sums over voxels are needed of its powers
    only: five along each line of voxels, combined line by line.
    """
    score = np.zeros(whole.size)
    information = np.zeros((whole.size, whole.size))
    for c in range(psf.shape[0]):
        theta = in_channel(whole, shift[c])
        window = window_of(theta, psf[c], scale, (model.shape[1], model.shape[2], model.shape[3]))
        inverse, determinant = inverse_of(covariance_of(theta, psf[c], scale))
        peak, fall = 1.0 / math.sqrt((2.0 * math.pi) ** 3 * determinant), math.exp(-inverse[2, 2])
        weights, excesses = np.zeros((5, 5, 5)), np.zeros((3, 3, 3))
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                constant, slope = along_x(inverse, dz, dy)
                a, b, h, ratio = on_line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
                h *= peak
                w0, w1, w2, w3, w4, e0, e1, e2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for x in range(a, b):
                    dx = x - theta[2]
                    per_model = h / max(model[c, z, y, x], 1e-6)
                    w, e = h * per_model, data[c, z, y, x] * per_model - h
                    w0 += w
                    e0 += e
                    w *= dx
                    e *= dx
                    w1 += w
                    e1 += e
                    w *= dx
                    w2 += w
                    e2 += e * dx
                    w *= dx
                    w3 += w
                    w4 += w * dx
                    h *= ratio
                    ratio *= fall
                if w0 == 0.0:
                    continue
                add_powers(weights, (w0, w1, w2, w3, w4), dz, dy)
                add_powers(excesses, (e0, e1, e2), dz, dy)
        residual = np.empty(10)
        for m in range(10):
            residual[m] = excesses[POWERS[m, 0], POWERS[m, 1], POWERS[m, 2]]
        g = gradient_polynomials(theta, c, inverse, scale)
        score += g @ residual
        information += g @ moments_of(weights) @ g.T
    return score, information


@nb.njit(cache=True, nogil=True)
def _add_prior(score: Floats, information: Floats, theta: Floats, spread: float) -> None:
    """Prior of the shape: round, and as wide as the counts say. Faint puncta keep it, bright ones overrule it."""
    precision = 1.0 / prior_sd(theta, spread) ** 2
    expected = spread * max(theta[3:-N_SHAPE].sum(), 0.0)
    for k in range(theta.size - N_SHAPE, theta.size):
        mean = expected if k < theta.size - 3 else 0.0
        score[k] += precision * (mean - theta[k])
        information[k, k] += precision


@nb.njit(cache=True, nogil=True)
def _no_negative_shape(theta: Floats) -> None:
    """Replace a shape by the nearest that is a covariance: no negative variance along any direction."""
    s = np.empty((3, 3))
    for a in range(3):
        s[a, a] = theta[a - N_SHAPE]
    s[0, 1] = s[1, 0] = theta[-3]
    s[0, 2] = s[2, 0] = theta[-2]
    s[1, 2] = s[2, 1] = theta[-1]
    values, vectors = np.linalg.eigh(s)
    if values[0] >= 0.0 and values[2] <= 0.04:
        return
    clipped = np.minimum(np.maximum(values, 0.0), 0.04)  # an sd of 0.2 um is a synapse of 0.8 um
    s = (vectors * clipped) @ vectors.T
    for a in range(3):
        theta[a - N_SHAPE] = s[a, a]
    theta[-3], theta[-2], theta[-1] = s[0, 1], s[0, 2], s[1, 2]


@nb.njit(cache=True, nogil=True)
def _sweep(
    data: Floats,
    model: Floats,
    thetas: Floats,
    active: NDArray[np.bool_],
    psf: Floats,
    shift: Floats,
    scale: Floats,
    spread: float,
) -> None:
    """One Fisher step of every active punctum, in order; those that stand still become inactive."""
    for i in range(thetas.shape[0]):
        if not active[i]:
            continue
        theta = thetas[i]
        score, information = score_and_information(data, model, theta, psf, shift, scale)
        _add_prior(score, information, theta, spread)
        for k in range(theta.size):  # a little of the diagonal keeps the matrix regular where a count is zero
            information[k, k] = information[k, k] * (1.0 + 1e-6) + 1e-9
        step = np.linalg.solve(information, score)
        add_punctum(model, theta, psf, shift, scale, -1.0)
        moved = 0.0
        for a in range(3):
            limit = 0.3 * psf[0, a]
            move = min(max(step[a], -limit), limit)
            theta[a] += move
            moved = max(moved, abs(move) / psf[0, a])
        for c in range(psf.shape[0]):
            old = theta[3 + c]
            theta[3 + c] = min(max(old + step[3 + c], 0.0), 2.0 * old + 100.0)
            moved = max(moved, abs(theta[3 + c] - old) / (theta[3 + c] + 20.0))
        for k in range(theta.size - N_SHAPE, theta.size):
            theta[k] += min(max(step[k], -0.004), 0.004)
        _no_negative_shape(theta)
        add_punctum(model, theta, psf, shift, scale, 1.0)
        if moved < 3e-3:
            active[i] = False


def model_of(scene: Scene, fit: Fit) -> Floats:
    """Expected image (channel, z, y, x) of background and puncta."""
    model = scene.background.copy()
    for theta in fit.theta:
        add_punctum(model, theta, scene.psf_vox, scene.shift_vox, scene.shape_scale, 1.0)
    return model


def fit_puncta(scene: Scene, theta: Floats, n_sweeps: int = 24) -> Fit:
    """Maximum likelihood of all puncta together, from the rows `theta` on; at most `n_sweeps` rounds."""
    fit = Fit(theta.copy())
    model = model_of(scene, fit)
    active = np.ones(len(theta), bool)
    for sweep in range(n_sweeps):
        if not active.any():
            break
        _sweep(
            scene.data, model, fit.theta, active, scene.psf_vox, scene.shift_vox, scene.shape_scale, scene.spread_um2
        )
        if sweep in {5, 11}:  # a frozen punctum whose neighbour has moved since gets another look
            active[:] = True
    return fit


@nb.njit(cache=True, nogil=True)
def _gains(data: Floats, model: Floats, thetas: Floats, psf: Floats, shift: Floats, scale: Floats) -> Floats:
    found = np.zeros(thetas.shape[0])
    shape = (model.shape[1], model.shape[2], model.shape[3])
    for i in range(thetas.shape[0]):
        for c in range(psf.shape[0]):
            theta = in_channel(thetas[i], shift[c])
            window = window_of(theta, psf[c], scale, shape)
            inverse, determinant = inverse_of(covariance_of(theta, psf[c], scale))
            peak = theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
            fall = math.exp(-inverse[2, 2])
            for z in range(window[0, 0], window[0, 1]):
                dz = z - theta[0]
                for y in range(window[1, 0], window[1, 1]):
                    dy = y - theta[1]
                    constant, slope = along_x(inverse, dz, dy)
                    a, b, h, ratio = on_line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
                    h *= peak
                    for x in range(a, b):
                        m = max(model[c, z, y, x], 1e-6)
                        without = max(m - h, 1e-6)
                        found[i] += max(data[c, z, y, x], 0.0) * math.log(m / without) - (m - without)
                        h *= ratio
                        ratio *= fall
    return 2.0 * found


def gains(scene: Scene, fit: Fit, model: Floats) -> Floats:
    """Twice the log likelihood (n,) that is lost when a punctum is taken out and nothing else changes."""
    return _gains(scene.data, model, fit.theta, scene.psf_vox, scene.shift_vox, scene.shape_scale)


CORE = 1.5  # PSF widths around the middle that a misfit is told from


@nb.njit(cache=True, nogil=True)
def _cores(data: Floats, model: Floats, thetas: Floats, psf: Floats, shift: Floats) -> tuple[Floats, Floats]:
    misfit, brightest = np.zeros(thetas.shape[0]), np.zeros((thetas.shape[0], psf.shape[0]))
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for i in range(thetas.shape[0]):
        n = 0
        for c in range(psf.shape[0]):
            for a in range(3):
                middle = thetas[i, a] + shift[c, a]
                low[a] = max(int(math.ceil(middle - CORE * psf[c, a])), 0)
                high[a] = min(int(math.floor(middle + CORE * psf[c, a])) + 1, data.shape[a + 1])
            for z in range(low[0], high[0]):
                for y in range(low[1], high[1]):
                    for x in range(low[2], high[2]):
                        misfit[i] += (data[c, z, y, x] - model[c, z, y, x]) ** 2 / max(model[c, z, y, x], 1e-6)
                        brightest[i, c] = max(brightest[i, c], data[c, z, y, x])
                        n += 1
        misfit[i] /= max(n, 1)
    return misfit, brightest


def cores(scene: Scene, fit: Fit, model: Floats) -> tuple[Floats, Floats]:
    """Chi square per voxel (n,) in the puncta's cores, 1 where the model is right; brightest voxel there (n, channels)."""
    return _cores(scene.data, model, fit.theta, scene.psf_vox, scene.shift_vox)
