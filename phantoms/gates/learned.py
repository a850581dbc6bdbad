"""The connections that the rule would move most may learn: plasticity where it serves the task."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.gates.protocol import Bools, Edges


class Learned(Model):
    """A share of the connections, chosen by how far the rule would move them before any of them does."""

    kind: Literal["learned"] = "learned"
    share: float = Field(0.1, gt=0, le=1, description="share of the connections that may learn")

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """The most eager ones."""
        eagerness = edges.eagerness()
        n = max(round(self.share * eagerness.size), 1)
        chosen = np.zeros(eagerness.size, bool)
        chosen[np.argsort(-eagerness, kind="stable")[:n]] = True
        return chosen


part = Learned
