"""The light of a punctum beyond the Gaussian that is fitted: what bright puncta show of it, and where it falls.

A physical point spread function has rings and an axial tail; of a spinning disc's light a third lies beyond the best Gaussian. Left
out, it passes for faint neighbours of bright synapses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.fit import Fit, Scene, model_of

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
REACH = (4.5, 6.5)  # PSF widths along z and across within which it is looked for
BEYOND = 3.5  # PSF widths; what is nearer to a middle may be the extent of a synapse
BRIGHT = 70.0  # percentile of the counts from which on puncta are bright
LEAST = 12  # puncta, of which fewer say nothing of noise
SURE = 2.0  # standard errors that a ring's light stands out by; what is less is noise


@dataclass(frozen=True)
class SkirtSums:
    """What bright puncta of a part of an image show of their skirts; sums over parts belong to the whole.

    sums : (6, channel, plane, ring) ndarray, over puncta: 1, a, b, a^2, a b, b^2, where a is what is left of the image in a ring's
        voxels [electrons] times the punctum's electrons, and b their number times the square of these
    """

    sums: Floats

    @classmethod
    def total(cls, parts: "Sequence[SkirtSums]") -> "SkirtSums":
        """Those of all parts together."""
        return cls(np.sum([p.sums for p in parts], axis=0))

    def light(self) -> tuple[Floats, Floats]:
        """Light (channel, plane, ring) of a voxel per electron in the Gaussian, and its variance, by how puncta differ."""
        n, a, b, aa, ab, bb = self.sums
        light = a / np.maximum(b, 1e-9)
        scatter = (aa - 2.0 * light * ab + light**2 * bb) / np.maximum(b, 1e-9) ** 2
        return light, scatter * n / np.maximum(n - 1.0, 1.0)

    def profile(self) -> Floats:
        """The light, 0 where noise could have made it.

        Nowhere negative, so that no background is: where the Gaussian is brighter than the image of a point it stays so.
        """
        light, variance = self.light()
        light = np.where(self.sums[0] < LEAST, 0.0, np.maximum(light, 0.0))
        return light * np.maximum(1.0 - SURE**2 * variance / np.maximum(light**2, 1e-30), 0.0)


def extent(psf_vox: Floats) -> tuple[int, int]:
    """Planes to each side and rings of the skirt of a point spread function with sds `psf_vox` (channel, 3)."""
    width = psf_vox.mean(axis=0)
    return int(np.ceil(REACH[0] * width[0])), int(np.ceil(REACH[1] * width[2]))


def rings(n_rings: int, voxel_um: Floats) -> Ints:
    """The ring (y, x) in which each voxel around a middle lies; -1 beyond the last. Rings are a voxel along x wide."""
    n_y = int(np.ceil(n_rings * voxel_um[2] / voxel_um[1]))
    y, x = np.arange(-n_y, n_y + 1) * voxel_um[1] / voxel_um[2], np.arange(-n_rings, n_rings + 1)
    ring = np.rint(np.hypot(y[:, None], x[None, :])).astype(np.int64)
    return np.where(ring < n_rings, ring, -1)


def kernel_of(profile: Floats, voxel_um: Floats) -> Singles:
    """The voxels (channel, z, y, x) of a skirt whose `profile` is (channel, plane, ring)."""
    ring = rings(profile.shape[2], voxel_um)
    kernel: Singles = np.where(ring >= 0, profile[:, :, ring], 0.0).astype(np.float32)
    return kernel


def skirt_sums(scene: Scene, fit: Fit) -> SkirtSums:
    """What the bright puncta of a fitted scene show of their skirts; the light of skirts known before counts as not told."""
    left = scene.data - model_of(scene, fit)
    if scene.beside is not None:
        left += scene.beside
    n_planes, n_rings = extent(scene.psf_vox)
    shape = len(scene.data), 2 * n_planes + 1, n_rings
    total = fit.electrons.sum(axis=1)
    bright = np.flatnonzero(total >= np.percentile(total, BRIGHT)) if total.size else np.zeros(0, np.int64)
    at = np.rint(fit.points_vox[bright, None] + scene.shift_vox).astype(np.int64)
    sums = np.zeros((6, *shape))
    z, r = np.arange(-n_planes, n_planes + 1)[:, None], np.arange(n_rings)
    is_beyond = np.array([(z / w[0]) ** 2 + (r / w[2]) ** 2 > BEYOND**2 for w in scene.psf_vox])
    _gather(left, at, fit.electrons[bright], rings(n_rings, scene.voxel_um), is_beyond, sums)
    return SkirtSums(sums)


@nb.njit(cache=True, nogil=True)
def _gather(left: Singles, at: Ints, electrons: Floats, ring: Ints, is_beyond: NDArray[np.bool_], sums: Floats) -> None:
    """Add to `sums` (6, channel, plane, ring) those of puncta at voxels (n, channel, 3) that are not cut by a face."""
    light, number = np.empty(sums.shape[3]), np.empty(sums.shape[3])
    half = np.array([sums.shape[2] // 2, ring.shape[0] // 2, ring.shape[1] // 2])
    for i in range(at.shape[0]):
        for c in range(left.shape[0]):
            low = at[i, c] - half
            if (low < 0).any() or (at[i, c] + half >= np.array(left.shape[1:])).any():
                continue
            n = electrons[i, c]
            for z in range(sums.shape[2]):
                light[:], number[:] = 0.0, 0.0
                for y in range(ring.shape[0]):
                    for x in range(ring.shape[1]):
                        k = ring[y, x]
                        if k >= 0 and is_beyond[c, z, k]:
                            light[k] += n * left[c, low[0] + z, low[1] + y, low[2] + x]
                            number[k] += n * n
                for k in range(light.size):
                    a, b = light[k], number[k]
                    sums[0, c, z, k] += 1.0
                    sums[1, c, z, k] += a
                    sums[2, c, z, k] += b
                    sums[3, c, z, k] += a * a
                    sums[4, c, z, k] += a * b
                    sums[5, c, z, k] += b * b


def skirts_of(scene: Scene, fit: Fit) -> Singles | None:
    """The light (channel, z, y, x) of the puncta's skirts, each around its nearest voxel; None if the scene has none."""
    if scene.skirt is None:
        return None
    light = np.zeros_like(scene.data)
    at = np.rint(fit.points_vox[:, None] + scene.shift_vox).astype(np.int64)
    _deposit(light, at, fit.electrons, scene.skirt)
    return light


@nb.njit(cache=True, nogil=True)
def _deposit(light: Singles, at: Ints, electrons: Floats, kernel: Singles) -> None:
    _, n_z, n_y, n_x = light.shape
    half_z, half_y, half_x = kernel.shape[1] // 2, kernel.shape[2] // 2, kernel.shape[3] // 2
    for i in range(at.shape[0]):
        for c in range(light.shape[0]):
            z0, y0, x0 = at[i, c, 0] - half_z, at[i, c, 1] - half_y, at[i, c, 2] - half_x
            first, last = max(x0, 0), min(x0 + kernel.shape[3], n_x)
            if first >= last:
                continue
            n = np.float32(electrons[i, c])
            for z in range(max(z0, 0), min(z0 + kernel.shape[1], n_z)):
                for y in range(max(y0, 0), min(y0 + kernel.shape[2], n_y)):
                    line, share = light[c, z, y, first:last], kernel[c, z - z0, y - y0, first - x0 : last - x0]
                    for x in range(line.size):
                        line[x] += n * share[x]
