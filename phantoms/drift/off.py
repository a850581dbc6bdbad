"""No drift: a null control."""

from typing import Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.drift.protocol import Floats


class Off(Model):
    """Synapses stay as they are."""

    kind: Literal["off"] = "off"

    def step(self, ln_drift: Floats, dt_days: float, rng: np.random.Generator) -> Floats:
        """No change."""
        return np.zeros_like(ln_drift)


part = Off
