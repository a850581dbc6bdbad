"""No homeostasis: a null control in which every factor is 1."""

from typing import Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.homeostasis.protocol import Floats


class Off(Model):
    """Factors stay at 1."""

    kind: Literal["off"] = "off"

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """The initial rate itself; nothing follows it."""
        return rate_start

    def step(self, rate: Floats, rate_target: Floats, ln_factor: Floats) -> Floats:
        """No change."""
        return np.zeros_like(rate)


part = Off
