"""A detector that counts photons one by one, and is blind for a moment after each."""

from typing import Literal

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.cameras.protocol import Photons
from synimg.counter import start, uniform
from synimg.model import Model

Floats = NDArray[np.float64]


class PhotonCounting(Model):
    """Hybrid detector or SPAD: grey levels are counts; photons within the dead time after a count are lost.

    Notes
    -----
    Not paralysable: of an expected count m in the dwell time T, ``m / (1 + m d / T)`` are counted with a dead time d, and
    their variance is below Poisson's by ``(1 + m d / T)^2`` (Mueller 1973, Nucl. Instrum. Methods 112:47). A photon
    transfer curve gives a gain of 1 where m d is small against T.
    """

    kind: Literal["photon_counting"] = "photon_counting"
    quantum_efficiency: float = Field(0.45, gt=0, le=1, description="counts per photon; hybrid detectors 0.40 to 0.45")
    dark_counts: float = Field(0.005, ge=0, le=10, description="dark counts per voxel")
    dead_time_ns: float = Field(2.0, ge=0, le=1000, description="blind after a count; 1 to 3 hybrid, 20 to 80 SPAD")
    dwell_us: float = Field(10.0, gt=0, le=1e6, description="time spent on a voxel, all averages together")
    bits: int = Field(16, ge=8, le=16, description="bits of a count")

    @property
    def offset_adu(self) -> float:
        """No offset."""
        return 0.0

    @property
    def gain_adu_per_electron(self) -> float:
        """A count is a count."""
        return 1.0

    @property
    def read_noise_electrons(self) -> float:
        """No read noise."""
        return 0.0

    @property
    def largest_adu(self) -> int:
        """Count of a saturated voxel: as many as the dead time lets through, or the bits hold."""
        most = self.dwell_us * 1e3 / self.dead_time_ns if self.dead_time_ns else np.inf
        return int(min(most, 2**self.bits - 1))

    def record(
        self, photons: Photons, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Counts in a block of the image; see `synimg.cameras.protocol.Camera`."""
        dead = self.dead_time_ns * 1e-3 / self.dwell_us
        settings = np.array([self.quantum_efficiency, self.dark_counts, dead, self.largest_adu])
        counts = np.empty(photons.shape, np.uint16)
        _count(photons, counts, settings, np.uint64(key), np.array(origin_vox), np.array(shape_vox))
        return counts


@nb.njit(cache=True, nogil=True)
def _count(
    photons: Photons,
    counts: NDArray[np.uint16],
    settings: Floats,
    key: np.uint64,
    origin: NDArray[np.int64],
    shape: NDArray[np.int64],
) -> None:
    """Wait for one count after the other, until the dwell time is over."""
    efficiency, dark, dead, largest = settings
    for z in range(photons.shape[0]):
        for y in range(photons.shape[1]):
            first = ((origin[0] + z) * shape[1] + origin[1] + y) * shape[2] + origin[2]
            for x in range(photons.shape[2]):
                mean = efficiency * photons[z, y, x] + dark
                state, n, time = start(key, np.uint64(first + x)), 0, 0.0
                while mean > 0.0 and n < largest:
                    state, u = uniform(state)
                    time -= np.log(u) / mean
                    if time >= 1.0:
                        break
                    n += 1
                    time += dead
                counts[z, y, x] = np.uint16(n)


part = PhotonCounting
