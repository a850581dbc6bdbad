"""Surface pulse-chase: impermeant dyes on surface receptors before and after the window (EPSILON; Kim et al. 2025)."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tags.protocol import Ints, Labelled


class SurfacePulseChase(Model):
    """A pulse dye on the receptors at the surface, a blocker, and at death a chase dye on what has come since.

    Notes
    -----
    Impermeant dyes leave the internal pool dark, and a labelled receptor that recycles stays old. An old
    receptor that the pulse and the blocker both missed takes the chase dye and passes for new.
    """

    kind: Literal["surface_pulse_chase"] = "surface_pulse_chase"
    pulse_efficiency: float = Field(0.9, gt=0, le=1, description="share of surface receptors that the pulse dye labels")
    blocking_efficiency: float = Field(
        0.95, ge=0, le=1, description="share of the unlabelled ones that are then blocked"
    )
    chase_efficiency: float = Field(0.9, gt=0, le=1, description="share of free receptors that the chase dye labels")

    def label(self, r_old: Ints, r_new: Ints, rng: np.random.Generator) -> Labelled:
        """Pulse and chase dyes on each contact, binomially drawn."""
        old = rng.binomial(r_old, self.pulse_efficiency)
        unblocked = rng.binomial(r_old - old, 1.0 - self.blocking_efficiency)
        return Labelled(old, rng.binomial(r_new + unblocked, self.chase_efficiency))

    def chemistry(self) -> dict[str, Any]:
        """Efficiencies, as a labelling control would give them."""
        return self.model_dump()


part = SurfacePulseChase
