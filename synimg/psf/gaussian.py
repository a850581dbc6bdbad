"""A Gaussian point spread function, integrated exactly over every voxel."""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from synimg.model import Model
from synimg.optics.pupil import refuse_beyond
from synimg.psf.protocol import Block

Floats = NDArray[np.float64]
REACH = 4.0
"""Half width of the kernel in standard deviations; what lies beyond (6e-5 per axis) is put back by normalising."""


class Gaussian(Model):
    """Gaussian with the widths of a confocal microscope at a pinhole of one Airy unit.

    Notes
    -----
    Full widths at half maximum ``0.51 lambda / NA`` laterally and ``0.88 lambda / (n - sqrt(n^2 - NA^2))`` axially
    (Wilhelm et al., Confocal Laser Scanning Microscopy, Zeiss, eq. 5 and 6), with the emission wavelength, which makes
    them a few per cent wider than the excitation's. A physical PSF has rings and tails that this one lacks.
    """

    kind: Literal["gaussian"] = "gaussian"
    numerical_aperture: float = Field(1.4, gt=0.1, lt=1.7, description="numerical aperture of the objective")
    refractive_index: float = Field(1.518, ge=1, le=1.8, description="refractive index of the immersion")

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_beyond(self.numerical_aperture, self.refractive_index)
        return self

    def sigma_um(self, emission_nm: float) -> tuple[float, float, float]:
        """Standard deviations along z, y, x [um] at an emission wavelength [nm]."""
        n, aperture = self.refractive_index, min(self.numerical_aperture, 0.999 * self.refractive_index)
        to_sigma = 1e-3 * emission_nm / (2.0 * math.sqrt(2.0 * math.log(2.0)))
        lateral = 0.51 / aperture * to_sigma
        axial = 0.88 / (n - math.sqrt(n**2 - aperture**2)) * to_sigma
        return axial, lateral, lateral

    def gaussian_share(self, emission_nm: float) -> float:
        """All of it."""
        return 1.0

    def refuse_wide(self, emission_nm: float, voxel_um: tuple[float, float, float]) -> None:
        """Nothing is too wide: no table is made."""

    def kernel(self, emission_nm: float, voxel_um: tuple[float, float, float], n_planes: int) -> "GaussianKernel":
        """The exact integral over every voxel, the same in all planes."""
        return GaussianKernel(np.array(self.sigma_um(emission_nm)) / voxel_um)


@dataclass(frozen=True)
class GaussianKernel:
    """A Gaussian of standard deviations `sigma_vox` (3,) [voxels]."""

    sigma_vox: Floats

    @property
    def reach_vox(self) -> tuple[int, int, int]:
        """Farthest voxel along each axis that gets light."""
        z, y, x = (int(n) + 1 for n in np.ceil(REACH * self.sigma_vox))
        return z, y, x

    def deposit(self, block: Block, origin_vox: NDArray[np.int64], points_vox: Floats, photons: Floats) -> None:
        """Add every emitter's expected photons to the voxels of a block; see `synimg.psf.protocol.Kernel`."""
        deposit(block, origin_vox, points_vox, photons, self.sigma_vox)


@nb.njit(cache=True, nogil=True)
def axis_kernel(center: float, sigma: float, first: int, weights: Floats) -> None:
    """Fill `weights` with the share of a unit Gaussian in voxels `first`, `first + 1`, ..., summing to 1.

    Voxel i reaches from i - 1/2 to i + 1/2; `center` and `sigma` are in voxels.
    """
    scale = 1.0 / (math.sqrt(2.0) * sigma)
    total = 0.0
    left = math.erf((first - 0.5 - center) * scale)
    for i in range(weights.size):
        right = math.erf((first + i + 0.5 - center) * scale)
        weights[i] = right - left
        total += weights[i]
        left = right
    for i in range(weights.size):
        weights[i] /= total


@nb.njit(cache=True, nogil=True)
def deposit(
    block: Block, origin_vox: NDArray[np.int64], points_vox: Floats, photons: Floats, sigma_vox: Floats
) -> None:
    """Add every emitter's expected photons to the voxels of a block.

    Parameters
    ----------
    block : (z, y, x) ndarray [photons]
        Changed in place.
    origin_vox : (3,) ndarray of int
        Index of the block's first voxel in the image.
    points_vox : (n, 3) ndarray
        Emitters in image voxels. Their order decides the order of the sums, so it must not depend on the block.
    photons : (n,) ndarray
        Expected photons of each emitter.
    sigma_vox : (3,) ndarray
        Standard deviations of the point spread function.
    """
    reach = np.empty(3, np.int64)
    for axis in range(3):
        reach[axis] = int(math.ceil(REACH * sigma_vox[axis]))
    wz, wy, wx = np.empty(2 * reach[0] + 1), np.empty(2 * reach[1] + 1), np.empty(2 * reach[2] + 1)
    nz, ny, nx = block.shape
    for i in range(points_vox.shape[0]):
        z0 = int(round(points_vox[i, 0])) - reach[0]
        y0 = int(round(points_vox[i, 1])) - reach[1]
        x0 = int(round(points_vox[i, 2])) - reach[2]
        za, zb = max(z0, origin_vox[0]), min(z0 + wz.size, origin_vox[0] + nz)
        ya, yb = max(y0, origin_vox[1]), min(y0 + wy.size, origin_vox[1] + ny)
        xa, xb = max(x0, origin_vox[2]), min(x0 + wx.size, origin_vox[2] + nx)
        if za >= zb or ya >= yb or xa >= xb:
            continue
        axis_kernel(points_vox[i, 0], sigma_vox[0], z0, wz)
        axis_kernel(points_vox[i, 1], sigma_vox[1], y0, wy)
        axis_kernel(points_vox[i, 2], sigma_vox[2], x0, wx)
        for z in range(za, zb):
            a = photons[i] * wz[z - z0]
            for y in range(ya, yb):
                b = a * wy[y - y0]
                for x in range(xa, xb):
                    block[z - origin_vox[0], y - origin_vox[1], x - origin_vox[2]] += b * wx[x - x0]


part = Gaussian
