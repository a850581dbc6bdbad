"""What a consolidation mechanism sees and returns."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


class Consolidation(Protocol):
    """A change of ln receptors that holds on to earlier learning; it is booked to learning."""

    kind: str

    def start(self, n_edges: int) -> Any:
        """What the mechanism carries from update to update, before the first."""
        ...

    def step(self, learned: Floats, change: Floats, slope: Floats | None, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors of each plastic edge, and the new memory.

        Parameters
        ----------
        learned : (n_edges,) ndarray
            What learning and consolidation have done so far to ln receptors, this update's learning included.
        change : (n_edges,) ndarray
            What the rule did in this update.
        slope : (n_edges,) ndarray or None
            The rule's gradient of the loss by the weight, where it has one.
        memory : Any
            What `start`, `step` or `switch` returned last.
        """
        ...

    def switch(self, learned: Floats, memory: Any) -> Any:
        """The memory once a task is over and the next one begins."""
        ...

    def active(self, task: int, n_units: int, rng: np.random.Generator) -> Floats32 | None:
        """1 for units that take part in the task, 0 for those that are silenced, or None for all."""
        ...
