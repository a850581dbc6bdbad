"""No drift: a null control."""

from typing import Any, Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.drift.protocol import Floats


class Off(Model):
    """Synapses stay as they are."""

    kind: Literal["off"] = "off"

    def start(self, a_start: Floats, rng: np.random.Generator) -> Any:
        """Nothing is carried along."""
        return None

    def step(self, ln_drift: Floats, memory: Any, dt_days: float, rng: np.random.Generator) -> tuple[Floats, Any]:
        """No change."""
        return np.zeros_like(ln_drift), None


part = Off
