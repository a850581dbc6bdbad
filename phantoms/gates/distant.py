"""Only connections between units that lie far apart may learn: a conserved local circuit."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.gates.protocol import Bools, Edges


class Distant(Model):
    """The longest connections may learn, the local ones are conserved."""

    kind: Literal["distant"] = "distant"
    share: float = Field(0.2, gt=0, le=1, description="share of the connections that may learn, the longest")

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """Those above the quantile of the distance."""
        chosen: Bools = edges.distance >= np.quantile(edges.distance, 1.0 - self.share)
        return chosen


part = Distant
