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


@nb.njit(cache=True, nogil=True)
def add_punctum(model: Floats, theta: Floats, psf: Floats, scale: Floats, sign: float) -> None:
    """Add (or with `sign` -1 take away) a punctum's expected electrons in every channel of `model`."""
    window = _window(theta, psf, scale, (model.shape[1], model.shape[2], model.shape[3]))
    for c in range(psf.shape[0]):
        inverse, determinant = _inverse(_covariance(theta, psf[c], scale))
        peak = sign * theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                for x in range(window[2, 0], window[2, 1]):
                    dx = x - theta[2]
                    qz = inverse[0, 0] * dz + inverse[0, 1] * dy + inverse[0, 2] * dx
                    qy = inverse[0, 1] * dz + inverse[1, 1] * dy + inverse[1, 2] * dx
                    qx = inverse[0, 2] * dz + inverse[1, 2] * dy + inverse[2, 2] * dx
                    squared = dz * qz + dy * qy + dx * qx
                    if squared < REACH**2:
                        model[c, z, y, x] += peak * math.exp(-0.5 * squared)


@nb.njit(cache=True, nogil=True)
def _gradient(
    gradient: Floats, theta: Floats, c: int, inverse: Floats, peak: float, scale: Floats, z: int, y: int, x: int
) -> bool:
    """Fill `gradient` with the derivatives of a punctum's expected electrons in one voxel of channel `c`.

    Returns False, with zeros, where the voxel is out of the punctum's reach.
    """
    dz, dy, dx = z - theta[0], y - theta[1], x - theta[2]
    qz = inverse[0, 0] * dz + inverse[0, 1] * dy + inverse[0, 2] * dx
    qy = inverse[0, 1] * dz + inverse[1, 1] * dy + inverse[1, 2] * dx
    qx = inverse[0, 2] * dz + inverse[1, 2] * dy + inverse[2, 2] * dx
    squared = dz * qz + dy * qy + dx * qx
    if squared >= REACH**2:
        gradient[:] = 0.0
        return False
    h = peak * math.exp(-0.5 * squared)
    nh = theta[3 + c] * h
    gradient[0], gradient[1], gradient[2] = nh * qz, nh * qy, nh * qx
    gradient[3:-N_SHAPE] = 0.0
    gradient[3 + c] = h
    gradient[-6] = 0.5 * nh * (qz * qz - inverse[0, 0]) * scale[0]
    gradient[-5] = 0.5 * nh * (qy * qy - inverse[1, 1]) * scale[1]
    gradient[-4] = 0.5 * nh * (qx * qx - inverse[2, 2]) * scale[2]
    gradient[-3] = nh * (qz * qy - inverse[0, 1]) * scale[3]
    gradient[-2] = nh * (qz * qx - inverse[0, 2]) * scale[4]
    gradient[-1] = nh * (qy * qx - inverse[1, 2]) * scale[5]
    return True


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
        peak = 1.0 / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        weights, excesses = np.zeros((5, 5, 5)), np.zeros((3, 3, 3))
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                constant = inverse[0, 0] * dz * dz + 2.0 * inverse[0, 1] * dz * dy + inverse[1, 1] * dy * dy
                slope = 2.0 * (inverse[0, 2] * dz + inverse[1, 2] * dy)
                w0, w1, w2, w3, w4, e0, e1, e2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for x in range(window[2, 0], window[2, 1]):
                    dx = x - theta[2]
                    squared = constant + dx * (slope + inverse[2, 2] * dx)
                    if squared >= REACH**2:
                        continue
                    h = peak * math.exp(-0.5 * squared)
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
        moments, residual = np.empty((10, 10)), np.empty(10)
        for m in range(10):
            residual[m] = excesses[POWERS[m, 0], POWERS[m, 1], POWERS[m, 2]]
            for n in range(10):
                moments[m, n] = weights[
                    POWERS[m, 0] + POWERS[n, 0], POWERS[m, 1] + POWERS[n, 1], POWERS[m, 2] + POWERS[n, 2]
                ]
        g = _gradient_polynomials(theta, c, inverse, scale)
        score += g @ residual
        information += g @ moments @ g.T
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
def gain_of(data: Floats, model: Floats, theta: Floats, psf: Floats, scale: Floats) -> float:
    """Twice the log likelihood that is lost when a punctum is taken out and nothing else changes."""
    window = _window(theta, psf, scale, (model.shape[1], model.shape[2], model.shape[3]))
    total = 0.0
    for c in range(psf.shape[0]):
        inverse, determinant = _inverse(_covariance(theta, psf[c], scale))
        peak = theta[3 + c] / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        for z in range(window[0, 0], window[0, 1]):
            dz = z - theta[0]
            for y in range(window[1, 0], window[1, 1]):
                dy = y - theta[1]
                for x in range(window[2, 0], window[2, 1]):
                    dx = x - theta[2]
                    qz = inverse[0, 0] * dz + inverse[0, 1] * dy + inverse[0, 2] * dx
                    qy = inverse[0, 1] * dz + inverse[1, 1] * dy + inverse[1, 2] * dx
                    qx = inverse[0, 2] * dz + inverse[1, 2] * dy + inverse[2, 2] * dx
                    squared = dz * qz + dy * qy + dx * qx
                    if squared >= REACH**2:
                        continue
                    part = peak * math.exp(-0.5 * squared)
                    m = max(model[c, z, y, x], 1e-6)
                    without = max(m - part, 1e-6)
                    total += max(data[c, z, y, x], 0.0) * math.log(m / without) - (m - without)
    return 2.0 * total


