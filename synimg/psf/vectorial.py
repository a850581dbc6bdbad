"""A wide-field microscope by the vectorial model, right at high apertures, with the aberration of depth."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synimg.optics.profile import Profile
from synimg.optics.pupil import vector_intensity
from synimg.psf.base import WideField

Floats = NDArray[np.float64]


class Vectorial(WideField):
    """Wide-field microscope, vectorial (Richards and Wolf 1959; Aguet 2009); photons are counted as in `WideField`."""

    kind: Literal["vectorial"] = "vectorial"

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        return Profile(z_um, r_um, vector_intensity(self.objective, emission_nm, depth_um, z_um, r_um))


part = Vectorial
