"""No turnover: the synapses of the pulse are those of the chase."""

from typing import ClassVar, Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.turnover.protocol import Change, Sites


class Off(Model):
    """Nothing forms and nothing vanishes."""

    kind: Literal["off"] = "off"

    newborn_volume: ClassVar[float] = 1.0

    def reserve(self, window_days: float) -> float:
        """None."""
        return 0.0

    def step(self, sites: Sites, dt_days: float, rng: np.random.Generator) -> Change:
        """Nothing."""
        return Change()


part = Off
