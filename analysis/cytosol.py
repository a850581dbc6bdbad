"""The light of dyes in a block with the blur taken back: colours of the middle of dendrites, and of a place beside them."""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Light = NDArray[np.float32]
N_ROUNDS = 10
"""Of the sharpening: more of them raise noise, fewer leave neighbours mixed."""
WIDER = 1.3
"""Times the width of the image of a point: heads and dendrites are no points, and draw together into their middle."""
SMOOTH = 0.5
"""Sd by which the sharpened light is smoothed again, in its voxels: single ones are noisy."""
SHARE_OF_NOISE = 0.2
"""Noise of the light in a voxel, smoothed, over that of one alone; four voxels are taken together, too."""
READ_VARIANCE = 3.0
LEAST_LIGHT = 0.25
"""Of the brightest hundredth of the block: what is dimmer is no dendrite."""
LEAST_SNR = 6.0
CORE_SHARE = 0.6
"""Of the brightest place nearby: the middle of a dendrite, where neighbours mix in least."""
NEAR_UM = 0.35
"""Cores so near belong together: their colours are averaged, so that a dendrite outvotes the mixtures along its border."""


@dataclass(frozen=True)
class Cytosol:
    """Dye light of a block without blur.

    light : (c, z, y, x) ndarray [electrons per voxel], two voxels along y and x taken together
    dark : (c,) ndarray [electrons per voxel], background, which is not in the light
    voxel_um : (3,) ndarray, of the block
    """

    light: Light
    dark: Floats
    voxel_um: Floats

    def at(self, points_vox: Floats) -> tuple[Floats, Floats]:
        """Light (n, c) at points (n, 3) in voxels of the block, and its standard error."""
        places = (points_vox / [1.0, 2.0, 2.0] - [0.0, 0.25, 0.25]).T
        light = np.array([ndimage.map_coordinates(dye, places, order=1, mode="nearest") for dye in self.light]).T
        return light, SHARE_OF_NOISE * np.sqrt(light + self.dark + READ_VARIANCE)


@dataclass(frozen=True)
class Cores:
    """Places along the middle of bright structures.

    points_um : (n, 3) ndarray, in the block
    colours : (n, c) ndarray, mean colour of the cores within `NEAR_UM`, of length 1
    n_near : (n,) ndarray, how many these are
    spread : (n,) ndarray, how far their colours lie apart [rad]
    pairs : (k, 2) ndarray, rows of cores so near to each other
    """

    points_um: Floats
    colours: Floats
    n_near: Floats
    spread: Floats
    pairs: Ints


