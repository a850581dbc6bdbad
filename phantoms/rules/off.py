"""No learning at all: neither recurrent synapses nor the read-out change (a null control)."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Memory, Trials


class Off(Model):
    """Nothing learns."""

    kind: Literal["off"] = "off"

    trains_readout: ClassVar[bool] = False

    def step(
        self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Memory]:
        """No change."""
        return np.zeros(pre.size), memory


part = Off
