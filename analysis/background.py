"""Smooth background below puncta, by clipped local means."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]


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
    whose cost does not grow with its width.
    """
    seen = ndimage.gaussian_filter(electrons, 1.0, truncate=3.0)
    sd_smoothed = (2.0 * np.sqrt(np.pi)) ** -1.5  # of white noise of sd 1 after that filter
    size = np.maximum(np.rint(np.sqrt(6.0) * sigma_vox), 1).astype(int)  # two boxes have the variance size^2 / 6
    background = _block_medians(electrons, size)
    for _ in range(n_rounds):
        sd = sd_smoothed * np.sqrt(np.maximum(background, 0.0) + read_noise**2)
        keep = (seen < background + 3.0 * sd) & (seen > background - 4.0 * sd)
        weight = _box_twice(keep.astype(np.float64), size)
        total = _box_twice(np.where(keep, electrons, 0.0), size)
        background = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), background)
    return np.maximum(background, 1e-3)


def _block_medians(image: Floats, size: NDArray[np.int64]) -> Floats:
    """Medians over blocks of about `size`, interpolated: a start that follows a slope of the background."""
    counts = [max(n // int(s), 1) for n, s in zip(image.shape, size, strict=True)]
    parts = [np.array_split(np.arange(n), c) for n, c in zip(image.shape, counts, strict=True)]
    medians = np.array([[[np.median(image[np.ix_(z, y, x)]) for x in parts[2]] for y in parts[1]] for z in parts[0]])
    centres = [np.array([p.mean() for p in part]) for part in parts]
    at = [np.interp(np.arange(n), c, np.arange(c.size)) for n, c in zip(image.shape, centres, strict=True)]
    grid = np.meshgrid(*at, indexing="ij")
    smooth: Floats = ndimage.map_coordinates(medians, grid, order=1, mode="nearest")
    return smooth


def _box_twice(image: Floats, size: NDArray[np.int64]) -> Floats:
    once = ndimage.uniform_filter(image, size)
    twice: Floats = ndimage.uniform_filter(once, size)
    return twice
