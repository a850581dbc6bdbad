"""A two-photon microscope: the square of the illumination, detected without a pinhole."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.optics.profile import Profile
from synimg.optics.pupil import Objective, vector_intensity
from synimg.psf.base import Optical

Floats = NDArray[np.float64]


class TwoPhoton(Optical):
    """Two-photon microscope: squared vectorial illumination; all light that comes out is detected."""

    kind: Literal["two_photon"] = "two_photon"
    numerical_aperture: float = Field(
        1.0,
        gt=0.1,
        lt=1.7,
        description="aperture that the beam fills; less than the objective's where it is underfilled",
    )
    refractive_index: float = Field(1.33, ge=1, le=1.8, description="refractive index of the immersion")
    sample_index: float = Field(1.33, ge=1, le=1.8, description="refractive index of the sample")
    excitation_nm: float = Field(920.0, gt=600, lt=1400, description="wavelength of the illumination")

    def extent_um(self, emission_nm: float) -> tuple[float, float]:
        """By the illumination's wavelength, which alone matters."""
        axial, lateral = self.objective.widths_um(self.excitation_nm)
        return 2.5 * axial, 4.0 * lateral

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        lens: Objective = self.objective
        return Profile(z_um, r_um, vector_intensity(lens, self.excitation_nm, depth_um, z_um, r_um) ** 2)


part = TwoPhoton
