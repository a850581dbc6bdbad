"""Each class of synapse has its own share of plastic connections: a circuit of which one cell type learns."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.gates.protocol import Bools, Edges


class CellType(Model):
    """Shares by class: on excitatory cells, on inhibitory cells, of the inputs."""

    kind: Literal["cell_type"] = "cell_type"
    share_ee: float = Field(1.0, ge=0, le=1, description="plastic share of the connections of units on excitatory ones")
    share_ei: float = Field(0.0, ge=0, le=1, description="plastic share of those on inhibitory units")
    share_input: float = Field(1.0, ge=0, le=1, description="plastic share of those of the inputs' axons")

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """A random sample of each class, exact in number."""
        chosen = np.zeros(edges.distance.size, bool)
        for name, share in (("EE", self.share_ee), ("EI", self.share_ei), ("input", self.share_input)):
            members = rng.permutation(np.flatnonzero(edges.synapse_class == name))
            chosen[members[: round(share * members.size)]] = True
        return chosen


part = CellType
