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
LEAST = math.exp(-0.5 * REACH**2)  # share of its middle's value that a punctum has at its reach
N_SHAPE = 6  # the last parameters of a punctum: its shape's covariance zz, yy, xx, zy, zx, yx
PAIRS = np.array([[0, 0], [1, 1], [2, 2], [0, 1], [0, 2], [1, 2]])  # axes of each entry of the shape
POWERS = np.array(  # powers of the distance along z, y, x in the polynomials of the gradients
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
)
N_POWERS, N_EXCESSES = 5, 3  # powers of a distance that weights and excesses are summed with
LANES = 4  # voxels of a vector instruction
WIDTH = 32  # voxels of a row of a scratch, which are worked on side by side
RISE, WEIGHTS, EXCESSES, SUMS, EXCESS_SUMS, N_SCRATCH = WIDTH, 2 * WIDTH, 7 * WIDTH, 10 * WIDTH, 25 * WIDTH, 31 * WIDTH
"""Where rows of a scratch (`N_SCRATCH`,) begin; those of the values of a line come first. Ratios of the next line's values to them;
sums of a plane's columns, with the powers of y; sums of all planes' columns, with the powers of y and z whose degree together is
less than `N_POWERS` or `N_EXCESSES`. All distances in one array are known beforehand, so that compilers see that no row overlaps
another and use vector instructions."""
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
    zz, yy, xx = c[1, 1] * c[2, 2] - c[1, 2] ** 2, c[0, 0] * c[2, 2] - c[0, 2] ** 2, c[0, 0] * c[1, 1] - c[0, 1] ** 2
    zy, zx = c[0, 2] * c[1, 2] - c[0, 1] * c[2, 2], c[0, 1] * c[1, 2] - c[0, 2] * c[1, 1]
    yx = c[0, 1] * c[0, 2] - c[1, 2] * c[0, 0]
    determinant = c[0, 0] * zz + c[0, 1] * zy + c[0, 2] * zx
    inverse = np.empty((3, 3))
    inverse[0, 0], inverse[1, 1], inverse[2, 2] = zz / determinant, yy / determinant, xx / determinant
    inverse[0, 1] = inverse[1, 0] = zy / determinant
    inverse[0, 2] = inverse[2, 0] = zx / determinant
    inverse[1, 2] = inverse[2, 1] = yx / determinant
    return inverse, determinant


@nb.njit(cache=True, nogil=True)
def in_channel(theta: Floats, shift: Floats) -> Floats:
    """The parameters of a punctum as a channel shows it that is shifted by `shift` (3,) [voxels]."""
    there = theta.copy()
    for a in range(3):
        there[a] += shift[a]
    return there


@nb.njit(cache=True, nogil=True)
def in_voxels(whole: Floats, c: int, psf: Floats, shift: Floats, scale: Floats) -> tuple[Floats, Floats, Floats, float]:
    """A punctum as a channel shows it: parameters, covariance and its inverse, value in the middle per electron."""
    theta = in_channel(whole, shift[c])
    covariance = covariance_of(theta, psf[c], scale)
    inverse, determinant = inverse_of(covariance)
    return theta, covariance, inverse, 1.0 / math.sqrt((2.0 * math.pi) ** 3 * determinant)


