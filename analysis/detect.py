"""Candidates for puncta: local maxima of a filtered residual over its noise."""

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
TRUNCATE_LOG, TRUNCATE_NOISE = 4.0, 3.0  # of the filters, in standard deviations
LINE = 512  # voxels that are filtered along another axis at a time


def laplacian(image: Floats, sigma_vox: Floats) -> Floats:
    """Minus the Laplacian of the image smoothed by a Gaussian, each axis weighted by its variance; of any number of axes."""
    response = np.zeros(image.shape)
    for axis in range(image.ndim):
        order = [0] * image.ndim
        order[axis] = 2
        response -= sigma_vox[axis] ** 2 * ndimage.gaussian_filter(image, sigma_vox, order=order)
    return response


def log_significance(residual: Floats | Singles, variance: Floats | Singles, sigma_vox: Floats) -> Singles:
    """Response of a Laplacian of Gaussian at the punctum's width, in its own standard deviations.

    Parameters
    ----------
    residual, variance : (z, y, x) ndarray [electrons, electrons^2]
        Data minus model, summed over channels, and its expected variance.
    sigma_vox : (3,) ndarray
        Standard deviations of a punctum.

    Notes
    -----
    Each axis is weighted by its own variance, so that the filter is round in units of the punctum's width; it is
    blind to a constant background. Variance passes through the squared kernel, taken as white within its reach. What lies
    beyond a face is its mirror image.
    """
    smooth, local = (v.astype(np.float32, copy=False) for v in (residual, variance))
    none = curved = np.zeros((1, 1, 1), np.float32)
    for axis in (2, 1, 0):
        g, second = _kernels(sigma_vox[axis], TRUNCATE_LOG)
        if axis == 2:  # nothing is curved along another axis yet
            smooth, curved = (_along(axis, smooth, none, kernel, kernel)[0] for kernel in (g, second))
        else:
            smooth, curved = _along(axis, smooth, curved, g, second)
        g, _ = _kernels(sigma_vox[axis] / np.sqrt(2.0), TRUNCATE_NOISE)
        local, _ = _along(axis, local, none, g, g)
    # energy of the kernel: (1 / (8 pi^1.5 prod sigma)) * (3 * 3/4 + 6 * 1/4) = 3.75 / (8 pi^1.5 prod sigma)
    energy = np.float32(3.75 / (8.0 * np.pi**1.5 * np.prod(sigma_vox)))
    np.maximum(local, np.float32(1e-12), out=local)
    local *= energy
    curved /= np.sqrt(local, out=local)
    return curved


def _kernels(sigma: float, truncate: float) -> tuple[Singles, Singles]:
    """Halves, from the middle on, of a Gaussian kernel and of minus its second derivative times the variance."""
    at = np.arange(int(truncate * sigma + 0.5) + 1) / sigma
    g = np.exp(-0.5 * at**2)
    g /= 2.0 * g.sum() - g[0]
    return g.astype(np.float32), (g * (1.0 - at**2)).astype(np.float32)


def _along(axis: int, smooth: Singles, curved: Singles, g: Singles, second: Singles) -> tuple[Singles, Singles]:
    """`smooth` by `g`, and `curved` by `g` plus `smooth` by `second`, along an axis; the first alone if `curved` is smaller."""
    n = smooth.shape[axis]
    outer = (int(np.prod(smooth.shape[:axis])), n, int(np.prod(smooth.shape[axis + 1 :])))
    both = curved.shape == smooth.shape
    new = np.empty(outer, np.float32), np.empty(outer if both else (1, 1, 1), np.float32)
    _filter(smooth.reshape(outer), curved.reshape(outer) if both else curved, g, second, *new)
    return new[0].reshape(smooth.shape), new[1].reshape(curved.shape)


