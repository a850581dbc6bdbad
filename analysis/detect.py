"""Candidates for puncta: local maxima of a filtered residual over its noise."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Kernels = tuple[Singles, Singles, Singles]
TRUNCATE_LOG, TRUNCATE_NOISE = 4.0, 3.0  # of the filters, in standard deviations


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
    # energy of the kernel: (1 / (8 pi^1.5 prod sigma)) * (3 * 3/4 + 6 * 1/4) = 3.75 / (8 pi^1.5 prod sigma)
    energy = float(3.75 / (8.0 * np.pi**1.5 * np.prod(sigma_vox)))
    whole, rough = np.ascontiguousarray(residual, np.float32), np.ascontiguousarray(variance, np.float32)
    along_z, along_y, along_x = (
        (*_kernels(sd, TRUNCATE_LOG), _kernels(sd / np.sqrt(2.0), TRUNCATE_NOISE)[0]) for sd in sigma_vox
    )
    return _over_noise(whole, rough, (along_z, along_y, along_x), energy)


def _kernels(sigma: float, truncate: float) -> tuple[Singles, Singles]:
    """Halves, from the middle on, of a Gaussian kernel and of minus its second derivative times the variance.

    Their middle is halved: it is added from both sides.
    """
    at = np.arange(int(truncate * sigma + 0.5) + 1) / sigma
    g = np.exp(-0.5 * at**2)
    g[0] *= 0.5
    g /= 2.0 * g.sum()
    return g.astype(np.float32), (g * (1.0 - at**2)).astype(np.float32)


@nb.njit(cache=True, nogil=True)
def _over_noise(
    residual: Singles, variance: Singles, kernels: tuple[Kernels, Kernels, Kernels], energy: float
) -> Singles:
    """`log_significance` by kernels along z, y and x, line by line, so that what is filtered again is in the processor's cache."""
    n_z, n_y, n_x = residual.shape
    along_z, along_y, along_x = kernels
    z_at, y_at, x_at = _mirror(n_z, along_z[0].size), _mirror(n_y, along_y[0].size), _mirror(n_x, along_x[0].size)
    plane, line = np.empty((n_y, 3, n_x), np.float32), np.empty((3, n_x), np.float32)
    wide, local, out = np.empty((3, x_at.size), np.float32), np.empty(n_x, np.float32), np.empty_like(residual)
    for z in range(n_z):
        for y in range(n_y):
            _across(residual, None, variance, (z, y, 0, y), z_at, along_z, plane[y])
        for y in range(n_y):
            _across(plane, plane, plane, (y, 0, 1, 2), y_at, along_y, line)
            for c in range(3):
                for x in range(x_at.size):
                    wide[c, x] = line[c, x_at[x]]
            _along(wide, along_x, out[z, y], local)
            for x in range(n_x):
                out[z, y, x] /= math.sqrt(energy * max(local[x], np.float32(1e-12)))
    return out


@nb.njit(cache=True, nogil=True)
def _mirror(n: int, n_kernel: int) -> Ints:
    """Which of n voxels stand for those that half a kernel reaches, in an image with its mirror images on both sides."""
    at = np.empty(n + 2 * (n_kernel - 1), np.int64)
    for i in range(at.size):
        k = (i - n_kernel + 1) % (2 * n)
        at[i] = min(k, 2 * n - 1 - k)
    return at


@nb.njit(cache=True, nogil=True)
def _across(
    flat: Singles,
    curved: Singles | None,
    rough: Singles,
    which: tuple[int, int, int, int],
    at: Ints,
    kernels: Kernels,
    out: Singles,
) -> None:
    """A line of the smoothed image, its curvature (None: not yet there) and the variance, filtered across, into `out` (3, x).

    Parameters
    ----------
    which : tuple
        Where the line lies along the first axis, and along the second of each of the images.
    at : (n,) ndarray
        The lines that stand for those before and behind it (`_mirror`).
    """
    (i, j_flat, j_curved, j_rough), (g, second, of_rough) = which, kernels
    middle, smooth, curvature, variance = i + g.size - 1, out[0], out[1], out[2]
    out[:] = np.float32(0.0)
    for k in range(g.size):
        before, behind = at[middle - k], at[middle + k]
        a, b = flat[before, j_flat], flat[behind, j_flat]
        if curved is None:
            for x in range(a.size):
                both = a[x] + b[x]
                smooth[x] += g[k] * both
                curvature[x] += second[k] * both
        else:
            c, d = curved[before, j_curved], curved[behind, j_curved]
            for x in range(a.size):
                both = a[x] + b[x]
                smooth[x] += g[k] * both
                curvature[x] += second[k] * both + g[k] * (c[x] + d[x])
    for k in range(of_rough.size):
        a, b = rough[at[middle - k], j_rough], rough[at[middle + k], j_rough]
        for x in range(a.size):
            variance[x] += of_rough[k] * (a[x] + b[x])


@nb.njit(cache=True, nogil=True)
def _along(wide: Singles, kernels: Kernels, curvature: Singles, variance: Singles) -> None:
    """The last of the filters, along lines that go on beyond both ends, into a line (x,) of the curvature and of the variance."""
    g, second, of_rough = kernels
    n, reach = variance.size, g.size - 1
    curvature[:], variance[:] = np.float32(0.0), np.float32(0.0)
    for k in range(g.size):
        before, behind = slice(reach - k, reach - k + n), slice(reach + k, reach + k + n)
        a, b, c, d = wide[0, before], wide[0, behind], wide[1, before], wide[1, behind]
        for x in range(n):
            curvature[x] += second[k] * (a[x] + b[x]) + g[k] * (c[x] + d[x])
    for k in range(of_rough.size):
        a, b = wide[2, reach - k : reach - k + n], wide[2, reach + k : reach + k + n]
        for x in range(n):
            variance[x] += of_rough[k] * (a[x] + b[x])


def candidates(significance: Singles | Floats, least: float, radius_vox: Floats) -> tuple[Floats, Floats]:
    """Local maxima (n, axes) above `least`, sub-voxel by a parabola along each axis, and their heights (n,), the highest first.

    Two maxima nearer than `radius_vox` along every axis count as one, the higher.
    """
    missing = 3 - significance.ndim
    radius = np.concatenate([np.zeros(missing, np.int64), np.ceil(radius_vox).astype(np.int64)])
    at = _maxima(significance.reshape((1,) * missing + significance.shape), least, radius)[:, missing:]
    heights = significance[tuple(at.T)].astype(np.float64)
    order = np.argsort(-heights, kind="stable")
    at, heights = at[order], heights[order]
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
    return points, heights


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
