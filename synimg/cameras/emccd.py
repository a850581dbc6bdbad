"""An EMCCD camera: electrons multiplied in a register, with an excess noise factor of 2."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.cameras.base import multiplied
from synimg.cameras.protocol import Photons
from synimg.model import Model

Floats = NDArray[np.float64]
EXCESS = 2.0


class Emccd(Model):
    """EMCCD: photo-electrons and spurious charge are Poisson, the register multiplies each by an exponential number."""

    kind: Literal["emccd"] = "emccd"
    peak_quantum_efficiency: float = Field(0.92, gt=0, le=1, description="electrons per photon (back-illuminated)")
    em_gain: float = Field(300.0, ge=10, le=2000, description="mean multiplication in the register")
    electrons_per_adu: float = Field(15.0, gt=0, description="electrons behind the register per grey level")
    register_noise_electrons: float = Field(50.0, ge=0, description="sd of the read noise behind the register")
    spurious_electrons: float = Field(0.005, ge=0, le=1, description="clock-induced charge per voxel")
    offset_adu: float = Field(200.0, ge=0, description="mean grey level in the dark, without spurious charge")
    bits: int = Field(16, ge=8, le=16, description="bits of a grey level")

    @property
    def quantum_efficiency(self) -> float:
        """Electrons with Poisson noise per photon: half of the real ones."""
        return self.peak_quantum_efficiency / EXCESS

    @property
    def gain_adu_per_electron(self) -> float:
        """Grey levels per such electron."""
        return EXCESS * self.em_gain / self.electrons_per_adu

    @property
    def read_noise_electrons(self) -> float:
        """Standard deviation in the dark, in such electrons."""
        return self.register_noise_electrons / (EXCESS * self.em_gain)

    @property
    def largest_adu(self) -> int:
        """Grey level of a saturated voxel."""
        return int(2**self.bits - 1)

    def record(
        self, photons: Photons, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Grey levels of a block of the image; see `synimg.cameras.protocol.Camera`."""
        gain, noise = self.em_gain / self.electrons_per_adu, self.register_noise_electrons / self.em_gain
        dark = self.spurious_electrons
        settings = (self.peak_quantum_efficiency, dark, EXCESS, gain, noise, self.offset_adu, self.largest_adu)
        return multiplied(photons, settings, key, origin_vox, shape_vox)


part = Emccd
