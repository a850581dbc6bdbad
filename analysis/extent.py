"""How large a synapse is: a point, a flat disc or something elongated, by evidence; its area where that can be told.

A fit gives every punctum the covariance of its shape. Here what the voxels alone say of it, without the fit's prior, is compared
with what discs and ellipses of all sizes, in all directions, would show.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from synimg.analysis.fit import LARGEST_SHAPE, Fit, Scene, add_punctum, take_out
from synimg.analysis.punctum import N_SHAPE, PAIRS, VOXEL_VARIANCE, prior_sd

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
FORMS = ("point", "disc", "elongated")
N_NORMALS, N_DISC_NORMALS, N_TURNS = 128, 512, 6
DISC, ASPECTS = (1.0,), (0.0, 0.3, 0.6)
"""Short over long axis of a disc, and of what is elongated."""
LARGEST_RADIUS2_UM2 = 4.0 * LARGEST_SHAPE
"""Squared long half axis up to which every value is as likely beforehand; a fit takes no larger shapes."""
TYPICAL_AREA_UM2 = 0.07
"""Of a postsynaptic density."""
RESOLVED = 1.0 / 3.0
"""Largest standard error of an area that is stated, as a share of it or, if that is more, of a typical one."""
WORTH_LOOKING = 3.0
"""Log likelihood that a free shape gains over a point from which on an elongated one is looked for."""
LEAST_GAUSSIAN = 0.9
"""Share of the point spread function's light in its Gaussian below which no size is told: of an aberrated one with 0.68 areas came
out a quarter too large."""
NEGLIGIBLE = 25.0
"""Log likelihood below the best at which a direction does not count."""
SURE = 0.5
"""Least probability of a form that is named."""
WIDENING_ERROR = 0.04
"""Of `gaussian_widening`, as a share of the area."""
TO_THE_RIM = 2.0 / 1.737
"""Area of the evenly filled disc that spreads light as wide as receptors do, over that of the postsynaptic density: they sit to
its rim, so that the area within a receptor's radius has a median of 0.6 of the whole, about ``u^0.737`` with uniform u (Nat Commun
2021, s41467-021-21004-x, Fig. 2)."""
PSF_TOLERANCE, WINGS_TOLERANCE = 0.02, 0.5
"""Of the stated widths of a point spread function, and that times the share of its light that the Gaussian does not hold: how
much of it a fit takes for width depends on the background and on the counts."""


def extents_of(
    scene: Scene, fit: Fit, model: Singles, covariance: Floats, n_receptors: Floats, gaussian_share: float = 1.0
) -> pd.DataFrame:
    """Form and area (`extents`) of the puncta of a fitted block.

    Parameters
    ----------
    scene, fit, model
        With the expected image of the fit.
    covariance : (n, parameters, parameters) ndarray
        Of the fit (`fisher.joint_covariances`).
    n_receptors : (n,) ndarray
        That shine in each.
    gaussian_share : float
        Of the point spread function's light, in the Gaussian that is fitted.
    """
    psf_um = scene.psf_um
    variance_um2 = 1.5 * scene.spread_um2 * fit.electrons.sum(axis=1)  # of a disc in its plane
    tolerance = PSF_TOLERANCE + WINGS_TOLERANCE * (1.0 - gaussian_share)
    errors = psf_covariance(psf_um, tolerance) + receptor_covariance(variance_um2, n_receptors)
    shapes = shapes_of(scene, fit, model, covariance).blurred(errors)
    at = tuple(np.clip(np.rint(fit.points_vox).astype(int), 0, np.array(model.shape[1:]) - 1).T)
    dark, light = (image[(slice(None), *at)].sum(axis=0) for image in (scene.background, model))
    width_um = np.sqrt(np.mean(psf_um[1:] ** 2 + VOXEL_VARIANCE * scene.voxel_um[1:] ** 2))
    share = dark / np.maximum(light, 1e-6)
    found = extents(shapes, lambda area: gaussian_widening(area, width_um, share))
    return found if gaussian_share >= LEAST_GAUSSIAN else found.assign(area_um2=np.nan, area_um2_se=np.nan)


@dataclass(frozen=True)
class Shapes:
    """What the voxels say of the shapes of n puncta: the log likelihood is ``pull @ s - s @ precision @ s / 2``, s in um^2.

    precision : (n, 6, 6) ndarray
    pull : (n, 6) ndarray
    """

    precision: Floats
    pull: Floats

    def blurred(self, covariance: Floats) -> "Shapes":
        """The same, if shapes are off by errors of a `covariance` (n or 1, 6, 6) [um^4] besides."""
        more = np.eye(N_SHAPE) + self.precision @ covariance
        precision = np.asarray(np.linalg.solve(more, self.precision), np.float64)
        pull = np.asarray(np.linalg.solve(more, self.pull[:, :, None])[:, :, 0], np.float64)
        return Shapes(0.5 * (precision + precision.transpose(0, 2, 1)), pull)

    def most_gain(self) -> Floats:
        """Log likelihood (n,) that the best of all shapes, of negative variance too, gains over a point."""
        floor = 1e-9 * np.trace(self.precision, axis1=1, axis2=2)[:, None, None] * np.eye(N_SHAPE)
        best = np.linalg.solve(self.precision + floor + 1e-12 * np.eye(N_SHAPE), self.pull[:, :, None])[:, :, 0]
        gain: Floats = 0.5 * (self.pull * best).sum(axis=1)
        return gain


def shapes_of(scene: Scene, fit: Fit, model: Singles, covariance: Floats) -> Shapes:
    """What the voxels say of the shapes of fitted puncta.

    Parameters
    ----------
    scene, fit, model
        With the expected image of the fit.
    covariance : (n, parameters, parameters) ndarray
        Of the fit (`fisher.joint_covariances`).

    Notes
    -----
    One Newton step from the fit, which may have stopped at a shape that is no wider along an axis; then the prior is taken out. The
    information is that of the shape with all else free: place, counts, and the neighbours.
    """
    s0 = fit.theta[:, -N_SHAPE:]
    score = _scores(scene.data, model.copy(), fit.theta, scene.psf_vox, scene.shift_vox, scene.shape_scale)
    sd = np.array([prior_sd(theta, scene.prior_um2) for theta in fit.theta])
    prior = np.eye(N_SHAPE) / sd[:, None, None] ** 2
    expected = np.zeros_like(s0)
    expected[:, :3] = (scene.prior_um2 * fit.electrons.sum(axis=1))[:, None]
    score[:, -N_SHAPE:] += (expected - s0) / sd[:, None] ** 2
    best = s0 + np.einsum("nij,nj->ni", covariance[:, -N_SHAPE:], score)
    posterior = np.linalg.inv(covariance[:, -N_SHAPE:, -N_SHAPE:])
    pull = np.einsum("nij,nj->ni", posterior, best) - expected / sd[:, None] ** 2
    values, vectors = np.linalg.eigh(posterior - prior)
    precision = (vectors * np.maximum(values, 0.0)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return Shapes(precision, pull)


@nb.njit(cache=True, nogil=True)
def _scores(data: Singles, model: Singles, thetas: Floats, psf: Floats, shift: Floats, scale: Floats) -> Floats:
    """Gradients (n, parameters) of the log likelihood."""
    found = np.empty_like(thetas)
    for i in range(thetas.shape[0]):
        found[i] = take_out(data, model, thetas[i], psf, shift, scale)
        add_punctum(model, thetas[i], psf, shift, scale, 1.0)
    return found


def psf_covariance(psf_um: Floats, tolerance: float) -> Floats:
    """Errors (6, 6) [um^4] of shapes where the point spread function is `tolerance` wider or narrower than stated.

    Parameters
    ----------
    psf_um : (3,) ndarray
        Standard deviations; along z and in the plane they are off independently.
    """
    off = 2.0 * tolerance * psf_um**2
    out = np.zeros((N_SHAPE, N_SHAPE))
    out[0, 0] = off[0] ** 2
    out[1:3, 1:3] = np.outer(off[1:], off[1:])
    return out


def receptor_covariance(variance_um2: Floats, n_receptors: Floats) -> Floats:
    """Errors (n, 6, 6) [um^4] of shapes because a synapse shows some tens of receptors, not all of its area.

    Parameters
    ----------
    variance_um2 : (n,) ndarray
        Of the synapse along an axis in its plane, about.
    n_receptors : (n,) ndarray
        That shine.

    Notes
    -----
    Of points at random in a disc whose variance along an axis is v, the squares x^2 and y^2 have the variance v^2 and the
    covariance -v^2 / 3, and xy the variance 2 v^2 / 3. The plane is not known, so that all axes have them.
    """
    unit = np.diag([1.0, 1.0, 1.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0])
    unit[:3, :3] -= (1.0 - np.eye(3)) / 3.0
    return (variance_um2**2 / np.maximum(n_receptors, 1.0))[:, None, None] * unit


def extents(shapes: Shapes, widening: Callable[[Floats], Floats] | None = None) -> pd.DataFrame:
    """Form and area of puncta.

    Parameters
    ----------
    shapes : Shapes
        With all their errors.
    widening : callable, optional
        By which factor (n,) a fit shows synapses of the areas (n,) [um^2] too large; see `gaussian_widening`.

    Returns
    -------
    DataFrame
        A row for each: ``form`` (`FORMS`), null where none is likely enough (`SURE`), ``form_prob``; ``area_um2`` and
        ``area_um2_se``, of evenly filled discs, null for points and where the error is too large (`RESOLVED`).

    Notes
    -----
    The evidence of a form is its likelihood averaged over all sizes up to `LARGEST_RADIUS2_UM2`, all directions and, for what is
    elongated, all aspects; the three forms are as likely beforehand. A shape is its squared long half axis times one that is known
    for a direction and an aspect, so that the average over sizes is that of a normal law cut at zero. The area is the mean over
    all that is no point.
    """
    n = len(shapes.pull)
    evidence, means, squares = np.zeros((n, 3)), np.zeros((n, 2)), np.zeros((n, 2))
    evidence[:, 1], means[:, 0], squares[:, 0] = _averaged(
        shapes.precision, shapes.pull, *_flat(DISC), LARGEST_RADIUS2_UM2
    )
    # where nothing beats a point by much, what is elongated does it as little as a disc
    evidence[:, 2], means[:, 1], squares[:, 1] = evidence[:, 1], means[:, 0], squares[:, 0]
    some = np.flatnonzero(shapes.most_gain() > WORTH_LOOKING)
    evidence[some, 2], means[some, 1], squares[some, 1] = _averaged(
        shapes.precision[some], shapes.pull[some], *_flat(ASPECTS), LARGEST_RADIUS2_UM2
    )
    weight = softmax(evidence[:, 1:], axis=1)
    area = (weight * means).sum(axis=1)
    se = np.sqrt(np.maximum((weight * squares).sum(axis=1) - area**2, 0.0))
    if widening is not None:
        area, se = _narrowed(area, se, widening)
    prob = softmax(evidence, axis=1)
    form = prob.argmax(axis=1)
    is_sized = (form > 0) & (se <= RESOLVED * np.maximum(area, TYPICAL_AREA_UM2))
    best = prob[np.arange(n), form]
    return pd.DataFrame(
        {
            "form": pd.Series(np.where(best >= SURE, np.array(FORMS)[form], None), dtype="string"),
            "form_prob": best,
            "area_um2": np.where(is_sized, area, np.nan),
            "area_um2_se": np.where(is_sized, se, np.nan),
        }
    )


def gaussian_widening(area_um2: Floats, psf_um: float, background_share: Floats) -> Floats:
    """By which factor (n,) a Gaussian that is fitted to a disc is wider than the disc.

    Parameters
    ----------
    area_um2 : (n,) ndarray
    psf_um : float
        Standard deviation in the plane, voxels' included.
    background_share : (n,) ndarray
        Of the background in the light at the punctum's middle.

    Notes
    -----
    A disc ends where a Gaussian of its variance goes on, and what fits its middle best is wider than the disc: the more the larger
    the disc, and the higher the background, beside which only the middle counts. The law was fitted to images of discs of radii
    of 0.1 to 0.3 um in all directions.
    """
    variance = area_um2 / (4.0 * np.pi)
    share = variance / (variance + psf_um**2)
    factor: Floats = 1.0 + share * (0.1 + 0.16 * share) * (1.0 + 0.8 * background_share / (background_share + 0.25))
    return factor


def _narrowed(area: Floats, se: Floats, widening: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """True areas and errors of those that a fit shows."""
    true = area
    for _ in range(8):
        true = area / widening(true)
    step = 1e-3 * np.maximum(true, 1e-6)
    slope = ((true + step) * widening(true + step) - true * widening(true)) / step
    return true, np.hypot(se / slope, WIDENING_ERROR * true)


def _flat(aspects: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Shapes (m, 6) of flat ellipses whose long half axis is 1, in all directions, and their areas (m,)."""
    n = N_DISC_NORMALS if aspects == DISC else N_NORMALS
    k = np.arange(n)
    height = (k + 0.5) / n  # of a spiral of Fibonacci's over half of a sphere
    around = k * np.pi * (3.0 - math.sqrt(5.0))
    across = np.sqrt(1.0 - height**2)
    normal = np.column_stack([height, across * np.sin(around), across * np.cos(around)])
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(normal, first)
    shapes, areas = [], []
    for aspect in aspects:
        for turn in np.arange(N_TURNS if aspect < 1.0 else 1) * np.pi / N_TURNS:
            long = np.cos(turn) * first + np.sin(turn) * second
            short = aspect * (np.cos(turn) * second - np.sin(turn) * first)
            shape = 0.25 * (long[:, :, None] * long[:, None, :] + short[:, :, None] * short[:, None, :])
            shapes.append(shape[:, PAIRS[:, 0], PAIRS[:, 1]])
            areas.append(np.full(n, np.pi * aspect))
    return np.vstack(shapes), np.concatenate(areas)


