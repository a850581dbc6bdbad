"""Frozen: what the first task has written stays; later tasks are learned downstream, by the read-out."""

from typing import Any, Literal

import numpy as np

from synimg.phantoms.consolidation.base import Quiet
from synimg.phantoms.consolidation.protocol import Floats


class Frozen(Quiet):
    """Synapses learn in the first task alone: after a change of task they move little (Xiong et al. 2015, Fig. 4)."""

    kind: Literal["frozen"] = "frozen"

    def start(self, n_edges: int) -> Any:
        """Not frozen yet."""
        return False

    def step(self, learned: Floats, change: Floats, slope: Any, memory: Any) -> tuple[Floats, Any]:
        """Takes back what the rule did."""
        return (-change if memory else np.zeros_like(change)), memory

    def switch(self, learned: Floats, memory: Any) -> Any:
        """Frozen from now on."""
        return True


part = Frozen
