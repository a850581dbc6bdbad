"""A light-sheet microscope: wide-field detection of what a thin sheet of light excites."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.optics.profile import Profile
from synimg.optics.pupil import vector_intensity
from synimg.psf.base import Optical

Floats = NDArray[np.float64]


class LightSheet(Optical):
    """Light-sheet microscope: vectorial detection times a Gaussian sheet across the axis."""

    kind: Literal["light_sheet"] = "light_sheet"
    numerical_aperture: float = Field(1.0, gt=0.1, lt=1.7, description="numerical aperture of the detection")
    refractive_index: float = Field(1.33, ge=1, le=1.8, description="refractive index of the immersion")
    sample_index: float = Field(1.33, ge=1, le=1.8, description="refractive index of the sample")
    sheet_fwhm_um: float = Field(1.2, gt=0.1, le=20, description="thickness of the sheet")

    def extent_um(self, emission_nm: float) -> tuple[float, float]:
        """As far as the sheet is bright, and as the cone of light is wide there."""
        lens = self.objective
        half_z = min(1.5 * self.sheet_fwhm_um, 3.0 * lens.widths_um(emission_nm)[0])
        slope = lens.aperture / float(np.sqrt(lens.immersion_index**2 - lens.aperture**2))
        return half_z, half_z * slope + 2.0 * lens.widths_um(emission_nm)[1]

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        sheet = np.exp(-4.0 * np.log(2.0) * (z_um / self.sheet_fwhm_um) ** 2)
        detection = vector_intensity(self.objective, emission_nm, depth_um, z_um, r_um)
        return Profile(z_um, r_um, sheet[:, None] * detection)


part = LightSheet
