"""What the photons allow: which puncta a likelihood ratio tells, to one who knows every brighter one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chi2, ncx2

from synimg.analysis.fit import Fit, Scene, fitted, model_of
from synimg.analysis.punctum import N_SHAPE, prior_sd

Floats = NDArray[np.float64]
NEAR = 4.0  # widths: neighbours that have a say in whether a punctum can be told
REACH = 3.5  # widths of an image of a punctum that is looked at
P_DETECT = 1e-4  # of the likelihood ratio with which the bound is stated


def detectable(theta: Floats, scene: Scene) -> Floats:
    """The probability that the photons alone give a punctum away, p < `P_DETECT`, to one who knows all brighter ones.

    Parameters
    ----------
    theta
        The true puncta, rows of `Fit.theta`.
    scene
        Its `data` are not looked at; its `background` is all expected light that is no punctum's.

    Returns
    -------
    (n,).

    Notes
    -----
    From bright to faint: twice the log likelihood ratio, in the expected image of a punctum and the brighter ones near it,
    of these against the brighter ones alone, whose places, counts and shapes fit the light as well as they can, shapes
    within what the scene says of them; its power is that of a noncentral chi square, with a place and a count in each
    channel as its degrees of freedom. If that fit ended too early, the bound would be too high.
    """
    width = np.sqrt(np.square(scene.psf_vox.mean(axis=0)) + 1.0 / 12.0 + np.median(_variance(theta, scene), axis=0))
    points, total, size = theta[:, :3], theta[:, 3:-N_SHAPE].sum(axis=1), scene.background.shape[1:]
    tree, reach, lost = cKDTree(points / width), REACH * width, np.empty(len(theta))
    for i, point in enumerate(points):
        near = np.array(tree.query_ball_point(point / width, NEAR))
        brighter = near[total[near] > total[i]]
        of_all = points[np.append(brighter, i)]
        low = np.maximum(np.floor(of_all.min(axis=0) - reach).astype(int), 0)
        high = np.minimum(np.ceil(of_all.max(axis=0) + reach).astype(int) + 1, size)
        cut = (slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
        flat = np.ascontiguousarray(scene.background[cut])
        moved = np.concatenate([low, np.zeros(theta.shape[1] - 3)])
        part = replace(scene, background=flat)
        data = model_of(part, Fit(theta[np.append(brighter, i)] - moved))
        fit, model = fitted(replace(part, data=data), Fit(theta[brighter] - moved), 60)
        lost[i] = 2.0 * (data * np.log(data / model) - data + model).sum() + _unlikely(fit.theta, scene.spread_um2)
    freedom = theta.shape[1] - N_SHAPE
    power: Floats = ncx2.sf(chi2.isf(P_DETECT, freedom), freedom, np.maximum(lost, 1e-9))
    return power


def _variance(theta: Floats, scene: Scene) -> Floats:
    return theta[:, -N_SHAPE:-3] / np.square(scene.voxel_um)


def _unlikely(theta: Floats, spread_um2: float) -> float:
    """How much less likely shapes are than round ones as wide as their counts say, as twice a log likelihood."""
    round_um2 = spread_um2 * theta[:, 3:-N_SHAPE].sum(axis=1)
    off = theta[:, -N_SHAPE:] - np.outer(round_um2, [1, 1, 1, 0, 0, 0])
    sd = np.array([prior_sd(row, spread_um2) for row in theta])
    return float(np.square(off / sd[:, None]).sum())
