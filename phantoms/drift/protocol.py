"""What a drift law sees and returns."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Drift(Protocol):
    """Change of each contact that neither learning nor homeostasis made."""

    kind: str

    def start(self, a_start: Floats, rng: np.random.Generator) -> Any:
        """What the law carries from step to step, before the first.

        Parameters
        ----------
        a_start : (n_contacts,) ndarray [receptors]
        rng : Generator
        """
        ...

    def step(self, ln_drift: Floats, memory: Any, dt_days: float, rng: np.random.Generator) -> tuple[Floats, Any]:
        """Change of ln receptors of each contact over `dt_days`, and the new memory.

        Parameters
        ----------
        ln_drift : (n_contacts,) ndarray
            What drift has done so far to ln receptors; learning and scaling move the mean along.
        memory : Any
            What `start` or the step before returned.
        dt_days : float
            Length of the step [days].
        rng : Generator
            The stream of this step.
        """
        ...
