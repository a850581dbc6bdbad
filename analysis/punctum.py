"""A punctum on its voxels: a Gaussian of any shape, its reach, its values along a line, its derivatives as polynomials.

The parameters ``theta`` of a punctum are z, y, x [voxels], its electrons in each channel, and the shape's covariance [um^2].
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REACH = 3.5
N_SHAPE = 6  # the last parameters of a punctum: its shape's covariance zz, yy, xx, zy, zx, yx
PAIRS = np.array([[0, 0], [1, 1], [2, 2], [0, 1], [0, 2], [1, 2]])  # axes of each entry of the shape
POWERS = np.array(  # powers of the distance along z, y, x in the polynomials of the gradients
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
)
N_POWERS, N_SUMS = 5, 8  # powers of a distance that are summed; of x, the first three of another quantity besides
VOXEL_VARIANCE = 1.0 / 12.0  # integrating over a voxel widens a Gaussian by the voxel's own variance, to fourth order


@nb.njit(cache=True, nogil=True)
def covariance_of(theta: Floats, psf: Floats, scale: Floats) -> Floats:
    """Covariance (3, 3) [voxels^2] of a punctum in one channel."""
    c, s = np.empty((3, 3)), theta[-N_SHAPE:]
    for a in range(3):
        c[a, a] = psf[a] ** 2 + VOXEL_VARIANCE + s[a] * scale[a]
    c[0, 1] = c[1, 0] = s[3] * scale[3]
    c[0, 2] = c[2, 0] = s[4] * scale[4]
    c[1, 2] = c[2, 1] = s[5] * scale[5]
    return c


@nb.njit(cache=True, nogil=True)
def inverse_of(c: Floats) -> tuple[Floats, float]:
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
def in_channel(theta: Floats, shift: Floats) -> Floats:
    """The parameters of a punctum as a channel shows it that is shifted by `shift` (3,) [voxels]."""
    there = theta.copy()
    for a in range(3):
        there[a] += shift[a]
    return there


@nb.njit(cache=True, nogil=True)
def window_of(theta: Floats, psf: Floats, scale: Floats, shape: tuple[int, int, int]) -> Ints:
    """First and last + 1 voxel along each axis that a punctum reaches in a channel, cut at the block."""
    window = np.empty((3, 2), np.int64)
    for a in range(3):
        widest = psf[a] ** 2 + VOXEL_VARIANCE + theta[a - N_SHAPE] * scale[a]
        reach = int(math.ceil(REACH * math.sqrt(widest)))
        middle = int(round(theta[a]))
        window[a, 0] = min(max(middle - reach, 0), shape[a])
        window[a, 1] = max(min(middle + reach + 1, shape[a]), 0)
    return window


@nb.njit(cache=True, nogil=True)
def lines_of(theta: Floats, inverse: Floats, window: Ints) -> tuple[Ints, Floats, float]:
    """A Gaussian ``exp(-q / 2)``, q the squared distance from a punctum in its widths, along all lines of voxels of its window.

    Returns
    -------
    spans : (z, y, 2) ndarray
        First and last + 1 voxel of each line within `REACH`; both 0 where there is none.
    begins : (z, y, 2) ndarray
        The value at the first voxel, and the ratio of the second to it.
    fall : float
        The factor by which that ratio falls from voxel to voxel.

    Notes
    -----
    q is a quadratic form, so that values along x and along y follow from the ones before by two products: a plane takes three
    exponentials.
    """
    n_z, n_y = max(window[0, 1] - window[0, 0], 0), max(window[1, 1] - window[1, 0], 0)
    spans, begins = np.zeros((n_z, n_y, 2), np.int64), np.empty((n_z, n_y, 2))
    curve, first, last = inverse[2, 2], window[2, 0], window[2, 1]
    dx, half = first - theta[2], 0.5 / curve
    fall, fall_y, fall_xy = math.exp(-curve), math.exp(-inverse[1, 1]), math.exp(-inverse[1, 2])
    for i in range(n_z):
        dz, dy = window[0, 0] + i - theta[0], window[1, 0] - theta[1]
        constant, slope = _along_x(inverse, dz, dy)
        value = math.exp(-0.5 * (constant + dx * (slope + curve * dx)))
        rise = math.exp(-(inverse[0, 1] * dz + inverse[1, 1] * (dy + 0.5) + inverse[1, 2] * dx))
        ratio = math.exp(-0.5 * (slope + curve * (2.0 * dx + 1.0)))
        for j in range(n_y):
            constant, slope = _along_x(inverse, dz, dy + j)
            root = slope * slope - 4.0 * curve * (constant - REACH * REACH)
            if root > 0.0:
                root = math.sqrt(root)
                a = max(first, int(math.ceil(theta[2] - (slope + root) * half)))
                b = min(last, int(math.floor(theta[2] - (slope - root) * half)) + 1)
                if a < b:
                    there, factor = value, ratio
                    for _ in range(first, a):
                        there *= factor
                        factor *= fall
                    spans[i, j, 0], spans[i, j, 1] = a, b
                    begins[i, j, 0], begins[i, j, 1] = there, factor
            value *= rise
            rise *= fall_y
            ratio *= fall_xy
    return spans, begins, fall


@nb.njit(cache=True, nogil=True, inline="always")
def _along_x(inverse: Floats, dz: float, dy: float) -> tuple[float, float]:
    """Constant and slope in dx of the squared distance from a punctum, in its widths, along a line of voxels."""
    constant = inverse[0, 0] * dz * dz + 2.0 * inverse[0, 1] * dz * dy + inverse[1, 1] * dy * dy
    return constant, 2.0 * (inverse[0, 2] * dz + inverse[1, 2] * dy)


@nb.njit(cache=True, nogil=True)
def gradient_polynomials(theta: Floats, c: int, inverse: Floats, scale: Floats) -> Floats:
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
def add_line(plane: Floats, line: Floats, dy: float) -> None:
    """Add a line's sums (`N_SUMS`,), each times ``dy^j``, to row j of a plane's (5, `N_SUMS`)."""
    p = 1.0
    for j in range(N_POWERS):
        for k in range(N_SUMS):  # of a number that is known beforehand: vector instructions
            plane[j, k] += p * line[k]
        p *= dy


@nb.njit(cache=True, nogil=True)
def add_plane(sums: Floats, plane: Floats, dz: float) -> None:
    """Add a plane's sums (`add_line`), each times ``dz^i``, to block i of all (5, 5, `N_SUMS`); clear them."""
    p = 1.0
    for i in range(N_POWERS):
        for j in range(N_POWERS):
            for k in range(N_SUMS):
                sums[i, j, k] += p * plane[j, k]
        p *= dz
    plane[:] = 0.0


@nb.njit(cache=True, nogil=True)
def moments_of(weights: Floats) -> Floats:
    """Weighted sums (10, 10) of the products of the monomials in `POWERS`, from the sums of all powers of z, y, x."""
    moments = np.empty((10, 10))
    for m in range(10):
        for n in range(10):
            moments[m, n] = weights[
                POWERS[m, 0] + POWERS[n, 0], POWERS[m, 1] + POWERS[n, 1], POWERS[m, 2] + POWERS[n, 2]
            ]
    return moments


@nb.njit(cache=True, nogil=True)
def prior_sd(theta: Floats, spread: float) -> float:
    """Standard deviation [um^2] of a shape's entry around the one expected from the counts."""
    return 0.7 * spread * max(theta[3:-N_SHAPE].sum(), 0.0) + 2e-4
