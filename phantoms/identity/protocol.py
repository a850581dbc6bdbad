"""How a synapse shows which neuron it belongs to."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Identity(Protocol):
    """A parent label: dyes in the cytosol, a code read out at each synapse, or nothing."""

    kind: str

    def dye_channels(self) -> list[tuple[str, str, float]]:
        """Name, colour (hex RRGGBB) and emission [nm] of every dye channel; empty if there is none."""
        ...

    def codes(self, neuron_id: Ints, seed: int) -> Floats:
        """Level (n, n_dyes) of every dye in every neuron, keyed by the neuron."""
        ...

    def photons(self, level: Floats | float) -> Any:
        """Photons per um^3 of cytosol at a dye `level`."""
        ...

    def dye_background_photons(self) -> float:
        """Mean background per voxel in the dye channels."""
        ...

    def barcodes(self, neuron_id: Ints, seed: int) -> Sequence[str | None]:
        """Every neuron's true label as text, for the truth table; None where it has none."""
        ...

    def known(self, neuron_id: Ints, seed: int) -> dict[str, Any]:
        """What the experimenter knows, JSON-ready: ``kind``, and of a label its errors and a code book read at the somata."""
        ...

    def readouts(self, tissue: Any, seed: int) -> pd.DataFrame | None:
        """In-situ read-outs by `schema.READOUTS`, or None where there are none."""
        ...
