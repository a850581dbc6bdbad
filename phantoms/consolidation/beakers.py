"""Complex synapses: a chain of hidden variables on ever longer timescales behind the visible weight."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.consolidation.base import Quiet
from synimg.phantoms.consolidation.protocol import Floats


class Beakers(Quiet):
    """Benna and Fusi's chain of beakers (2016, Nat Neurosci 19:1697, eq. 3): what is learned seeps into the depth.

    Notes
    -----
    ``C_k du_k/dt = g_{k-1} (u_{k-1} - u_k) - g_k (u_k - u_{k+1})`` with ``C_k = 2^k`` and ``g_k = coupling 2^-k``; the
    visible weight is u_0, the last beaker leaks into nothing. Acts on plain learning: at the couplings that it needs it
    shrinks every change, and it remembers little within few hundred updates.
    """

    kind: Literal["beakers"] = "beakers"
    n_beakers: int = Field(5, ge=2, le=12, description="variables per synapse, the visible one included")
    coupling: float = Field(0.01, gt=0, le=0.5, description="flow between the first two beakers per update")

    def start(self, n_edges: int) -> Any:
        """All beakers empty."""
        return np.zeros((self.n_beakers, n_edges))

    def step(self, learned: Floats, change: Floats, slope: Floats | None, memory: Any) -> tuple[Floats, Any]:
        """What seeps out of the visible beaker, or back into it."""
        levels = memory.copy()
        levels[0] = learned
        below = np.vstack([levels[1:], np.zeros_like(learned)])
        flow = self.coupling * 0.5 ** np.arange(self.n_beakers)[:, None] * (levels - below)
        gained = np.vstack([np.zeros_like(learned), flow[:-1]]) - flow
        after = levels + gained / 2.0 ** np.arange(self.n_beakers)[:, None]
        return after[0] - learned, after


part = Beakers
