"""Multiplicative scaling of all excitatory inputs of a neuron to its own set point (Turrigiano et al. 1998)."""

from typing import Literal

import numpy as np

from synimg.phantoms.homeostasis.base import ProfileScaling
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class Scaling(ProfileScaling):
    """One factor per neuron that follows the neuron's rate (Turrigiano 1998, Hengen 2016)."""

    kind: Literal["scaling"] = "scaling"

    def profile(self, contacts: Contacts) -> Floats:
        """Every contact takes the whole factor."""
        return np.ones(contacts.post.size)


part = Scaling
