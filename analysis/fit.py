"""Joint Poisson maximum likelihood of place, shape and counts of puncta in all channels.

Every punctum is a Gaussian of any shape: the point spread function widened by the synapse's own extent. Fisher scoring
of one punctum at a time against a live image of all the others (Gauss and Seidel), as long as it moves.
"""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.analysis.punctum import (
    EXCESSES,
    LEAST,
    N_EXCESSES,
    N_POWERS,
    N_SCRATCH,
    N_SHAPE,
    PAIRS,
    POWERS,
    RISE,
    WEIGHTS,
    add_excess_columns,
    add_excesses,
    add_information,
    add_powers,
    add_weight_columns,
    add_weights,
    first_line,
    gradient_polynomials,
    in_voxels,
    moments_of,
    prior_sd,
    sections_of,
)
from synimg.analysis.symmetric import diagonalise, solve

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
STILL = 2e-3  # widths, or share of a count
ALIKE = 0.1  # likewise: a punctum that has moved less has the Fisher information of before
FELT = 3.5  # widths; the overlap of two Gaussians that far apart is 5 %
LONGER, LONGEST = 1.2, 1.7
"""Steps that go on in one direction become so many times as long, until they are so many times Fisher's; a turn ends it. With
longer ones what changes in one place is felt farther away, beyond the margin around a damaged chunk too."""
PER_UM2 = 980.0  # receptors of a postsynaptic density (Tanaka et al. 2005, J Neurosci 25:799: about 1000)
LARGEST_SHAPE = 0.04  # um^2: an sd of 0.2 um is a synapse of 0.8 um


@dataclass(frozen=True)
class Scene:
    """What the fit sees.

    data : (channel, z, y, x) ndarray of single precision [electrons], plus the variance of the read noise
    background : (channel, z, y, x) ndarray of single precision [electrons], likewise
    psf_vox : (channel, 3) ndarray, standard deviations of the point spread function
    shift_vox : (channel, 3) ndarray, where each channel shows what lies at 0
    voxel_um : (3,) ndarray
    spread_um2 : float, variance of a synapse's shape per axis and electron [um^2 / electron], as bright puncta show it: with
        what the point spread function is no Gaussian
    receptor_electrons : float [electrons], what counts for one receptor: more than its mean where dyes are unequally bright, as if
        they were fewer and brighter (`Recording.n_receptors`); None if that is not known
    read_noise : float or (y, x) ndarray [electrons]
    skirt : (channel, z, y, x) ndarray, light around a punctum beyond its Gaussian, per electron in it; None where it has none
    beside : (channel, z, y, x) ndarray [electrons], what of `background` is the light of skirts; None before puncta are known

    Notes
    -----
    Poisson plus normal read noise is close to a Poisson shifted by the read noise's variance (Huang et al. 2013,
    Nat Methods 10:653), so that variance is in `data` and in `background`.
    """

    data: Singles
    background: Singles
    psf_vox: Floats
    shift_vox: Floats
    voxel_um: Floats
    spread_um2: float
    receptor_electrons: float | None = None
    read_noise: Floats | float = 0.0
    skirt: Singles | None = None
    beside: Singles | None = None

    def __post_init__(self) -> None:
        # images are what the memory has to bring along: half as much of it, and sums over voxels are in double precision
        for name in ("data", "background"):
            object.__setattr__(self, name, getattr(self, name).astype(np.float32, copy=False))

    @property
    def prior_um2(self) -> float:
        """Variance per axis and electron [um^2 / electron] at which the prior of a shape is centred.

        Where it is known, no more than its receptors need (a disc seen from all sides has radius^2 / 6 per axis): a wider one takes
        in neighbours, and what the point spread function is no Gaussian.
        """
        return min(self.spread_um2, self.disc_um2 / 6.0) if self.disc_um2 else self.spread_um2

    @property
    def disc_um2(self) -> float:
        """Squared radius of the disc that a synapse's receptors fill [um^2 / electron]; 0 if their light is not known."""
        return 1.0 / (np.pi * PER_UM2 * self.receptor_electrons) if self.receptor_electrons else 0.0

    @property
    def psf_um(self) -> Floats:
        """Standard deviations (3,) [um] of the point spread function, the channels' mean."""
        um: Floats = self.psf_vox.mean(axis=0) * self.voxel_um
        return um

    @property
    def optics(self) -> tuple[Floats, Floats, Floats, float]:
        """What a step of the fit needs of it: widths, shifts, scale and prior of shapes."""
        return self.psf_vox, self.shift_vox, self.shape_scale, float(self.prior_um2)

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
    unrest : (n,) ndarray, about how far each may still be from where it fits best, in widths; None where nothing is known
    """

    theta: Floats
    unrest: Floats | None = None

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
        return Fit(self.theta[which], None if self.unrest is None else self.unrest[which])

    def joined(self, theta: Floats) -> "Fit":
        """These puncta and others, of which nothing is known but their parameters."""
        unrest = np.ones(len(self.theta)) if self.unrest is None else self.unrest
        return Fit(np.vstack([self.theta, theta]), np.append(unrest, np.ones(len(theta))))

    def in_rows(self, scene: Scene) -> "Fit":
        """The same puncta in an order in which neighbours follow each other: their voxels stay in the processor's cache."""
        z, y, x = self.points_vox.T
        wide = 8.0 * scene.psf_vox.mean(axis=0)
        order = np.lexsort((z, np.floor(x / wide[2]), np.floor(y / wide[1])))
        return Fit(self.theta[order], None if self.unrest is None else self.unrest[order])

    def stirred(self, places_vox: Floats, psf_vox: Floats) -> "Fit":
        """The same, with those near `places_vox` (k, 3), where something changed, to be fitted anew."""
        if not len(places_vox) or self.unrest is None:
            return self
        away = cKDTree(places_vox / psf_vox).query(self.points_vox / psf_vox)[0]
        return Fit(self.theta, np.maximum(self.unrest, np.exp(-0.25 * away**2)))


