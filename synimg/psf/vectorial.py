"""A wide-field microscope by the vectorial model, right at high apertures, with the aberration of depth."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.optics.profile import Profile
from synimg.optics.pupil import vector_intensity
from synimg.psf.base import Optical

Floats = NDArray[np.float64]


class Vectorial(Optical):
    """Wide-field microscope, vectorial (Richards and Wolf 1959; Aguet 2009); photons are counted as in `gibson_lanni`."""

    kind: Literal["vectorial"] = "vectorial"
    half_depth_um: float = Field(1.0, gt=0.1, le=20, description="distance along z to which light is followed")

    def extent_um(self, emission_nm: float) -> tuple[float, float]:
        """As far as the cone of light is wide at `half_depth_um`."""
        lens = self.objective
        slope = lens.aperture / float(np.sqrt(lens.immersion_index**2 - lens.aperture**2))
        return self.half_depth_um, self.half_depth_um * slope + 2.0 * lens.widths_um(emission_nm)[1]

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        return Profile(z_um, r_um, vector_intensity(self.objective, emission_nm, depth_um, z_um, r_um))


part = Vectorial
