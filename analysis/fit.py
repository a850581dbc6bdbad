"""Joint Poisson maximum likelihood of place, shape and counts of puncta in all channels, with Cramer-Rao standard errors.

Every punctum is a Gaussian of any shape: the point spread function widened by the synapse's own extent. Fisher scoring
of one punctum at a time against a live image of all the others (Gauss and Seidel), as long as it moves.
"""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REACH = 3.5
NEIGHBOUR = 4.0  # puncta nearer than this many widths share information
N_SHAPE = 6  # the last parameters of a punctum: its shape's covariance zz, yy, xx, zy, zx, yx
PAIRS = np.array([[0, 0], [1, 1], [2, 2], [0, 1], [0, 2], [1, 2]])  # axes of each entry of the shape
POWERS = np.array(  # powers of the distance along z, y, x in the polynomials of the gradients
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
)
VOXEL_VARIANCE = 1.0 / 12.0  # integrating over a voxel widens a Gaussian by the voxel's own variance, to fourth order


@dataclass(frozen=True)
class Scene:
    """What the fit sees.

    data : (channel, z, y, x) ndarray [electrons], plus the variance of the read noise
    background : (channel, z, y, x) ndarray [electrons], likewise
    psf_vox : (channel, 3) ndarray, standard deviations of the point spread function
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
def _covariance(theta: Floats, psf: Floats, scale: Floats) -> Floats:
    """Covariance (3, 3) [voxels^2] of a punctum in one channel."""
    c, s = np.empty((3, 3)), theta[-N_SHAPE:]
    for a in range(3):
        c[a, a] = psf[a] ** 2 + VOXEL_VARIANCE + s[a] * scale[a]
    c[0, 1] = c[1, 0] = s[3] * scale[3]
    c[0, 2] = c[2, 0] = s[4] * scale[4]
    c[1, 2] = c[2, 1] = s[5] * scale[5]
    return c


@nb.njit(cache=True, nogil=True)
def _inverse(c: Floats) -> tuple[Floats, float]:
    """Inverse and determinant of a symmetric 3 x 3 matrix."""
    inverse = np.empty((3, 3))
    inverse[0, 0] = c[1, 1] * c[2, 2] - c[1, 2] ** 2
    inverse[1, 1] = c[0, 0] * c[2, 2] - c[0, 2] ** 2
    inverse[2, 2] = c[0, 0] * c[1, 1] - c[0, 1] ** 2
    inverse[0, 1] = inverse[1, 0] = c[0, 2] * c[1, 2] - c[0, 1] * c[2, 2]
    inverse[0, 2] = inverse[2, 0] = c[0, 1] * c[1, 2] - c[0, 2] * c[1, 1]
    inverse[1, 2] = inverse[2, 1] = c[0, 1] * c[0, 2] - c[1, 2] * c[0, 0]
    determinant = c[0, 0] * inverse[0, 0] + c[0, 1] * inverse[0, 1] + c[0, 2] * inverse[0, 2]
    return inverse / determinant, determinant


@nb.njit(cache=True, nogil=True)
def _window(theta: Floats, psf: Floats, scale: Floats, shape: tuple[int, int, int]) -> Ints:
    """First and last + 1 voxel along each axis that a punctum reaches, cut at the block."""
    window = np.empty((3, 2), np.int64)
    for a in range(3):
        widest = psf[:, a].max() ** 2 + VOXEL_VARIANCE + theta[a - N_SHAPE] * scale[a]
        reach = int(math.ceil(REACH * math.sqrt(widest)))
        middle = int(round(theta[a]))
        window[a, 0] = min(max(middle - reach, 0), shape[a])
        window[a, 1] = max(min(middle + reach + 1, shape[a]), 0)
    return window


@nb.njit(cache=True, nogil=True, inline="always")
def _line(
    constant: float, slope: float, curve: float, centre: float, first: int, last: int
) -> tuple[int, int, float, float]:
    """A Gaussian ``exp(-q / 2)``, ``q = constant + slope dx + curve dx^2``, along a line of voxels.

    Returns the first and the last + 1 voxel within `REACH`, the value at the first, and the ratio of the second to it: the
    ratio falls by ``exp(-curve)`` from voxel to voxel, so that a line takes two exponentials.
    """
    root = slope * slope - 4.0 * curve * (constant - REACH * REACH)
    if root <= 0.0:
        return 0, 0, 0.0, 0.0
    root = math.sqrt(root)
    a = max(first, int(math.ceil(centre - (slope + root) / (2.0 * curve))))
    b = min(last, int(math.floor(centre - (slope - root) / (2.0 * curve))) + 1)
    if a >= b:
        return 0, 0, 0.0, 0.0
    dx = a - centre
    value = math.exp(-0.5 * (constant + dx * (slope + curve * dx)))
    return a, b, value, math.exp(-0.5 * (slope + curve * (2.0 * dx + 1.0)))


@nb.njit(cache=True, nogil=True)
def add_punctum(model: Floats, theta: Floats, psf: Floats, scale: Floats, sign: float) -> None:
    """Add (or with `sign` -1 take away) a punctum's expected electrons in every channel of `model`."""
    window = _window(theta, psf, scale, (model.shape[1], model.shape[2], model.shape[3]))
    for c in range(psf.shape[0]):
        inverse, determinant = _inverse(_covariance(theta, psf[c], scale))
        peak = sign * theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        fall = math.exp(-inverse[2, 2])
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                constant = inverse[0, 0] * dz * dz + 2.0 * inverse[0, 1] * dz * dy + inverse[1, 1] * dy * dy
                slope = 2.0 * (inverse[0, 2] * dz + inverse[1, 2] * dy)
                a, b, h, ratio = _line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
                h *= peak
                for x in range(a, b):
                    model[c, z, y, x] += h
                    h *= ratio
                    ratio *= fall


