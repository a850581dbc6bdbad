"""A wide-field microscope by the scalar model of Gibson and Lanni, with the aberration of depth."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synimg.optics.profile import Profile
from synimg.optics.pupil import scalar_intensity
from synimg.psf.base import WideField

Floats = NDArray[np.float64]


class GibsonLanni(WideField):
    """Wide-field microscope, scalar (Gibson and Lanni 1992): no sectioning, rings and an hourglass out of focus.

    Photons are counted as in `synimg.psf.base.WideField`.
    """

    kind: Literal["gibson_lanni"] = "gibson_lanni"

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter."""
        return Profile(z_um, r_um, scalar_intensity(self.objective, emission_nm, depth_um, z_um, r_um))


part = GibsonLanni
