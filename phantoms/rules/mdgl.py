"""e-prop with cell-type-specific neuromodulators: what a cell hears of the error also reaches its presynaptic cells."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, broadcast, filter_back
from synimg.phantoms.rules.protocol import Floats32, Trials
from synimg.phantoms.weights import Weights


class Mdgl(GradientRule):
    """Multidigraph learning (Liu et al. 2021, PNAS 118:e2111821118, eq. 6) in the log domain."""

    kind: Literal["mdgl"] = "mdgl"
    local: bool = Field(
        True, description="modulators reach connected cells alone; false: every cell of the receiving type"
    )

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """e-prop's gradient and the one-step path through neighbours, their weights known by cell type alone."""
        return mdgl_signal(trials, self.local), own


def mdgl_signal(trials: Trials, local: bool) -> Floats32:
    """Postsynaptic factor (time, trial, unit) of the gradient that MDGL knows.

    Notes
    -----
    A cell secretes ``z = filter(f' L)``; its presynaptic cells hear ``n_t = (leak z_{t+1}) Wbar``, with the weights
    averaged over pairs of cell types; ``G = filter(f' (L + n))``. No trace per synapse and trial is kept.
    """
    active = trials.active
    signal = broadcast(trials, trials.w_out)
    secreted = filter_back(signal * active, trials.leak)
    heard = np.zeros_like(signal)
    known = by_type(trials, local)
    for t in range(len(signal) - 1):
        heard[t] = known.back(secreted[t + 1] * trials.leak)
    signal = filter_back((signal + heard) * active, trials.leak)
    signal *= trials.leak
    return signal


def by_type(trials: Trials, local: bool) -> Weights:
    """The recurrent weights averaged over pairs of cell types: on the connections that exist, or everywhere."""
    post, pre, weight = trials.weights.entries()
    cell = trials.is_excitatory.astype(np.int64)
    n_cells = np.bincount(cell, minlength=2)
    pair = 2 * cell[post] + cell[pre]
    n_pairs = np.bincount(pair, minlength=4) if local else np.outer(n_cells, n_cells).ravel()
    mean = (np.bincount(pair, weight, 4) / np.maximum(n_pairs, 1)).astype(np.float32)
    if local:
        return trials.weights.replaced(post, pre, mean[pair])
    everywhere = mean.reshape(2, 2)[cell[:, None], cell[None, :]]
    return Weights(everywhere, trials.weights.inputs)


part = Mdgl
