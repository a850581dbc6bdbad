"""A confocal microscope: the product of illumination and of detection through a pinhole."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.optics.profile import Profile, through_pinhole
from synimg.optics.pupil import vector_intensity
from synimg.psf.base import Optical

Floats = NDArray[np.float64]


class Confocal(Optical):
    """Confocal microscope: vectorial illumination times vectorial detection behind a round pinhole."""

    kind: Literal["confocal"] = "confocal"
    pinhole_airy_units: float = Field(
        1.0, gt=0, le=10, description="diameter of the pinhole; 1 is the Airy disc of the emission, 1.22 lambda / NA"
    )
    stokes_shift_nm: float = Field(
        20.0, ge=0, lt=200, description="illumination is shorter than emission by this; 20 to 30 for the rhodamines"
    )

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        lens, excitation_nm = self.objective, emission_nm - self.stokes_shift_nm
        illumination = vector_intensity(lens, excitation_nm, depth_um, z_um, r_um)
        detection = Profile(z_um, r_um, vector_intensity(lens, emission_nm, depth_um, z_um, r_um))
        radius_um = 0.5 * self.pinhole_airy_units * 1.22e-3 * emission_nm / lens.aperture
        return Profile(z_um, r_um, illumination * through_pinhole(detection, radius_um).intensity)


part = Confocal