@nb.njit(cache=True, nogil=True)
def _averaged(
    precision: Floats, pull: Floats, units: Floats, areas: Floats, largest: float
) -> tuple[Floats, Floats, Floats]:
    """Log likelihood (n,) averaged over shapes q ``units`` (m, 6), q from 0 to `largest`, over that of a point.

    And the means (n,) of the area q ``areas`` and of its square.
    """
    n, m = pull.shape[0], units.shape[0]
    evidence, mean, square = np.empty(n), np.empty(n), np.empty(n)
    sds, heights, root = np.empty(m), np.empty(m), math.sqrt(2.0 * math.pi)
    for i in range(n):
        best = 0.0
        for k in range(m):
            u = units[k]
            curve, slope = 1e-12, 0.0
            for a in range(6):
                along = 0.5 * precision[i, a, a] * u[a]
                for b in range(a):
                    along += precision[i, a, b] * u[b]
                curve += 2.0 * u[a] * along
                slope += u[a] * pull[i, a]
            sds[k] = 1.0 / math.sqrt(curve)
            heights[k] = slope * sds[k]  # of the best size, in its own standard deviations
            best = max(best, 0.5 * max(heights[k], 0.0) ** 2)
        total, first, second = 0.0, 0.0, 0.0
        for k in range(m):
            sd, x = sds[k], heights[k]
            if 0.5 * max(x, 0.0) ** 2 < best - NEGLIGIBLE:
                continue
            if x > -5.0:
                inside = 0.5 * math.erfc(-x / math.sqrt(2.0))
                w = math.exp(0.5 * x * x - best) * inside * sd * root / largest
                rise = math.exp(-0.5 * x * x) / root / inside
                one, two = sd * (x + rise), sd * sd * (1.0 + x * x + x * rise)
            else:  # far in the tail: an exponential of the slope
                w = math.exp(-best) * sd / (-x * largest)
                one, two = -sd / x, 2.0 * (sd / x) ** 2
            total += w
            first += w * one * areas[k]
            second += w * two * areas[k] ** 2
        evidence[i] = best + math.log(total / m)
        mean[i], square[i] = first / total, second / total
    return evidence, mean, square