def gains(scene: Scene, fit: Fit, model: Floats) -> Floats:
    """Likelihood ratio statistic (n,) of every punctum against its absence."""
    psf, scale = scene.psf_vox, scene.shape_scale
    return np.array([gain_of(scene.data, model, theta, psf, scale) for theta in fit.theta])


def standard_errors(scene: Scene, fit: Fit, model: Floats) -> Floats:
    """Cramer-Rao standard errors (n, 3 + channels) of z, y, x [voxels] and the electrons in each channel.

    The Fisher matrix is that of the punctum with all neighbours within 4 widths, whose parameters are free too.
    """
    n, n_errors = len(fit.theta), 3 + len(scene.data)
    errors = np.full((n, n_errors), np.nan)
    scaled = fit.points_vox / scene.psf_vox.mean(axis=0)
    neighbours = cKDTree(scaled).query_ball_point(scaled, 4.0) if n else []
    for i, near in enumerate(neighbours):
        group = np.array([i, *sorted(j for j in near if j != i)])
        information = _joint_information(model, fit.theta[group], scene.psf_vox, scene.shape_scale, scene.spread_um2)
        covariance = np.linalg.pinv(information, hermitian=True)
        errors[i] = np.sqrt(np.maximum(np.diag(covariance)[:n_errors], 0.0))
    return errors


@nb.njit(cache=True, nogil=True)
def _joint_information(model: Floats, thetas: Floats, psf: Floats, scale: Floats, spread: float) -> Floats:
    """Fisher information of several puncta (and their shapes' prior) over the voxels that any of them reaches."""
    n_points, n_each = thetas.shape
    size = n_each * n_points
    information = np.zeros((size, size))
    shape = (model.shape[1], model.shape[2], model.shape[3])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    low[:], high[:] = 1 << 40, -1
    for i in range(n_points):
        window = _window(thetas[i], psf, scale, shape)
        low = np.minimum(low, window[:, 0])
        high = np.maximum(high, window[:, 1])
    gradient = np.zeros(size)
    for c in range(psf.shape[0]):
        inverses = np.empty((n_points, 3, 3))
        peaks = np.empty(n_points)
        for i in range(n_points):
            inverses[i], determinant = _inverse(_covariance(thetas[i], psf[c], scale))
            peaks[i] = 1.0 / math.sqrt((2.0 * math.pi) ** 3 * determinant)
        for z in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                for x in range(low[2], high[2]):
                    m = max(model[c, z, y, x], 1e-6)
                    for i in range(n_points):
                        part = gradient[n_each * i : n_each * (i + 1)]
                        _gradient(part, thetas[i], c, inverses[i], peaks[i], scale, z, y, x)
                    for a in range(size):
                        weighted = gradient[a] / m
                        for b in range(a + 1):
                            information[a, b] += weighted * gradient[b]
    for i in range(n_points):
        precision = 1.0 / _prior_sd(thetas[i], spread) ** 2
        for k in range(n_each * (i + 1) - N_SHAPE, n_each * (i + 1)):
            information[k, k] += precision
    for a in range(size):
        for b in range(a):
            information[b, a] = information[a, b]
    return information
