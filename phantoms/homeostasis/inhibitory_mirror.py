"""Scaling with a mirror: what excitation gains, inhibition onto the same cell loses."""

from typing import Any, Literal

import numpy as np

from synimg.phantoms.homeostasis.base import ProfileScaling
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class InhibitoryMirror(ProfileScaling):
    """Multiplicative scaling, and the inverse factor on the cell's inhibitory inputs.

    Notes
    -----
    Reciprocal scaling of mIPSCs is what Kilman, van Rossum and Turrigiano (2002, J Neurosci 22:1328) saw under TTX. Where
    it holds, a map of inhibitory synapses, which do not learn here, gives the factor away.
    """

    kind: Literal["inhibitory_mirror"] = "inhibitory_mirror"

    def profile(self, contacts: Contacts) -> Floats:
        """Every contact takes the whole factor."""
        return np.ones(contacts.post.size)

    def ln_inhibition(self, memory: Any) -> Floats | None:
        """Minus the ln factor of excitation."""
        ln_factor, _ = memory
        inverse: Floats = -ln_factor
        return inverse


part = InhibitoryMirror
