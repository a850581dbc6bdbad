"""Every connection may learn."""

from typing import Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.gates.protocol import Bools, Edges


class Open(Model):
    """No gate."""

    kind: Literal["open"] = "open"

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """All."""
        return np.ones(edges.distance.size, bool)


part = Open