@nb.njit(cache=True, nogil=True)
def _gradient_polynomials(theta: Floats, c: int, inverse: Floats, scale: Floats) -> Floats:
    """Coefficients (parameter, 10): gradient i is the kernel times a polynomial of the distance, in the order of `POWERS`."""
    g = np.zeros((theta.size, 10))
    n, s = theta[3 + c], theta.size - N_SHAPE
    g[3 + c, 0] = 1.0
    for a in range(3):
        for b in range(3):
            g[a, 1 + b] = n * inverse[a, b]
    for k in range(6):
        a, b = PAIRS[k, 0], PAIRS[k, 1]
        factor = n * scale[k] * (0.5 if a == b else 1.0)
        g[s + k, 0] = -factor * inverse[a, b]
        for d in range(3):
            g[s + k, 4 + d] = factor * inverse[a, d] * inverse[b, d]
        for m in range(3, 6):
            d, e = PAIRS[m, 0], PAIRS[m, 1]
            g[s + k, 4 + m] = factor * (inverse[a, d] * inverse[b, e] + inverse[a, e] * inverse[b, d])
    return g


@nb.njit(cache=True, nogil=True)
def _moments(weights: Floats) -> Floats:
    """Weighted sums (10, 10) of the products of the monomials in `POWERS`, from the sums of all powers (5, 5, 5)."""
    moments = np.empty((10, 10))
    for m in range(10):
        for n in range(10):
            moments[m, n] = weights[
                POWERS[m, 0] + POWERS[n, 0], POWERS[m, 1] + POWERS[n, 1], POWERS[m, 2] + POWERS[n, 2]
            ]
    return moments