def start(points_vox: Floats, electrons: Floats, scene: Scene) -> Floats:
    """Rows of `Fit.theta` to begin a fit with: round shapes of the expected width."""
    theta, counts = np.zeros((len(points_vox), scene.n_parameters)), np.maximum(electrons, 1.0)
    theta[:, :3], theta[:, 3:-N_SHAPE] = points_vox, counts
    theta[:, -N_SHAPE:-3] = (scene.prior_um2 * counts.sum(axis=1))[:, None]
    return theta


def split(scene: Scene, fit: Fit, least_excess: float) -> Fit:
    """The fit with every punctum that is too long for one synapse replaced by two along its long axis.

    Parameters
    ----------
    least_excess : float
        Variance along the long axis, in squares of the PSF's width, beyond twice that expected from the counts: a disc on
        edge has one and a half times that of its mean.
    """
    psf_um = scene.psf_um
    entries = fit.theta[:, -N_SHAPE:] / (psf_um[PAIRS[:, 0]] * psf_um[PAIRS[:, 1]])
    shape = np.empty((len(fit.theta), 3, 3))
    shape[:, PAIRS[:, 0], PAIRS[:, 1]] = shape[:, PAIRS[:, 1], PAIRS[:, 0]] = entries
    variances, axes = np.linalg.eigh(shape)
    expected = scene.spread_um2 * fit.electrons.sum(axis=1) / psf_um.min() ** 2
    is_long = variances[:, 2] > 2.0 * expected + least_excess
    if not is_long.any():
        return fit
    half = (np.sqrt(variances[:, 2])[:, None] * axes[:, :, 2])[is_long] * scene.psf_vox.mean(axis=0)
    parts = [start(fit.points_vox[is_long] + sign * half, fit.electrons[is_long] / 2, scene) for sign in (-1, 1)]
    return fit.keep(~is_long).joined(np.vstack(parts))


@nb.njit(cache=True, nogil=True)
def add_punctum(model: Singles, whole: Floats, psf: Floats, shift: Floats, scale: Floats, sign: float) -> None:
    """Add (or with `sign` -1 take away) a punctum's expected electrons in every channel of `model`."""
    work = np.empty(N_SCRATCH)
    for c in range(psf.shape[0]):
        theta, covariance, inverse, peak = in_voxels(whole, c, psf, shift, scale)
        electrons, least, fall = sign * theta[3 + c], peak * LEAST, math.exp(-inverse[1, 1])
        for z, y0, y1, x0, x1, _ in sections_of(theta, covariance, model.shape[1:]):
            first_line(work, theta, inverse, peak, (z, y0, x0), x1 - x0)
            for y in range(y0, y1):
                light = model[c, z, y, x0:x1]
                for x in range(x1 - x0):
                    h, rise = work[x], work[RISE + x]
                    work[x], work[RISE + x] = h * rise, rise * fall
                    light[x] += electrons * (h if h >= least else 0.0)


