"""What a drift law sees and returns."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Drift(Protocol):
    """Change of each contact that neither learning nor homeostasis made."""

    kind: str

    def step(self, ln_drift: Floats, dt_days: float, rng: np.random.Generator) -> Floats:
        """Change of ln receptors of each contact over `dt_days`.

        Parameters
        ----------
        ln_drift : (n_contacts,) ndarray
            Distance of ln receptors from the contact's own mean, which moves along with learning and scaling.
        dt_days : float
            Length of the step [days].
        rng : Generator
            The stream of this step.
        """
        ...
