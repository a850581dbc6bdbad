"""A photomultiplier whose current is digitised: a confocal or two-photon detector."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.cameras.base import multiplied
from synimg.cameras.protocol import Photons
from synimg.model import Model

Floats = NDArray[np.float64]


class Pmt(Model):
    """Photomultiplier (GaAsP): electrons at the cathode are Poisson, each is multiplied by a random number."""

    kind: Literal["pmt"] = "pmt"
    cathode_efficiency: float = Field(0.45, gt=0, le=1, description="electrons per photon; GaAsP 0.40 to 0.45")
    excess_noise: float = Field(1.2, ge=1, le=3, description="excess noise factor F^2; 1.1 to 1.4")
    adu_per_electron: float = Field(20.0, gt=0, description="grey levels per electron at the cathode, by the voltage")
    electronic_noise_adu: float = Field(4.0, ge=0, description="sd of the grey level in the dark")
    dark_electrons: float = Field(0.01, ge=0, le=10, description="dark counts per voxel")
    offset_adu: float = Field(20.0, ge=0, description="mean grey level in the dark, without dark counts")
    bits: int = Field(12, ge=8, le=16, description="bits of a grey level")

    @property
    def quantum_efficiency(self) -> float:
        """Electrons with Poisson noise per photon."""
        return self.cathode_efficiency / self.excess_noise

    @property
    def gain_adu_per_electron(self) -> float:
        """Grey levels per such electron."""
        return self.adu_per_electron * self.excess_noise

    @property
    def read_noise_electrons(self) -> float:
        """Standard deviation in the dark, in such electrons."""
        return self.electronic_noise_adu / self.gain_adu_per_electron

    @property
    def largest_adu(self) -> int:
        """Grey level of a saturated voxel."""
        return int(2**self.bits - 1)

    def record(
        self, photons: Photons, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Grey levels of a block of the image; see `synimg.cameras.protocol.Camera`."""
        noise, top = self.electronic_noise_adu / self.adu_per_electron, self.largest_adu
        chain = (self.excess_noise, self.adu_per_electron, noise, self.offset_adu, top)
        return multiplied(photons, (self.cathode_efficiency, self.dark_electrons, *chain), key, origin_vox, shape_vox)


part = Pmt