@nb.njit(cache=True, nogil=True)
def score_and_information(
    data: Floats, model: Floats, theta: Floats, psf: Floats, scale: Floats
) -> tuple[Floats, Floats]:
    """Gradient of the log likelihood by a punctum's parameters, and their Fisher information.

    Notes
    -----
    Every derivative is the kernel times a polynomial of the distance, so sums over voxels are needed of its powers
    only: five along each line of voxels, combined line by line.
    """
    score = np.zeros(theta.size)
    information = np.zeros((theta.size, theta.size))
    window = _window(theta, psf, scale, (model.shape[1], model.shape[2], model.shape[3]))
    for c in range(psf.shape[0]):
        inverse, determinant = _inverse(_covariance(theta, psf[c], scale))
        peak, fall = 1.0 / math.sqrt((2.0 * math.pi) ** 3 * determinant), math.exp(-inverse[2, 2])
        weights, excesses = np.zeros((5, 5, 5)), np.zeros((3, 3, 3))
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                constant = inverse[0, 0] * dz * dz + 2.0 * inverse[0, 1] * dz * dy + inverse[1, 1] * dy * dy
                slope = 2.0 * (inverse[0, 2] * dz + inverse[1, 2] * dy)
                a, b, h, ratio = _line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
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
                line_w, line_e = (w0, w1, w2, w3, w4), (e0, e1, e2)
                pz = 1.0
                for i in range(5):
                    py = pz
                    for j in range(5 - i):
                        for k in range(5 - i - j):
                            weights[i, j, k] += py * line_w[k]
                        if i + j < 3:
                            for k in range(3 - i - j):
                                excesses[i, j, k] += py * line_e[k]
                        py *= dy
                    pz *= dz
        residual = np.empty(10)
        for m in range(10):
            residual[m] = excesses[POWERS[m, 0], POWERS[m, 1], POWERS[m, 2]]
        g = _gradient_polynomials(theta, c, inverse, scale)
        score += g @ residual
        information += g @ _moments(weights) @ g.T
    return score, information


@nb.njit(cache=True, nogil=True)
def _prior_sd(theta: Floats, spread: float) -> float:
    """Standard deviation [um^2] of a shape's entry around the one expected from the counts."""
    return 0.7 * spread * max(theta[3:-N_SHAPE].sum(), 0.0) + 2e-4


@nb.njit(cache=True, nogil=True)
def _add_prior(score: Floats, information: Floats, theta: Floats, spread: float) -> None:
    """Prior of the shape: round, and as wide as the counts say. Faint puncta keep it, bright ones overrule it."""
    precision = 1.0 / _prior_sd(theta, spread) ** 2
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
    scale: Floats,
    spread: float,
) -> None:
    """One Fisher step of every active punctum, in order; those that stand still become inactive."""
    for i in range(thetas.shape[0]):
        if not active[i]:
            continue
        theta = thetas[i]
        score, information = score_and_information(data, model, theta, psf, scale)
        _add_prior(score, information, theta, spread)
        for k in range(theta.size):  # a little of the diagonal keeps the matrix regular where a count is zero
            information[k, k] = information[k, k] * (1.0 + 1e-6) + 1e-9
        step = np.linalg.solve(information, score)
        add_punctum(model, theta, psf, scale, -1.0)
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
        add_punctum(model, theta, psf, scale, 1.0)
        if moved < 3e-3:
            active[i] = False


def model_of(scene: Scene, fit: Fit) -> Floats:
    """Expected image (channel, z, y, x) of background and puncta."""
    model = scene.background.copy()
    for theta in fit.theta:
        add_punctum(model, theta, scene.psf_vox, scene.shape_scale, 1.0)
    return model


def fit_puncta(scene: Scene, theta: Floats, n_sweeps: int = 24) -> Fit:
    """Maximum likelihood of all puncta together, from the rows `theta` on; at most `n_sweeps` rounds."""
    fit = Fit(theta.copy())
    model = model_of(scene, fit)
    active = np.ones(len(theta), bool)
    for sweep in range(n_sweeps):
        if not active.any():
            break
        _sweep(scene.data, model, fit.theta, active, scene.psf_vox, scene.shape_scale, scene.spread_um2)
        if sweep in {5, 11}:  # a frozen punctum whose neighbour has moved since gets another look
            active[:] = True
    return fit


