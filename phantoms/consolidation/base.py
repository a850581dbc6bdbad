"""What the mechanisms share that pull synapses back to where they were at the last change of task."""

from typing import Any

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.consolidation.protocol import Floats, Floats32

LARGEST_IMPORTANCE = 20.0


class Quiet(Model):
    """Does nothing; the mechanisms say what they do instead."""

    def start(self, n_edges: int) -> Any:
        """Nothing is carried along."""
        return None

    def step(self, learned: Floats, change: Floats, slope: Floats | None, memory: Any) -> tuple[Floats, Any]:
        """No change."""
        return np.zeros_like(learned), memory

    def switch(self, learned: Floats, memory: Any) -> Any:
        """Nothing to note."""
        return memory

    def active(self, task: int, n_units: int, rng: np.random.Generator) -> Floats32 | None:
        """All units."""
        return None


class Anchored(Quiet):
    """Pulls each synapse's learning back to its value at the last change of task, by its importance.

    Notes
    -----
    ``d ln a = -(1 - exp(-strength omega)) (learned - anchor)``, with the importance omega scaled to a mean of 1 over
    the synapses and capped at 20.
    """

    strength: float = Field(0.03, ge=0, le=10, description="pull per update on a synapse of mean importance")

    def importance(self, moved: Floats, own: Any) -> Floats:
        """How much each synapse mattered to the task that ends; `moved` is its learning within it."""
        raise NotImplementedError

    def watch(self, change: Floats, slope: Floats, own: Any) -> Any:
        """What is summed up over a task, after one more update."""
        raise NotImplementedError

    def start(self, n_edges: int) -> Any:
        """No importance yet: the anchor, the importance, and what is summed up."""
        return np.zeros(n_edges), np.zeros(n_edges), np.zeros(n_edges)

    def step(self, learned: Floats, change: Floats, slope: Floats | None, memory: Any) -> tuple[Floats, Any]:
        """The pull."""
        anchor, omega, own = memory
        if slope is not None:
            own = self.watch(change, slope, own)
        return np.expm1(-self.strength * omega) * (learned - anchor), (anchor, omega, own)

    def switch(self, learned: Floats, memory: Any) -> Any:
        """The synapses' present state is the new anchor; importance adds up over tasks."""
        anchor, omega, own = memory
        found = np.maximum(self.importance(learned - anchor, own), 0.0)
        mean = found.mean() if found.size else 0.0
        scaled = np.minimum(found / mean, LARGEST_IMPORTANCE) if mean > 0 else found
        return learned.copy(), omega + scaled, np.zeros_like(own)
