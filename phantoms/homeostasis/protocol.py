"""What a homeostatic mechanism sees and returns."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Contacts:
    """The excitatory contacts at the start of the window.

    pre, post : (n_contacts,) ndarray of int, units
    ln_start : (n_contacts,) ndarray, ln receptors when the contact is first there
    along : (n_contacts,) ndarray, place on the dendrite as a share of its whole length
    """

    pre: Ints
    post: Ints
    ln_start: Floats
    along: Floats


class Homeostasis(Protocol):
    """Changes that bring each neuron back to its own set point."""

    kind: str

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """Set point of each neuron, from its own mean rate before the window."""
        ...

    def start(self, contacts: Contacts, rate_target: Floats, rng: np.random.Generator) -> Any:
        """What the mechanism carries from step to step, before the first."""
        ...

    def step(self, rate: Floats, rate_target: Floats, a: Floats, contacts: Contacts, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors of each contact, and the new memory.

        Parameters
        ----------
        rate, rate_target : (n_units,) ndarray
            Mean rate of the last batch, and the set point.
        a : (n_contacts,) ndarray [receptors]
            0 where there is no synapse at the time.
        contacts : Contacts
        memory : Any
            What `start` or the step before returned.
        """
        ...

    def ln_inhibition(self, memory: Any) -> Floats | None:
        """ln factor of all inhibitory inputs of each unit, (n_units,), or None where inhibition stays."""
        ...