@nb.njit(cache=True, nogil=True)
def sections_of(theta: Floats, covariance: Floats, shape: tuple[int, int, int]) -> Ints:
    """The voxels of a block that a punctum reaches, plane by plane (n, 6): z, first and last + 1 y, the same of x, left edge.

    A section lies within `WIDTH` voxels from its left edge on; of a wider punctum all planes come again for every such width.
    """
    low, high = _along_axis(theta[0], REACH * math.sqrt(covariance[0, 0]), 0, shape[0])
    first, last = _along_axis(theta[2], REACH * math.sqrt(covariance[2, 2]), 0, shape[2])
    sections, n = np.empty(((high - low) * ((last - first + WIDTH - 1) // WIDTH), 6), np.int64), 0
    for left in range(first, last, WIDTH):
        for z in range(low, high):
            y0, y1, x0, x1 = section_of(theta, covariance, z, (0, shape[1], left, min(left + WIDTH, shape[2])))
            if y0 < y1 and x0 < x1:
                here = sections[n]
                here[0], here[1], here[2], here[3], here[4], here[5] = z, y0, y1, x0, x1, left
                n += 1
    return sections[:n]


@nb.njit(cache=True, nogil=True)
def section_of(
    theta: Floats, covariance: Floats, z: int, limits: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """First and last + 1 voxel along y and along x that a punctum reaches in a plane, within such `limits`.

    Along x a multiple of `LANES`, if the limits allow it.
    """
    dz = z - theta[0]
    rest = REACH * REACH - dz * dz / covariance[0, 0]
    if rest <= 0.0:
        return 0, 0, 0, 0
    # a Gaussian's section is a Gaussian
    zy, zx = covariance[0, 1] / covariance[0, 0], covariance[0, 2] / covariance[0, 0]
    reach_y = math.sqrt(rest * (covariance[1, 1] - zy * covariance[0, 1]))
    reach_x = math.sqrt(rest * (covariance[2, 2] - zx * covariance[0, 2]))
    y0, y1 = _along_axis(theta[1] + zy * dz, reach_y, limits[0], limits[1])
    x0, x1 = _along_axis(theta[2] + zx * dz, reach_x, limits[2], limits[3])
    n = (x1 - x0 + LANES - 1) // LANES * LANES
    x0 = max(min(x0, limits[3] - n), limits[2])
    return y0, y1, x0, min(x0 + n, limits[3])


@nb.njit(cache=True, nogil=True)
def _along_axis(middle: float, reach: float, low: int, high: int) -> tuple[int, int]:
    """First and last + 1 whole number within a reach of `middle` and from `low` to below `high`; the same where there is none."""
    first = max(int(math.ceil(middle - reach)), low)
    return first, max(min(int(math.floor(middle + reach)) + 1, high), first)


@nb.njit(cache=True, nogil=True)
def first_line(work: Floats, theta: Floats, inverse: Floats, peak: float, begin: tuple[int, int, int], n: int) -> None:
    """A Gaussian's values on n voxels from `begin` (z, y, x) on, and the ratios of the next line's to them, into a scratch.

    Notes
    -----
    ``peak exp(-q / 2)``, q the squared distance from a punctum in its widths. q is a quadratic form, so that from voxel to voxel a
    value changes by a ratio, and that by a factor: from line to line by ``exp(-inverse[1, 1])``.
    """
    dz, dy, dx = begin[0] - theta[0], begin[1] - theta[1], begin[2] - theta[2]
    along_y = inverse[0, 1] * dz + inverse[1, 1] * dy + inverse[1, 2] * dx
    along_x = inverse[0, 2] * dz + inverse[1, 2] * dy + inverse[2, 2] * dx
    along_z = inverse[0, 0] * dz + inverse[0, 1] * dy + inverse[0, 2] * dx
    value = peak * math.exp(-0.5 * (along_z * dz + along_y * dy + along_x * dx))
    rise, ratio = math.exp(-along_y - 0.5 * inverse[1, 1]), math.exp(-along_x - 0.5 * inverse[2, 2])
    fall, turn = math.exp(-inverse[2, 2]), math.exp(-inverse[1, 2])
    for x in range(n):
        work[x], work[RISE + x] = value, rise
        value *= ratio
        ratio *= fall
        rise *= turn


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
def add_powers(work: Floats, to: int, n: int, value: float, distance: float) -> None:
    """Add a value times the powers 0 to n - 1 of a distance to as many rows of a scratch, from entry `to` on."""
    for _ in range(n):
        work[to] += value
        value *= distance
        to += WIDTH


@nb.njit(cache=True, nogil=True)
def add_weights(work: Floats, dz: float, n: int) -> None:
    """Add the sums of the weights of a plane's n columns, times the powers of dz, to those of all planes; clear them."""
    for x in range(n):  # spelt out: compilers do not unroll loops of different lengths
        _move(work, WEIGHTS + x, SUMS + x, 5, dz)
        _move(work, WEIGHTS + WIDTH + x, SUMS + 5 * WIDTH + x, 4, dz)
        _move(work, WEIGHTS + 2 * WIDTH + x, SUMS + 9 * WIDTH + x, 3, dz)
        _move(work, WEIGHTS + 3 * WIDTH + x, SUMS + 12 * WIDTH + x, 2, dz)
        _move(work, WEIGHTS + 4 * WIDTH + x, SUMS + 14 * WIDTH + x, 1, dz)


@nb.njit(cache=True, nogil=True)
def add_excesses(work: Floats, dz: float, n: int) -> None:
    """The same of the excesses."""
    for x in range(n):
        _move(work, EXCESSES + x, EXCESS_SUMS + x, 3, dz)
        _move(work, EXCESSES + WIDTH + x, EXCESS_SUMS + 3 * WIDTH + x, 2, dz)
        _move(work, EXCESSES + 2 * WIDTH + x, EXCESS_SUMS + 5 * WIDTH + x, 1, dz)


@nb.njit(cache=True, nogil=True)
def _move(work: Floats, row: int, to: int, n: int, distance: float) -> None:
    add_powers(work, to, n, work[row], distance)
    work[row] = 0.0


@nb.njit(cache=True, nogil=True)
def add_weight_columns(sums: Floats, work: Floats, dx: float) -> None:
    """Add the sums of the weights of all columns, of which the first is dx away, times the powers of that to `sums`; clear them.

    Parameters
    ----------
    sums : (5, 5, 8) ndarray
        With the powers of z and y; of x those of weights, then those of excesses.
    """
    _add_columns(sums[:, :, :N_POWERS], work, SUMS, N_POWERS, dx)


@nb.njit(cache=True, nogil=True)
def add_excess_columns(sums: Floats, work: Floats, dx: float) -> None:
    """The same of the excesses."""
    _add_columns(sums[:, :, N_POWERS:], work, EXCESS_SUMS, N_EXCESSES, dx)


@nb.njit(cache=True, nogil=True)
def _add_columns(sums: Floats, work: Floats, at: int, n_powers: int, dx: float) -> None:
    for _ in range(WIDTH):
        row = at
        for j in range(n_powers):
            for i in range(n_powers - j):
                value, work[row] = work[row], 0.0
                for k in range(n_powers - j - i):
                    sums[i, j, k] += value
                    value *= dx
                row += WIDTH
        at += 1
        dx += 1.0


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
def add_information(information: Floats, g: Floats, moments: Floats) -> None:
    """Add ``g @ moments @ g.T``, of the coefficients g (`gradient_polynomials`), to the information (parameter, parameter)."""
    half = np.empty(10)
    for i in range(g.shape[0]):
        for m in range(10):
            half[m] = _product(g, i, moments[m])
        for j in range(i + 1):
            information[i, j] += _product(g, j, half)
            information[j, i] = information[i, j]


@nb.njit(cache=True, nogil=True)
def _product(g: Floats, i: int, v: Floats) -> float:
    """``g[i] @ v``, without the coefficients that are always 0."""
    row = g[i]
    if i < 3:
        return row[1] * v[1] + row[2] * v[2] + row[3] * v[3]
    if i < g.shape[0] - N_SHAPE:
        return row[0] * v[0]
    return row[0] * v[0] + row[4] * v[4] + row[5] * v[5] + row[6] * v[6] + row[7] * v[7] + row[8] * v[8] + row[9] * v[9]


@nb.njit(cache=True, nogil=True)
def prior_sd(theta: Floats, spread: float) -> float:
    """Standard deviation [um^2] of a shape's entry around the one expected from the counts."""
    return 0.7 * spread * max(theta[3:-N_SHAPE].sum(), 0.0) + 2e-4
