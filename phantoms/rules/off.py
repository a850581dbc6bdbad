"""No learning at all: neither recurrent synapses nor the read-out change (a null control)."""

from typing import Any, ClassVar, Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Ints, Shape, Trials


class Off(Model):
    """Nothing learns."""

    kind: Literal["off"] = "off"

    objectives: ClassVar[tuple[str, ...]] = ("task",)
    trains_readout: ClassVar[bool] = False
    draws_action: ClassVar[bool] = False

    def start(self, n_edges: int, shape: Shape, rng: np.random.Generator) -> Any:
        """Nothing is carried along."""
        return None

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """None."""
        return None

    def step(self, trials: Trials, pre: Ints, post: Ints, memory: Any) -> tuple[Floats, Any]:
        """No change."""
        return np.zeros((1, pre.size)), memory

    def slope(self, memory: Any) -> Floats | None:
        """None."""
        return None


part = Off
