"""What a homeostatic mechanism sees and returns."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Homeostasis(Protocol):
    """One factor per neuron for all its excitatory inputs."""

    kind: str

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """Set point of each neuron, from its own mean rate before the window."""
        ...

    def step(self, rate: Floats, rate_target: Floats, ln_factor: Floats) -> Floats:
        """Change of ln receptors common to the excitatory inputs of each neuron.

        Parameters
        ----------
        rate, rate_target : (n_units,) ndarray
            Mean rate of the last batch, and the set point.
        ln_factor : (n_units,) ndarray
            What homeostasis has added so far.
        """
        ...
