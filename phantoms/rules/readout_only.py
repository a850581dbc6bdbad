"""Readout only: the liquid-state control, in which recurrent synapses do not learn (Maass et al. 2002)."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Memory, Trials


class ReadoutOnly(Model):
    """The read-out learns the task from a fixed recurrent network."""

    kind: Literal["readout_only"] = "readout_only"

    trains_readout: ClassVar[bool] = True

    def step(
        self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Memory]:
        """No change."""
        return np.zeros(pre.size), memory


part = ReadoutOnly
