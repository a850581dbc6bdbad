"""What labels share that are no colour: no dye channel, and so no levels, photons or background of one."""

from typing import Any

import numpy as np

from synimg.model import Model
from synimg.phantoms.identity.protocol import Floats, Ints


class WithoutDyes(Model):
    """A label that no dye in the cytosol shows."""

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
