"""No parent label: receptors alone are recorded, and nothing in the image tells which neuron a synapse belongs to."""

from typing import Any, Literal

import pandas as pd

from synimg.phantoms.identity.base import WithoutDyes
from synimg.phantoms.identity.protocol import Ints


class Unnamed(WithoutDyes):
    """Neither dyes nor read-outs: measured synapses have no parent, unless dendrites are traced (``measure --traces``)."""

    kind: Literal["none"] = "none"

    def barcodes(self, neuron_id: Ints, seed: int) -> list[str | None]:
        """No neuron has a label."""
        return [None] * neuron_id.size

    def known(self, neuron_id: Ints, seed: int) -> dict[str, Any]:
        """That nothing is known."""
        return {"kind": self.kind}

    def readouts(self, tissue: Any, seed: int) -> pd.DataFrame | None:
        """None."""
        return None


part = Unnamed
