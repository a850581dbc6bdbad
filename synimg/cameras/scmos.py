"""A linear sCMOS camera: expected photons to grey levels (EMVA 1288, release 4.0 Linear)."""

from typing import Literal

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.counter import normal, poisson, start
from synimg.model import Model

Floats = NDArray[np.float64]


class Scmos(Model):
    """Linear camera: photo-electrons are Poisson, read noise is normal, grey levels are rounded and clipped."""

    kind: Literal["scmos"] = "scmos"
    quantum_efficiency: float = Field(0.82, gt=0, le=1, description="electrons per photon (Flash4 class)")
    gain_adu_per_electron: float = Field(2.17, gt=0, description="grey levels per electron: 1 / (0.46 e/ADU)")
    read_noise_electrons: float = Field(1.6, ge=0, description="sd per voxel [electrons]")
    offset_adu: float = Field(100.0, ge=0, description="mean grey level in the dark")
    full_well_electrons: float = Field(30000.0, gt=0, description="electrons at which a pixel saturates")

    def record(
        self, photons: Floats, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Grey levels of a block of the image.

        Parameters
        ----------
        photons : (z, y, x) ndarray [photons]
            Expected photons per voxel.
        key : int
            Key of the channel's noise (`synimg.streams.key64`).
        origin_vox, shape_vox : tuple of int
            First voxel of the block, and the shape of the whole image: noise belongs to the absolute voxel.
        """
        settings = np.array(
            [
                self.quantum_efficiency,
                self.gain_adu_per_electron,
                self.read_noise_electrons,
                self.offset_adu,
                self.full_well_electrons,
            ]
        )
        grey = np.empty(photons.shape, np.uint16)
        _record(photons, grey, settings, np.uint64(key), np.array(origin_vox), np.array(shape_vox))
        return grey


@nb.njit(cache=True, nogil=True)
def _record(
    photons: Floats,
    grey: NDArray[np.uint16],
    settings: Floats,
    key: np.uint64,
    origin: NDArray[np.int64],
    shape: NDArray[np.int64],
) -> None:
    efficiency, gain, read_noise, offset, full_well = settings
    for z in range(photons.shape[0]):
        for y in range(photons.shape[1]):
            first = ((origin[0] + z) * shape[1] + origin[1] + y) * shape[2] + origin[2]
            for x in range(photons.shape[2]):
                state = start(key, np.uint64(first + x))
                state, electrons = poisson(state, efficiency * photons[z, y, x])
                state, noise = normal(state)
                level = offset + gain * (min(float(electrons), full_well) + read_noise * noise)
                grey[z, y, x] = np.uint16(min(max(np.rint(level), 0.0), 65535.0))


part = Scmos
