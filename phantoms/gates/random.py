"""A random share of the connections may learn."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.gates.protocol import Bools, Edges


class Random(Model):
    """Each connection may learn with the same probability, the number is exact."""

    kind: Literal["random"] = "random"
    share: float = Field(0.1, gt=0, le=1, description="share of the connections that may learn")

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """A random sample."""
        n = edges.distance.size
        return rng.permutation(n) < max(round(self.share * n), 1)


part = Random
