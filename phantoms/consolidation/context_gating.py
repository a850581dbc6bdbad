"""Context gating: each task runs on units of its own, the others are silent."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.consolidation.base import Quiet
from synimg.phantoms.consolidation.protocol import Floats32


class ContextGating(Quiet):
    """A random part of the units is silenced in each task (Masse, Grant and Freedman 2018, PNAS 115:E10467)."""

    kind: Literal["context_gating"] = "context_gating"
    silenced: float = Field(0.67, ge=0, lt=1, description="share of the units that is silent, drawn for each task")

    def active(self, task: int, n_units: int, rng: np.random.Generator) -> Floats32 | None:
        """Which units take part."""
        return (rng.permutation(n_units) >= round(self.silenced * n_units)).astype(np.float32)


part = ContextGating
