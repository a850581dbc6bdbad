"""A Gaussian of stated widths: what somebody measured on beads, or a processed image has."""

import math
from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.psf.gaussian import GaussianKernel

TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


class Widths(Model):
    """Gaussian of stated full widths at half maximum at one wavelength; at others they grow in proportion."""

    kind: Literal["widths"] = "widths"
    axial_fwhm_um: float = Field(0.4, gt=0.02, le=20, description="full width at half maximum along z")
    lateral_fwhm_um: float = Field(0.14, gt=0.01, le=10, description="full width at half maximum along y and x")
    at_emission_nm: float = Field(571.0, gt=300, lt=1100, description="emission at which the widths hold")

    def sigma_um(self, emission_nm: float) -> tuple[float, float, float]:
        """Standard deviations along z, y, x [um]."""
        scale = TO_SIGMA * emission_nm / self.at_emission_nm
        return scale * self.axial_fwhm_um, scale * self.lateral_fwhm_um, scale * self.lateral_fwhm_um

    def gaussian_share(self, emission_nm: float) -> float:
        """All of it."""
        return 1.0

    def refuse_wide(self, emission_nm: float, voxel_um: tuple[float, float, float]) -> None:
        """Nothing is too wide: no table is made."""

    def kernel(self, emission_nm: float, voxel_um: tuple[float, float, float], n_planes: int) -> GaussianKernel:
        """The exact integral over every voxel."""
        return GaussianKernel(np.array(self.sigma_um(emission_nm)) / voxel_um)


part = Widths
