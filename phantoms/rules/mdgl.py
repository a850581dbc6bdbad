"""e-prop with cell-type-specific neuromodulators: what a cell hears of the error also reaches its presynaptic cells."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, broadcast, by_weights, filter_back
from synimg.phantoms.rules.protocol import Floats32, Trials


class Mdgl(GradientRule):
    """Multidigraph learning (Liu et al. 2021, PNAS 118:e2111821118, eq. 6) in the log domain."""

    kind: Literal["mdgl"] = "mdgl"
    local: bool = Field(
        True, description="modulators reach connected cells alone; false: every cell of the receiving type"
    )

    def gradient(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """e-prop's gradient and the one-step path through neighbours, their weights known by cell type alone."""
        return mdgl_gradient(trials, self.local), own


def mdgl_gradient(trials: Trials, local: bool) -> Floats32:
    """Gradient of the loss by the recurrent weights (post, pre) that MDGL knows.

    Notes
    -----
    A cell secretes ``z = filter(f' L)``; its presynaptic cells hear ``n_t = (leak z_{t+1}) Wbar``, with the weights
    averaged over pairs of cell types; ``G = filter(f' (L + n))``. No trace per synapse and trial is kept.
    """
    active = trials.active
    signal = broadcast(trials, trials.w_out)
    secreted = filter_back(signal * active, trials.leak)
    heard = np.zeros_like(signal)
    n_units = signal.shape[-1]
    scaled = (secreted[1:] * trials.leak).reshape(-1, n_units)
    heard[:-1] = (scaled @ type_means(trials, local)).reshape(heard[:-1].shape)
    return by_weights(filter_back((signal + heard) * active, trials.leak), trials)


def type_means(trials: Trials, local: bool) -> Floats32:
    """The weights (post, pre) averaged over pairs of cell types: on the connections that exist, or everywhere."""
    mean = np.zeros_like(trials.weights)
    cells = [np.flatnonzero(trials.is_excitatory == which) for which in (True, False)]
    for post in cells:
        for pre in cells:
            pair = np.ix_(post, pre)
            block = trials.weights[pair]
            exists = block != 0
            mean[pair] = np.where(exists, block[exists].mean(), 0.0) if local and exists.any() else block.mean()
    return mean


part = Mdgl
