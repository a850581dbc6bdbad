"""No parent label: receptors alone are recorded, and nothing in the image tells which neuron a synapse belongs to."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.model import Model

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Unnamed(Model):
    """Neither dyes nor read-outs: measured synapses have no parent, unless dendrites are traced (``measure --traces``)."""

    kind: Literal["none"] = "none"

    def dye_channels(self) -> list[tuple[str, str, float]]:
        """None."""
        return []

    def codes(self, neuron_id: Ints, seed: int) -> Floats:
        """No dye levels."""
        return np.zeros((neuron_id.size, 0))

    def photons(self, level: Floats | float) -> Any:
        """No dye, no photons."""
        return 0.0 * np.asarray(level)

    def dye_background_photons(self) -> float:
        """No dye channel, no background."""
        return 0.0

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