@nb.njit(cache=True, nogil=True)
def take_out(
    data: Singles,
    model: Singles,
    whole: Floats,
    psf: Floats,
    shift: Floats,
    scale: Floats,
    information: Floats | None = None,
) -> Floats:
    """Gradient of the log likelihood by a punctum's parameters; its light leaves `model`.

    If an array is given for it, the punctum's Fisher information (parameter, parameter) is written into it.

    Notes
    -----
    Every derivative is the kernel times a polynomial of the distance, so sums over voxels are needed of its powers only. What is
    done for every voxel is done for those of a line side by side, in vector instructions; sums along x come last.
    """
    score, residual = np.zeros(whole.size), np.empty(10)
    work, sums = np.zeros(N_SCRATCH), np.empty((N_POWERS, N_POWERS, N_POWERS + N_EXCESSES))
    if information is not None:
        information[:] = 0.0
    for c in range(psf.shape[0]):
        theta, covariance, inverse, peak = in_voxels(whole, c, psf, shift, scale)
        electrons, least, fall = theta[3 + c], peak * LEAST, math.exp(-inverse[1, 1])
        sums[:] = 0.0
        sections = sections_of(theta, covariance, model.shape[1:])
        for s in range(sections.shape[0]):
            z, y0, y1, x0, x1, left = sections[s]
            n, row = x1 - x0, work[x0 - left :]
            first_line(row, theta, inverse, peak, (z, y0, x0), n)
            for y in range(y0, y1):
                light, seen, dy = model[c, z, y, x0:x1], data[c, z, y, x0:x1], y - theta[1]
                for x in range(n):
                    h, rise = row[x], row[RISE + x]
                    row[x], row[RISE + x] = h * rise, rise * fall
                    h = h if h >= least else 0.0
                    per_model = h / max(light[x], 1e-6)
                    e = seen[x] * per_model - h
                    light[x] -= electrons * h
                    if information is not None:
                        add_powers(row, WEIGHTS + x, N_POWERS, h * per_model, dy)
                    add_powers(row, EXCESSES + x, N_EXCESSES, e, dy)
            if information is not None:
                add_weights(row, z - theta[0], n)
            add_excesses(row, z - theta[0], n)
            if s + 1 == sections.shape[0] or sections[s + 1, 5] != left:
                if information is not None:
                    add_weight_columns(sums, work, left - theta[2])
                add_excess_columns(sums, work, left - theta[2])
        for m in range(10):
            residual[m] = sums[POWERS[m, 0], POWERS[m, 1], N_POWERS + POWERS[m, 2]]
        g = gradient_polynomials(theta, c, inverse, scale)
        score += g @ residual
        if information is not None:
            add_information(information, g, moments_of(sums))
    return score


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
    zz, yy, xx, zy, zx, yx = theta[-6], theta[-5], theta[-4], theta[-3], theta[-2], theta[-1]
    minor = zz * yy - zy * zy
    whole = xx * minor - zz * yx * yx - yy * zx * zx + 2.0 * zy * zx * yx
    if zz > 0.0 and minor > 0.0 and whole > 0.0 and zz + yy + xx <= LARGEST_SHAPE:
        return  # Sylvester's criterion; no variance is larger than their sum
    s = np.empty((3, 3))
    for a in range(3):
        s[a, a] = theta[a - N_SHAPE]
    s[0, 1] = s[1, 0] = theta[-3]
    s[0, 2] = s[2, 0] = theta[-2]
    s[1, 2] = s[2, 1] = theta[-1]
    vectors = diagonalise(s)
    if min(s[0, 0], s[1, 1], s[2, 2]) >= 0.0 and max(s[0, 0], s[1, 1], s[2, 2]) <= LARGEST_SHAPE:
        return
    entries = np.zeros(N_SHAPE)
    for k in range(N_SHAPE):
        for d in range(3):
            variance = min(max(s[d, d], 0.0), LARGEST_SHAPE)
            entries[k] += variance * vectors[PAIRS[k, 0], d] * vectors[PAIRS[k, 1], d]
    theta[-N_SHAPE:] = entries


