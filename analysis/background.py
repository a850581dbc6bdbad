"""Smooth background below puncta, by clipped local means."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
SEEN_REACH = 3.0


def smooth_background(electrons: Floats, sigma_vox: Floats, read_noise: float, n_rounds: int = 4) -> Floats:
    """Background (z, y, x) [electrons]: a local mean over voxels that hold no punctum.

    Parameters
    ----------
    electrons : (z, y, x) ndarray [electrons]
        One channel.
    sigma_vox : (3,) ndarray
        Standard deviation of the local mean's window, much wider than a punctum.
    read_noise : float
        Read noise [electrons].
    n_rounds : int
        Rounds of clipping at +3 and -4 standard deviations of a voxel smoothed a little.

    Notes
    -----
    Normalised convolution: ``smooth(mask n) / smooth(mask)``. Clipping looks at a slightly smoothed image, in which
    a punctum's skirt stands out; the clip is asymmetric since puncta only add. The window is a box passed twice,
    whose cost does not grow with its width. All of it happens on bins of a third of the window's width.
    """
    step = np.clip((sigma_vox / 3.0).astype(int), 1, electrons.shape)
    binned = _binned(electrons, step)
    seen = ndimage.gaussian_filter(binned, 1.0 / step, truncate=SEEN_REACH)
    sd_smoothed = np.prod([_noise_after(1.0 / n) / np.sqrt(n) for n in step])
    # two boxes have the variance size^2 / 6; an even box would shift the image
    size = 2 * np.maximum(np.rint(np.sqrt(1.5) * sigma_vox / step - 0.5), 0).astype(int) + 1
    background = _block_medians(binned, size)
    for _ in range(n_rounds):
        sd = sd_smoothed * np.sqrt(np.maximum(background, 0.0) + read_noise**2)
        keep = (seen < background + 3.0 * sd) & (seen > background - 4.0 * sd)
        weight = _box_twice(keep.astype(np.float64), size)
        total = _box_twice(np.where(keep, binned, 0.0), size)
        background = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), background)
    return np.maximum(_unbinned(background, step, electrons.shape), 1e-3)


def _binned(image: Floats, step: NDArray[np.int64]) -> Floats:
    """Means over bins of `step` voxels; the last bins repeat the image's faces."""
    padded = np.pad(image, [(0, -n % s) for n, s in zip(image.shape, step, strict=True)], mode="edge")
    for axis, s in enumerate(step):
        shape = (*padded.shape[:axis], -1, s, *padded.shape[axis + 1 :])
        padded = padded.reshape(shape).mean(axis=axis + 1)
    return padded


def _unbinned(image: Floats, step: NDArray[np.int64], shape: tuple[int, ...]) -> Floats:
    """The voxels' values, linear between the centres of the bins."""
    return _between(image, [(np.arange(n) + 0.5) / s - 0.5 for s, n in zip(step, shape, strict=True)])


def _between(image: Floats, at: list[Floats]) -> Floats:
    """Values at the places ``at[axis]`` along every axis [voxels], linear between voxels and those of the faces beyond."""
    for axis, place in enumerate(at):
        last = image.shape[axis] - 1
        inside = np.clip(place, 0, last)
        low = np.minimum(inside.astype(int), max(last - 1, 0))
        part = (inside - low).reshape([-1 if k == axis else 1 for k in range(image.ndim)])
        image = np.take(image, low, axis) * (1 - part) + np.take(image, np.minimum(low + 1, last), axis) * part
    return image


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
    once = ndimage.uniform_filter(image, size)
    twice: Floats = ndimage.uniform_filter(once, size)
    return twice
