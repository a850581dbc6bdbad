"""Scaling that leaves the largest synapses alone."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.homeostasis.base import ProfileScaling, size_rank
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class Sparing(ProfileScaling):
    """Scaling of all but the largest synapses of each neuron (de Vivo et al. 2017, Science 355:507)."""

    kind: Literal["sparing"] = "sparing"
    spared: float = Field(0.2, ge=0, lt=1, description="share of the neuron's synapses, the largest, that stay")

    def profile(self, contacts: Contacts) -> Floats:
        """1, and 0 for the largest."""
        return np.where(size_rank(contacts) > 1.0 - self.spared, 0.0, 1.0)


part = Sparing
