"""Cramer-Rao bounds of puncta, from the Fisher information that neighbours share."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.analysis.fit import Fit, Scene
from synimg.analysis.punctum import (
    LEAST,
    N_EXCESSES,
    N_POWERS,
    N_SCRATCH,
    N_SHAPE,
    PAIRS,
    RISE,
    WEIGHTS,
    add_powers,
    add_weight_columns,
    add_weights,
    first_line,
    gradient_polynomials,
    in_voxels,
    moments_of,
    prior_sd,
    section_of,
    sections_of,
)

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
NEIGHBOUR = 4.0  # puncta nearer than this many widths share information


def standard_errors(scene: Scene, fit: Fit, model: Singles) -> Floats:
    """Cramer-Rao standard errors (n, 3 + channels) of z, y, x [voxels] and the electrons in each channel."""
    errors: Floats = np.sqrt(np.diagonal(covariances(scene, fit, model), axis1=1, axis2=2))
    return errors


def covariances(scene: Scene, fit: Fit, model: Singles) -> Floats:
    """Cramer-Rao covariances (n, 3 + channels, 3 + channels) of z, y, x [voxels] and the electrons in each channel."""
    n_wanted = 3 + len(scene.data)
    return joint_covariances(scene, fit, model)[:, :n_wanted, :n_wanted]


def joint_covariances(scene: Scene, fit: Fit, model: Singles) -> Floats:
    """Cramer-Rao covariances (n, parameters, parameters) of all parameters of each punctum, in the order of `Fit.theta`.

    The Fisher matrix is that of the punctum with all neighbours within 4 widths, whose parameters are free too; shapes have
    their prior.
    """
    n, n_each = len(fit.theta), scene.n_parameters
    if not n:
        return np.zeros((0, n_each, n_each))
    scaled = fit.points_vox / scene.psf_vox.mean(axis=0)
    pairs = cKDTree(scaled).query_pairs(NEIGHBOUR, output_type="ndarray")
    pairs = np.vstack([np.column_stack([np.arange(n)] * 2), pairs, pairs[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]  # each group in order, the punctum itself among them
    first = np.searchsorted(pairs[:, 0], np.arange(n + 1))
    return _covariances(
        model, fit.theta, first, pairs[:, 1].copy(), scene.psf_vox, scene.shift_vox, scene.shape_scale, scene.prior_um2
    )


@nb.njit(cache=True, nogil=True)
def _covariances(
    model: Singles,
    thetas: Floats,
    first: Ints,
    partner: Ints,
    psf: Floats,
    shift: Floats,
    scale: Floats,
    spread: float,
) -> Floats:
    """Covariances from the information that puncta share; the group of i is ``partner[first[i]:first[i + 1]]``."""
    n, n_each = thetas.shape
    n_wanted = n_each - N_SHAPE
    blocks = np.empty((partner.size, n_each, n_each))
    for i in range(n):
        for k in range(first[i], first[i + 1]):
            j = partner[k]
            if j >= i:
                blocks[k] = shared_information(model, thetas[i], thetas[j], psf, shift, scale)
            else:
                back = first[j] + np.searchsorted(partner[first[j] : first[j + 1]], i)
                blocks[k] = blocks[back].T
            if j == i:
                precision = 1.0 / prior_sd(thetas[i], spread) ** 2
                for s in range(n_wanted, n_each):
                    blocks[k, s, s] += precision
                for s in range(n_each):
                    blocks[k, s, s] = blocks[k, s, s] * (1.0 + 1e-9) + 1e-12
    found = np.empty((n, n_each, n_each))
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
                    block = shared_information(model, thetas[group[u]], thetas[group[v]], psf, shift, scale)
                information[u * n_each : (u + 1) * n_each, v * n_each : (v + 1) * n_each] = block
                information[v * n_each : (v + 1) * n_each, u * n_each : (u + 1) * n_each] = block.T
        own = np.searchsorted(group, i) * n_each
        wanted = np.zeros((size * n_each, n_each))
        for s in range(n_each):
            wanted[own + s, s] = 1.0
        covariance = np.linalg.solve(information, wanted)[own : own + n_each]
        found[i] = 0.5 * (covariance + covariance.T)
        for s in range(n_each):
            found[i, s, s] = max(found[i, s, s], 0.0)
    return found


@nb.njit(cache=True, nogil=True)
def shared_information(
    model: Singles, first: Floats, second: Floats, psf: Floats, shift: Floats, scale: Floats
) -> Floats:
    """Fisher information between the parameters of two puncta: the sum of the products of their gradients over the model.

    Notes
    -----
    As in `fit.take_out` sums of powers of the distance from the first are enough: the gradients of the second are
    polynomials of that distance, too.
    """
    information = np.zeros((first.size, second.size))
    apart = _shifted(first[:3] - second[:3])
    work, its, sums = np.zeros(N_SCRATCH), np.empty(WEIGHTS), np.empty((N_POWERS, N_POWERS, N_POWERS + N_EXCESSES))
    for c in range(psf.shape[0]):
        one, covariance, p, p_peak = in_voxels(first, c, psf, shift, scale)
        sections = sections_of(one, covariance, model.shape[1:])
        other, covariance, q, q_peak = in_voxels(second, c, psf, shift, scale)
        p_least, p_fall, q_least, q_fall = p_peak * LEAST, math.exp(-p[1, 1]), q_peak * LEAST, math.exp(-q[1, 1])
        sums[:] = 0.0
        for s in range(sections.shape[0]):
            z, y0, y1, x0, x1, left = sections[s]
            y0, y1, x0, x1 = section_of(other, covariance, z, (y0, y1, x0, x1))
            n, mine = x1 - x0, work[x0 - left :]
            if y0 < y1 and n > 0:
                first_line(mine, one, p, p_peak, (z, y0, x0), n)
                first_line(its, other, q, q_peak, (z, y0, x0), n)
            for y in range(y0, y1):
                light = model[c, z, y, x0:x1]
                dy = y - one[1]
                for x in range(n):
                    h, rise = mine[x], mine[RISE + x]
                    mine[x], mine[RISE + x] = h * rise, rise * p_fall
                    k, rise = its[x], its[RISE + x]
                    its[x], its[RISE + x] = k * rise, rise * q_fall
                    w = h * k / max(light[x], 1e-6) if h >= p_least and k >= q_least else 0.0
                    add_powers(mine, WEIGHTS + x, N_POWERS, w, dy)
            add_weights(mine, z - one[0], n)
            if s + 1 == sections.shape[0] or sections[s + 1, 5] != left:
                add_weight_columns(sums, work, left - one[2])
        g_one = gradient_polynomials(one, c, p, scale)
        g_other = gradient_polynomials(other, c, q, scale) @ apart
        information += g_one @ moments_of(sums) @ g_other.T
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
