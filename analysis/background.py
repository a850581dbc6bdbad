"""Smooth background below puncta, by clipped local means."""

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
SEEN_REACH = 3.0
N_ROUNDS, N_ROUNDS_AGAIN = 3, 2
COLUMNS = 64  # that are summed at a time: they stay in the processor's cache


def smooth_background(
    electrons: Singles | Floats,
    sigma_vox: Floats,
    read_noise: float,
    light: Singles | Floats | None = None,
    begin: Singles | Floats | None = None,
) -> Singles:
    """Background (z, y, x) [electrons], in single precision: a local mean over voxels that hold no punctum.

    Parameters
    ----------
    electrons : (z, y, x) ndarray [electrons]
        One channel.
    sigma_vox : (3,) ndarray
        Standard deviation of the local mean's window, much wider than a punctum.
    read_noise : float
        Read noise [electrons].
    light : (z, y, x) ndarray [electrons], optional
        Expected of puncta that are taken out of `electrons` already: their noise is there still, and voxels count by the
        inverse of their variance.
    begin : (z, y, x) ndarray [electrons], optional
        A background found before, from which fewer rounds lead to the next.

    Notes
    -----
    Normalised convolution: ``smooth(mask n) / smooth(mask)``, in rounds of clipping at +3 and -4 standard deviations.
    Clipping looks at a slightly smoothed image, in which a punctum's skirt stands out; it is asymmetric since puncta only
    add. The window is a box passed twice, whose cost does not grow with its width. All of it happens on bins of a third of
    the window's width.
    """
    step = np.clip((sigma_vox / 3.0).astype(int), 1, electrons.shape)
    binned = _binned(electrons, step)
    seen = ndimage.gaussian_filter(binned, 1.0 / step, truncate=SEEN_REACH)
    sd_smoothed = np.prod([_noise_after(1.0 / n) / np.sqrt(n) for n in step])
    # two boxes have the variance size^2 / 6; an even box would shift the image
    size = 2 * np.maximum(np.rint(np.sqrt(1.5) * sigma_vox / step - 0.5), 0).astype(int) + 1
    above = np.zeros_like(binned) if light is None else _binned(light, step)
    background = _block_medians(binned, size) if begin is None else _binned(begin, step)
    for _ in range(N_ROUNDS if begin is None else N_ROUNDS_AGAIN):
        weight, total = (_box_twice(v, size) for v in _kept(binned, seen, background, above, sd_smoothed, read_noise))
        background = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), background)
    smooth = _unbinned(background, step, electrons.shape)
    return np.maximum(smooth, np.float32(1e-3), out=smooth)


@nb.njit(cache=True, nogil=True)
def _kept(
    binned: Floats, seen: Floats, background: Floats, above: Floats, sd_smoothed: float, read_noise: float
) -> tuple[Floats, Floats]:
    """Weights, 0 where what is seen is no background and else 1 where no light is above it, and the bins times them."""
    weight, total = np.empty_like(binned), np.empty_like(binned)
    bins, smooth, dark, light = binned.ravel(), seen.ravel(), background.ravel(), above.ravel()
    w, t = weight.ravel(), total.ravel()
    for k in range(bins.size):
        noise = max(dark[k], 0.0) + read_noise**2
        sd = sd_smoothed * math.sqrt(noise + light[k])
        is_kept = (smooth[k] < dark[k] + 3.0 * sd) & (smooth[k] > dark[k] - 4.0 * sd)
        w[k] = noise / (noise + light[k]) if is_kept else 0.0
        t[k] = w[k] * bins[k]
    return weight, total


def _binned(image: Singles | Floats, step: NDArray[np.int64]) -> Floats:
    """Means over bins of `step` voxels; the last bins repeat the image's faces."""
    beyond = [(0, -n % s) for n, s in zip(image.shape, step, strict=True)]
    binned = np.pad(image, beyond, mode="edge") if np.any(beyond) else image
    for axis, s in enumerate(step):
        if s > 1:
            along = [slice(None)] * axis
            binned = sum(binned[(*along, slice(k, None, s))] for k in range(s)) / s
    return binned.astype(np.float64, copy=False)


def _unbinned(image: Floats, step: NDArray[np.int64], shape: tuple[int, ...]) -> Singles:
    """The voxels' values, linear between the centres of the bins."""
    return _between(
        image.astype(np.float32), [(np.arange(n) + 0.5) / s - 0.5 for s, n in zip(step, shape, strict=True)]
    )