@nb.njit(cache=True, nogil=True)
def _gains(data: Floats, model: Floats, thetas: Floats, psf: Floats, scale: Floats) -> Floats:
    found = np.zeros(thetas.shape[0])
    shape = (model.shape[1], model.shape[2], model.shape[3])
    for i in range(thetas.shape[0]):
        theta = thetas[i]
        window = _window(theta, psf, scale, shape)
        for c in range(psf.shape[0]):
            inverse, determinant = _inverse(_covariance(theta, psf[c], scale))
            peak = theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
            fall = math.exp(-inverse[2, 2])
            for z in range(window[0, 0], window[0, 1]):
                dz = z - theta[0]
                for y in range(window[1, 0], window[1, 1]):
                    dy = y - theta[1]
                    constant = inverse[0, 0] * dz * dz + 2.0 * inverse[0, 1] * dz * dy + inverse[1, 1] * dy * dy
                    slope = 2.0 * (inverse[0, 2] * dz + inverse[1, 2] * dy)
                    a, b, h, ratio = _line(constant, slope, inverse[2, 2], theta[2], window[2, 0], window[2, 1])
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
    return _gains(scene.data, model, fit.theta, scene.psf_vox, scene.shape_scale)


def standard_errors(scene: Scene, fit: Fit, model: Floats) -> Floats:
    """Cramer-Rao standard errors (n, 3 + channels) of z, y, x [voxels] and the electrons in each channel.

    The Fisher matrix is that of the punctum with all neighbours within 4 widths, whose parameters are free too.
    """
    n = len(fit.theta)
    if not n:
        return np.zeros((0, 3 + len(scene.data)))
    scaled = fit.points_vox / scene.psf_vox.mean(axis=0)
    pairs = cKDTree(scaled).query_pairs(NEIGHBOUR, output_type="ndarray")
    pairs = np.vstack([np.column_stack([np.arange(n)] * 2), pairs, pairs[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]  # each group in order, the punctum itself among them
    first = np.searchsorted(pairs[:, 0], np.arange(n + 1))
    return _errors(model, fit.theta, first, pairs[:, 1].copy(), scene.psf_vox, scene.shape_scale, scene.spread_um2)


@nb.njit(cache=True, nogil=True)
def _errors(
    model: Floats, thetas: Floats, first: Ints, partner: Ints, psf: Floats, scale: Floats, spread: float
) -> Floats:
    """Standard errors from the information that puncta share; the group of i is ``partner[first[i]:first[i + 1]]``."""
    n, n_each = thetas.shape
    n_errors = n_each - N_SHAPE
    blocks = np.empty((partner.size, n_each, n_each))
    for i in range(n):
        for k in range(first[i], first[i + 1]):
            j = partner[k]
            if j >= i:
                blocks[k] = shared_information(model, thetas[i], thetas[j], psf, scale)
            else:
                back = first[j] + np.searchsorted(partner[first[j] : first[j + 1]], i)
                blocks[k] = blocks[back].T
            if j == i:
                precision = 1.0 / _prior_sd(thetas[i], spread) ** 2
                for s in range(n_errors, n_each):
                    blocks[k, s, s] += precision
                for s in range(n_each):
                    blocks[k, s, s] = blocks[k, s, s] * (1.0 + 1e-9) + 1e-12
    errors = np.empty((n, n_errors))
    for i in range(n):
        group = partner[first[i] : first[i + 1]]
        size = group.size
        information = np.zeros((size * n_each, size * n_each))
        for u in range(size):
            own_group = partner[first[group[u]] : first[group[u] + 1]]
            for v in range(u, size):
                k = np.searchsorted(own_group, group[v])
                if k < own_group.size and own_group[k] == group[v]:
                    block = blocks[first[group[u]] + k]
                else:  # neighbours on both sides; without what they share the matrix would not be an information
                    block = shared_information(model, thetas[group[u]], thetas[group[v]], psf, scale)
                information[u * n_each : (u + 1) * n_each, v * n_each : (v + 1) * n_each] = block
                information[v * n_each : (v + 1) * n_each, u * n_each : (u + 1) * n_each] = block.T
        own = np.searchsorted(group, i) * n_each
        wanted = np.zeros((size * n_each, n_errors))
        for s in range(n_errors):
            wanted[own + s, s] = 1.0
        covariance = np.linalg.solve(information, wanted)
        for s in range(n_errors):
            errors[i, s] = math.sqrt(max(covariance[own + s, s], 0.0))
    return errors


@nb.njit(cache=True, nogil=True)
def shared_information(model: Floats, one: Floats, other: Floats, psf: Floats, scale: Floats) -> Floats:
    """Fisher information between the parameters of two puncta: the sum of the products of their gradients over the model.

    Notes
    -----
    As in `score_and_information` sums of powers of the distance from `one` are enough: the gradients of `other` are
    polynomials of that distance, too.
    """
    information = np.zeros((one.size, other.size))
    shape = (model.shape[1], model.shape[2], model.shape[3])
    mine, its = _window(one, psf, scale, shape), _window(other, psf, scale, shape)
    shift = _shifted(one[:3] - other[:3])
    for c in range(psf.shape[0]):
        p, p_determinant = _inverse(_covariance(one, psf[c], scale))
        q, q_determinant = _inverse(_covariance(other, psf[c], scale))
        peak = 1.0 / ((2.0 * math.pi) ** 3 * math.sqrt(p_determinant * q_determinant))
        fall = math.exp(-p[2, 2] - q[2, 2])
        weights = np.zeros((5, 5, 5))
        for z in range(max(mine[0, 0], its[0, 0]), min(mine[0, 1], its[0, 1])):
            dz, ez = z - one[0], z - other[0]
            for y in range(max(mine[1, 0], its[1, 0]), min(mine[1, 1], its[1, 1])):
                dy, ey = y - one[1], y - other[1]
                p_constant = p[0, 0] * dz * dz + 2.0 * p[0, 1] * dz * dy + p[1, 1] * dy * dy
                q_constant = q[0, 0] * ez * ez + 2.0 * q[0, 1] * ez * ey + q[1, 1] * ey * ey
                p_slope = 2.0 * (p[0, 2] * dz + p[1, 2] * dy)
                q_slope = 2.0 * (q[0, 2] * ez + q[1, 2] * ey)
                a, b, _, _ = _line(p_constant, p_slope, p[2, 2], one[2], mine[2, 0], mine[2, 1])
                a, b, _, _ = _line(q_constant, q_slope, q[2, 2], other[2], a, b)
                if a >= b:
                    continue
                dx, ex = a - one[2], a - other[2]
                squared = p_constant + dx * (p_slope + p[2, 2] * dx) + q_constant + ex * (q_slope + q[2, 2] * ex)
                h = peak * math.exp(-0.5 * squared)
                ratio = math.exp(-0.5 * (p_slope + p[2, 2] * (2.0 * dx + 1.0) + q_slope + q[2, 2] * (2.0 * ex + 1.0)))
                w0, w1, w2, w3, w4 = 0.0, 0.0, 0.0, 0.0, 0.0
                for x in range(a, b):
                    dx = x - one[2]
                    w = h / max(model[c, z, y, x], 1e-6)
                    w0 += w
                    w *= dx
                    w1 += w
                    w *= dx
                    w2 += w
                    w *= dx
                    w3 += w
                    w4 += w * dx
                    h *= ratio
                    ratio *= fall
                line = (w0, w1, w2, w3, w4)
                pz = 1.0
                for i in range(5):
                    py = pz
                    for j in range(5 - i):
                        for k in range(5 - i - j):
                            weights[i, j, k] += py * line[k]
                        py *= dy
                    pz *= dz
        g_one = _gradient_polynomials(one, c, p, scale)
        g_other = _gradient_polynomials(other, c, q, scale) @ shift
        information += g_one @ _moments(weights) @ g_other.T
    return information


@nb.njit(cache=True, nogil=True)
def _shifted(by: Floats) -> Floats:
    """Monomials (10, in the order of `POWERS`) of ``d + by`` as sums of those of d: the matrix (10, 10)."""
    matrix = np.eye(10)
    for a in range(3):
        matrix[1 + a, 0] = by[a]
    for m in range(6):
        a, b = PAIRS[m, 0], PAIRS[m, 1]
        matrix[4 + m, 0] = by[a] * by[b]
        matrix[4 + m, 1 + b] += by[a]
        matrix[4 + m, 1 + a] += by[b]
    return matrix