@nb.njit(cache=True, nogil=True)
def fisher_step(
    data: Singles,
    model: Singles,
    theta: Floats,
    optics: tuple[Floats, Floats, Floats, float],
    information: Floats,
    since: float,
) -> Floats:
    """The step of Fisher scoring of one punctum; its light leaves `model`. `optics` are those of the `Scene`.

    Its Fisher information is taken as it is in the array if it has not moved far `since`; else it is written there.
    """
    psf, shift, scale, spread = optics
    if since < ALIKE:
        step = take_out(data, model, theta, psf, shift, scale, None)
    else:
        step = take_out(data, model, theta, psf, shift, scale, information)
    with_prior = information.copy()
    _add_prior(step, with_prior, theta, spread)
    for k in range(theta.size):  # a little of the diagonal keeps the matrix regular where a count is zero
        with_prior[k, k] = with_prior[k, k] * (1.0 + 1e-6) + 1e-9
    solve(with_prior, step)
    return step


@nb.njit(cache=True, nogil=True)
def moved_since(since: float, moved: float) -> float:
    """How far a punctum has moved since its Fisher information was made, after another `fisher_step`."""
    return moved + (since if since < ALIKE else 0.0)


@nb.njit(cache=True, nogil=True)
def move(theta: Floats, step: Floats, psf: Floats) -> float:
    """Move a punctum by a step, within limits; how far, in widths or as a share of its counts."""
    moved = 0.0
    for a in range(3):
        limit = 0.3 * psf[0, a]
        by = min(max(step[a], -limit), limit)
        theta[a] += by
        moved = max(moved, abs(by) / psf[0, a])
    for c in range(psf.shape[0]):
        old = theta[3 + c]
        theta[3 + c] = min(max(old + step[3 + c], 0.0), 2.0 * old + 100.0)
        moved = max(moved, abs(theta[3 + c] - old) / (theta[3 + c] + 20.0))
    for k in range(theta.size - N_SHAPE, theta.size):
        theta[k] += min(max(step[k], -0.004), 0.004)
    _no_negative_shape(theta)
    return moved


@nb.njit(cache=True, nogil=True)
def _sweep(
    data: Singles,
    model: Singles,
    puncta: tuple[Floats, Floats, Floats, Floats, Floats, Floats],
    near: tuple[Ints, Ints, Floats],
    optics: tuple[Floats, Floats, Floats, float],
    still: float,
) -> int:
    """One Fisher step of every punctum that does not stand still, in order; how many there were.

    Parameters
    ----------
    puncta : tuple
        Parameters and unrest, as in `Fit`; last step of each (n, 3) [widths]; how much longer than Fisher's it was (n,); Fisher
        information (n, parameters, parameters), and how far each has moved since (n,).
    near : tuple
        As `_neighbours` gives them.
    optics : tuple
        `Scene.optics`.

    Notes
    -----
    Neighbours that share light creep along together: each gives way by a part of what the other would need. Steps that go on in
    one direction are lengthened (successive over-relaxation, Young 1954, Trans Am Math Soc 76:92).
    """
    thetas, unrest, last, longer, information, since = puncta
    first, neighbour, overlap = near
    psf, shift, scale, _ = optics
    n_moved = 0
    for i in range(thetas.shape[0]):
        if unrest[i] < still:
            continue
        n_moved += 1
        theta = thetas[i]
        step = fisher_step(data, model, theta, optics, information[i], since[i])
        onward = 0.0
        for a in range(3):
            here = step[a] / psf[0, a]
            onward += here * last[i, a]
            last[i, a] = here
        longer[i] = min(LONGER * longer[i], LONGEST) if onward > 0.0 else 1.0
        step *= longer[i]
        moved = move(theta, step, psf)
        add_punctum(model, theta, psf, shift, scale, 1.0)
        unrest[i] = moved
        since[i] = moved_since(since[i], moved)
        for k in range(first[i], first[i + 1]):
            unrest[neighbour[k]] += overlap[k] * moved
    return n_moved


def model_of(scene: Scene, fit: Fit) -> Singles:
    """Expected image (channel, z, y, x) of background and puncta."""
    model = scene.background.copy()
    _add_all(model, fit.theta, scene.psf_vox, scene.shift_vox, scene.shape_scale, 1.0)
    return model


def model_without(scene: Scene, fit: Fit, model: Singles) -> Singles:
    """An expected image, used up, without some of its puncta."""
    _add_all(model, fit.theta, scene.psf_vox, scene.shift_vox, scene.shape_scale, -1.0)
    return model


@nb.njit(cache=True, nogil=True)
def _add_all(model: Singles, thetas: Floats, psf: Floats, shift: Floats, scale: Floats, sign: float) -> None:
    for i in range(thetas.shape[0]):
        add_punctum(model, thetas[i], psf, shift, scale, sign)


