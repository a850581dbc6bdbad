"""Divergent scaling: the factor is 1 for the smallest synapses and grows with size."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.homeostasis.base import ProfileScaling
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class Divergent(ProfileScaling):
    """Scaling whose ln factor grows with the synapse's size (Hanes et al. 2020, J Neurosci 40:4090; Koesters 2024)."""

    kind: Literal["divergent"] = "divergent"
    growth: float = Field(0.5, ge=0, le=2, description="growth of the ln factor per sd of ln size; 0 is plain scaling")

    def profile(self, contacts: Contacts) -> Floats:
        """``max(0, 1 + growth x)`` with the standardised ln size x at the start."""
        x = (contacts.ln_start - contacts.ln_start.mean()) / contacts.ln_start.std()
        return np.maximum(0.0, 1.0 + self.growth * x)


part = Divergent
