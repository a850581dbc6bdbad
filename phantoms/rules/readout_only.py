"""Readout only: the liquid-state control, in which recurrent synapses do not learn (Maass et al. 2002)."""

from typing import Any, ClassVar, Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Ints, Shape, Trials


class ReadoutOnly(Model):
    """The read-out learns the task from a fixed recurrent network."""

    kind: Literal["readout_only"] = "readout_only"

    objectives: ClassVar[tuple[str, ...]] = ("task",)
    trains_readout: ClassVar[bool] = True
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


part = ReadoutOnly