def fit_puncta(scene: Scene, theta: Floats, n_sweeps: int = 32) -> Fit:
    """Maximum likelihood of all puncta together, from the rows `theta` on; at most `n_sweeps` rounds."""
    return fitted(scene, Fit(theta), n_sweeps)[0]


def fitted(
    scene: Scene, begin: Fit, n_sweeps: int = 32, still: float = STILL, model: Singles | None = None
) -> tuple[Fit, Singles]:
    """Maximum likelihood of all puncta together, from where they are, and the expected image; at most `n_sweeps` rounds.

    If the `model` of the puncta at the beginning is known, it is used up.

    Notes
    -----
    A punctum that stands still is passed over until what its neighbours have moved since, weighted by how much they overlap
    with it, is no longer little.
    """
    theta = begin.theta.copy()
    unrest = np.ones(len(theta)) if begin.unrest is None else begin.unrest.copy()
    model = model_of(scene, begin) if model is None else model
    information = np.empty((len(theta), scene.n_parameters, scene.n_parameters))
    puncta = theta, unrest, np.zeros((len(theta), 3)), np.ones(len(theta)), information, np.full(len(theta), np.inf)
    near = _neighbours(theta[:, :3] / scene.psf_vox.mean(axis=0))
    optics = scene.optics
    for _ in range(n_sweeps):
        if not _sweep(scene.data, model, puncta, near, optics, still):
            break
    return Fit(theta, unrest), model


def _neighbours(scaled: Floats) -> tuple[Ints, Ints, Floats]:
    """Neighbours of each of n points (in widths) within `FELT`: where each list begins (n + 1,), the lists, the overlaps."""
    pairs = cKDTree(scaled).query_pairs(FELT, output_type="ndarray") if len(scaled) else np.zeros((0, 2), np.int64)
    pairs = np.vstack([pairs, pairs[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    apart = scaled[pairs[:, 0]] - scaled[pairs[:, 1]]
    first = np.searchsorted(pairs[:, 0], np.arange(len(scaled) + 1))
    return first, np.ascontiguousarray(pairs[:, 1]), np.exp(-0.25 * (apart**2).sum(axis=1))


@nb.njit(cache=True, nogil=True)
def _gains(data: Singles, model: Singles, thetas: Floats, psf: Floats, shift: Floats, scale: Floats) -> Floats:
    found, work = np.empty(thetas.shape[0]), np.empty(N_SCRATCH)
    for i in range(thetas.shape[0]):
        gain = 0.0
        for c in range(psf.shape[0]):
            theta, covariance, inverse, peak = in_voxels(thetas[i], c, psf, shift, scale)
            peak *= theta[3 + c]
            least, fall = peak * LEAST, math.exp(-inverse[1, 1])
            for z, y0, y1, x0, x1, _ in sections_of(theta, covariance, model.shape[1:]):
                n = x1 - x0
                first_line(work, theta, inverse, peak, (z, y0, x0), n)
                for y in range(y0, y1):
                    light, seen = model[c, z, y, x0:x1], data[c, z, y, x0:x1]
                    for x in range(n):
                        h, rise = work[x], work[RISE + x]
                        work[x], work[RISE + x] = h * rise, rise * fall
                        m = max(light[x], 1e-6)
                        without = max(m - (h if h >= least else 0.0), 1e-6)
                        work[WEIGHTS + x], work[EXCESSES + x] = m / without, m - without
                    for x in range(n):
                        gain += max(seen[x], 0.0) * math.log(work[WEIGHTS + x]) - work[EXCESSES + x]
        found[i] = 2.0 * gain
    return found


def gains(scene: Scene, fit: Fit, model: Singles) -> Floats:
    """Twice the log likelihood (n,) that is lost when a punctum is taken out and nothing else changes."""
    return _gains(scene.data, model, fit.theta, scene.psf_vox, scene.shift_vox, scene.shape_scale)


CORE = 1.5  # PSF widths around the middle that a misfit is told from


@nb.njit(cache=True, nogil=True)
def _cores(data: Singles, model: Singles, thetas: Floats, psf: Floats, shift: Floats) -> tuple[Floats, Floats]:
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


def cores(scene: Scene, fit: Fit, model: Singles) -> tuple[Floats, Floats]:
    """Chi square per voxel (n,) in the puncta's cores, 1 where the model is right; brightest voxel there (n, channels)."""
    return _cores(scene.data, model, fit.theta, scene.psf_vox, scene.shift_vox)