def cytosol(dyes: Light, sigma_vox: Floats, voxel_um: Floats) -> Cytosol:
    """The light of the dye channels (c, z, y, x) [electrons] of a block, sharpened by the width (3,) of the image of a point.

    Notes
    -----
    Maximum likelihood of light that is nowhere negative, stopped early (Richardson 1972, J Opt Soc Am 62:55; Lucy 1974, Astron
    J 79:745), over a background that is the same in the block.
    """
    n_y, n_x = (n // 2 for n in dyes.shape[2:])
    whole = dyes[:, :, : 2 * n_y, : 2 * n_x]
    small = whole.reshape(*whole.shape[:2], n_y, 2, n_x, 2).mean(axis=(3, 5)).astype(np.float32)
    dark = np.array([np.percentile(dye, 20) for dye in small])
    # two voxels together blur, too
    width = WIDER * np.hypot(np.asarray(sigma_vox) / [1.0, 2.0, 2.0], [0.0, 0.25, 0.25])
    kernels, smooth = tuple(_kernel(sd) for sd in width), _kernel(SMOOTH)
    light = np.array([_sharpened(dye, max(float(d), 0.1), kernels, smooth) for dye, d in zip(small, dark, strict=True)])
    return Cytosol(light, np.maximum(dark, 0.0), np.asarray(voxel_um))


def _kernel(sd: float) -> Light:
    """One side of a Gaussian, its middle first."""
    half = np.exp(-0.5 * (np.arange(int(np.ceil(3.0 * sd)) + 1) / sd) ** 2)
    return (half / (2.0 * half.sum() - half[0])).astype(np.float32)


@nb.njit(cache=True, nogil=True)
def _sharpened(image: Light, background: float, kernels: tuple[Light, ...], smooth: Light) -> Light:
    dark = np.float32(background)
    ratio, blurred, light = np.empty_like(image), np.empty_like(image), np.empty_like(image)
    of_image, of_ratio, of_blurred, of_light = image.ravel(), ratio.ravel(), blurred.ravel(), light.ravel()
    for i in range(image.size):
        of_image[i] = max(of_image[i], np.float32(0.0))
        of_ratio[i] = max(of_image[i] - dark, np.float32(0.05) * dark)
    _blur(ratio, light, smooth, smooth, smooth)
    for _ in range(N_ROUNDS):
        _blur(light, blurred, *kernels)
        for i in range(image.size):
            of_ratio[i] = of_image[i] / (of_blurred[i] + dark)
        _blur(ratio, blurred, *kernels)
        for i in range(image.size):
            of_light[i] *= of_blurred[i]
    _blur(light, blurred, smooth, smooth, smooth)
    return blurred


@nb.njit(cache=True, nogil=True)
def _blur(image: Light, out: Light, kz: Light, ky: Light, kx: Light) -> None:
    """`image` with kernels, of which one side is given, along the axes; what lies beyond a face repeats it."""
    n_z, n_y, n_x = image.shape
    plane = np.empty((n_y, n_x), np.float32)
    for z in range(n_z):
        plane[:] = kz[0] * image[z]
        for k in range(1, kz.size):
            below, above = image[max(z - k, 0)], image[min(z + k, n_z - 1)]
            for y in range(n_y):
                for x in range(n_x):
                    plane[y, x] += kz[k] * (below[y, x] + above[y, x])
        for y in range(n_y):
            for x in range(n_x):
                out[z, y, x] = ky[0] * plane[y, x]
            for k in range(1, ky.size):
                before, behind = plane[max(y - k, 0)], plane[min(y + k, n_y - 1)]
                for x in range(n_x):
                    out[z, y, x] += ky[k] * (before[x] + behind[x])
        for y in range(n_y):
            plane[y] = out[z, y]
            for x in range(n_x):
                out[z, y, x] = kx[0] * plane[y, x]
            for k in range(1, kx.size):
                for x in range(k, n_x - k):
                    out[z, y, x] += kx[k] * (plane[y, x - k] + plane[y, x + k])
                for x in range(min(k, n_x)):
                    out[z, y, x] += kx[k] * (plane[y, 0] + plane[y, min(x + k, n_x - 1)])
                for x in range(max(n_x - k, k), n_x):
                    out[z, y, x] += kx[k] * (plane[y, x - k] + plane[y, n_x - 1])


def cores_of(seen: Cytosol) -> Cores:
    """The middles of what is bright."""
    total = seen.light.sum(axis=0)
    noise = SHARE_OF_NOISE * np.sqrt((seen.dark + READ_VARIANCE).sum())
    bright = total > max(LEAST_LIGHT * float(np.percentile(total, 99.0)), LEAST_SNR * noise)
    places = np.argwhere(bright & (total > CORE_SHARE * ndimage.maximum_filter(total, size=(3, 7, 7))))
    points = (places * [1.0, 2.0, 2.0] + [0.0, 0.5, 0.5]) * seen.voxel_um
    n, (colours, _) = len(points), unit(seen.light[(slice(None), *places.T)].T.astype(float))
    if not n:
        return Cores(points, colours, np.zeros(0), np.zeros(0), np.zeros((0, 2), np.int64))
    pairs = cKDTree(points).query_pairs(NEAR_UM, output_type="ndarray")
    near = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    near = near + near.T + sparse.identity(n, format="csr")
    n_near = np.asarray(near.sum(axis=1)).ravel()
    mean = (near @ colours) / n_near[:, None]
    mean, length = unit(mean)
    return Cores(points, mean, n_near, np.sqrt(np.maximum(2.0 - 2.0 * length[:, 0], 0.0)), pairs)


def unit(colours: Floats) -> tuple[Floats, Floats]:
    """Colours (n, c) of length 1, those without light apart, and the lengths (n, 1) that they had."""
    length = np.maximum(np.linalg.norm(colours, axis=1, keepdims=True), 1e-12)
    return colours / length, length


@nb.njit(cache=True, nogil=True)
def alike(colours: Floats, codes: Floats) -> Floats:
    """Cosines (n, m) of the angles between colours (n, c) and codes (m, c) of length 1.

    No matrix product, whose last digits depend on the number of threads.
    """
    (n, n_dyes), n_codes, by_dye = colours.shape, len(codes), np.ascontiguousarray(codes.T)
    cosines = np.zeros((n, n_codes))
    for i in range(n):
        for k in range(n_dyes):
            for j in range(n_codes):
                cosines[i, j] += colours[i, k] * by_dye[k, j]
    return cosines