@nb.njit(cache=True, nogil=True)
def _filter(smooth: Singles, curved: Singles, g: Singles, second: Singles, out: Singles, out_curved: Singles) -> None:
    """`_along` of arrays (outer, n, inner), along the middle axis."""
    n_outer, n, n_inner = smooth.shape
    radius, both, period = g.size - 1, curved.size > 1, 2 * n
    mirror = np.empty(n + 2 * radius, np.int64)
    for i in range(mirror.size):
        k = (i - radius) % period
        mirror[i] = min(k, period - 1 - k)
    if n_inner == 1 and not both:  # along x: lines are in one piece
        lines, out_lines = smooth.reshape((n_outer, n)), out.reshape((n_outer, n))
        line = np.empty(mirror.size, np.float32)
        for o in range(n_outer):
            line[radius : radius + n] = lines[o]
            for i in range(radius):
                line[i], line[n + radius + i] = lines[o, mirror[i]], lines[o, mirror[n + radius + i]]
            total = out_lines[o]
            for x in range(n):
                total[x] = g[0] * line[x + radius]
            for k in range(1, radius + 1):
                low, high = line[radius - k :], line[radius + k :]
                for x in range(n):
                    total[x] += g[k] * (low[x] + high[x])
        return
    for o in range(n_outer):
        for first in range(0, n_inner, LINE):
            last = min(first + LINE, n_inner)
            for i in range(n):
                total, here = out[o, i, first:last], smooth[o, i, first:last]
                for x in range(total.size):
                    total[x] = g[0] * here[x]
                if both:
                    total_curved, here_curved = out_curved[o, i, first:last], curved[o, i, first:last]
                    for x in range(total.size):
                        total_curved[x] = g[0] * here_curved[x] + second[0] * here[x]
                for k in range(1, radius + 1):
                    a, b = mirror[i + radius - k], mirror[i + radius + k]
                    low, high = smooth[o, a, first:last], smooth[o, b, first:last]
                    if not both:
                        for x in range(total.size):
                            total[x] += g[k] * (low[x] + high[x])
                        continue
                    low_curved, high_curved = curved[o, a, first:last], curved[o, b, first:last]
                    for x in range(total.size):
                        pair = low[x] + high[x]
                        total[x] += g[k] * pair
                        total_curved[x] += g[k] * (low_curved[x] + high_curved[x]) + second[k] * pair


def candidates(significance: Singles | Floats, least: float, radius_vox: Floats) -> Floats:
    """Local maxima (n, axes) above `least`, sub-voxel by a parabola along each axis.

    Two maxima nearer than `radius_vox` along every axis count as one, the higher.
    """
    missing = 3 - significance.ndim
    radius = np.concatenate([np.zeros(missing, np.int64), np.ceil(radius_vox).astype(np.int64)])
    at = _maxima(significance.reshape((1,) * missing + significance.shape), least, radius)[:, missing:]
    order = np.argsort(-significance[tuple(at.T)], kind="stable")
    at = at[order]
    points = at.astype(np.float64)
    for axis in range(significance.ndim):
        n = significance.shape[axis]
        inner = (at[:, axis] > 0) & (at[:, axis] < n - 1)
        step = np.zeros(significance.ndim, int)
        step[axis] = 1
        here = at[inner]
        below, middle, above = (significance[tuple((here + k * step).T)] for k in (-1, 0, 1))
        curve = np.minimum(below - 2 * middle + above, -1e-9)
        points[inner, axis] += np.clip(0.5 * (below - above) / curve, -0.5, 0.5)
    return points


@nb.njit(cache=True, nogil=True)
def _maxima(image: Singles | Floats, least: float, radius: Ints) -> Ints:
    """Voxels (n, 3) above `least` than which none is higher in the box of `radius` around them."""
    n_z, n_y, n_x = image.shape
    found = []
    for z in range(n_z):
        for y in range(n_y):
            for x in range(n_x):
                here = image[z, y, x]
                if not here > least:
                    continue
                is_highest = True
                for i in range(max(z - radius[0], 0), min(z + radius[0] + 1, n_z)):
                    for j in range(max(y - radius[1], 0), min(y + radius[1] + 1, n_y)):
                        for k in range(max(x - radius[2], 0), min(x + radius[2] + 1, n_x)):
                            if image[i, j, k] > here:
                                is_highest = False
                                break
                        if not is_highest:
                            break
                    if not is_highest:
                        break
                if is_highest:
                    found.append((z, y, x))
    out = np.empty((len(found), 3), np.int64)
    for n in range(len(found)):
        out[n, 0], out[n, 1], out[n, 2] = found[n]
    return out