def _between(image: NDArray[Any], at: list[Floats]) -> NDArray[Any]:
    """Values at the places ``at[axis]`` along every axis [voxels], linear between voxels and those of the faces beyond."""
    for axis in reversed(range(image.ndim)):  # along x first, while there are few lines
        place, shape = at[axis], image.shape
        if not np.array_equal(place, np.arange(shape[axis])):
            new = _lines_between(image.reshape(math.prod(shape[:axis]), shape[axis], -1), place)
            image = new.reshape(*shape[:axis], place.size, *shape[axis + 1 :])
    return image


@nb.njit(cache=True, nogil=True)
def _lines_between(image: NDArray[Any], at: Floats) -> NDArray[Any]:
    """`_between` along the second of three axes."""
    n_outer, n, n_inner = image.shape
    out = np.empty((n_outer, at.size, n_inner), image.dtype)
    for i in range(at.size):
        inside = min(max(at[i], 0.0), n - 1.0)
        low = max(min(int(inside), n - 2), 0)
        high, part = min(low + 1, n - 1), inside - low
        for o in range(n_outer):
            for x in range(n_inner):
                out[o, i, x] = image[o, low, x] * (1.0 - part) + image[o, high, x] * part
    return out


def _noise_after(sigma: float) -> float:
    """Standard deviation of white noise of unit variance after a Gaussian filter along one axis."""
    radius = int(SEEN_REACH * sigma + 0.5)
    impulse = np.zeros(2 * radius + 1)
    impulse[radius] = 1.0
    return float(np.sqrt((ndimage.gaussian_filter1d(impulse, sigma, truncate=SEEN_REACH, mode="constant") ** 2).sum()))


def _block_medians(image: Floats, size: NDArray[np.int64]) -> Floats:
    """Medians over blocks of about `size`, interpolated: a start that follows a slope of the background."""
    counts = [max(n // int(s), 1) for n, s in zip(image.shape, size, strict=True)]
    parts = [np.array_split(np.arange(n), c) for n, c in zip(image.shape, counts, strict=True)]
    cuts = [[slice(p[0], p[-1] + 1) for p in part] for part in parts]
    medians = np.array([[[_median(image[z, y, x]) for x in cuts[2]] for y in cuts[1]] for z in cuts[0]])
    centres = [np.array([p.mean() for p in part]) for part in parts]
    at = [np.interp(np.arange(n), c, np.arange(c.size)) for n, c in zip(image.shape, centres, strict=True)]
    return _between(medians, at)


def _median(values: Floats) -> float:
    """`numpy.median`, without what it checks."""
    low, high = (values.size - 1) // 2, values.size // 2
    ranked = np.partition(values, (low, high), axis=None)
    return float(0.5 * (ranked[low] + ranked[high]))


def _box_twice(image: Floats, size: NDArray[np.int64]) -> Floats:
    """Means of means over boxes of an odd `size`, in an image continued by its mirror image."""
    for n in size:  # the first axis, which then becomes the last
        image = _means_twice(image.reshape(len(image), -1), int(n) // 2).reshape(*image.shape[1:], -1)
    return image


@nb.njit(cache=True, nogil=True)
def _means_twice(image: Floats, radius: int) -> Floats:
    """Means of means over ``2 radius + 1`` rows around each of an image (rows, columns), transposed."""
    n, n_columns = image.shape
    out, once, twice = np.empty((n_columns, n)), np.empty((n, COLUMNS)), np.empty((n, COLUMNS))
    share = 1.0 / (2 * radius + 1) ** 2
    for first in range(0, n_columns, COLUMNS):
        last = min(first + COLUMNS, n_columns)
        _sums(image, radius, first, last, once)
        _sums(once, radius, 0, last - first, twice)
        for x in range(last - first):
            for i in range(n):
                out[first + x, i] = share * twice[i, x]
    return out


@nb.njit(cache=True, nogil=True)
def _sums(image: Floats, radius: int, first: int, last: int, out: Floats) -> None:
    """Sums over ``2 radius + 1`` rows around each, of some columns of an image (rows, columns) that its mirror image continues."""
    n = image.shape[0]
    out[0] = 0.0
    for k in range(-radius, radius + 1):
        out[0, : last - first] += image[_mirrored(k, n), first:last]
    for i in range(1, n):
        before, here = out[i - 1], out[i]
        come, gone = image[_mirrored(i + radius, n), first:last], image[_mirrored(i - radius - 1, n), first:last]
        for x in range(last - first):
            here[x] = before[x] + (come[x] - gone[x])


@nb.njit(cache=True, nogil=True)
def _mirrored(i: int, n: int) -> int:
    """Which of n rows is the i-th of an image with its mirror images on both sides."""
    k = i % (2 * n)
    return min(k, 2 * n - 1 - k)
