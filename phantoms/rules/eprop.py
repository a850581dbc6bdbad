"""e-prop: a local eligibility trace times a broadcast learning signal."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, broadcast, filter_back
from synimg.phantoms.rules.protocol import Floats32, Trials


class Eprop(GradientRule):
    """e-prop (Bellec et al. 2020, Nat Commun 11:3625, eq. 1 and 28) in the log domain."""

    kind: Literal["eprop"] = "eprop"
    feedback: Literal["symmetric", "random"] = Field(
        "symmetric", description="errors come back through the read-out's own weights, or through fixed random ones"
    )

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """The random feedback weights (output, unit), as large as an untrained read-out's."""
        if self.feedback == "symmetric":
            return None
        return (rng.standard_normal((n_outputs, n_units)) / np.sqrt(n_units)).astype(np.float32)

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """The gradient without the terms that pass through other units."""
        return eprop_signal(trials, trials.w_out if own is None else own[: len(trials.w_out)]), own


def eprop_signal(trials: Trials, feedback: Floats32) -> Floats32:
    """Postsynaptic factor (time, trial, unit) of the gradient that e-prop knows.

    Notes
    -----
    The eligibility trace is never kept: the learning signal is filtered backwards in time instead,
    ``G_t = f'(x_t) L_t + (1 - leak) G_{t+1}``, ``dW = sum_t (leak G_t) r_{t-1}^T``: one matrix product.
    """
    signal = broadcast(trials, feedback)
    signal *= trials.active
    signal = filter_back(signal, trials.leak)
    signal *= trials.leak
    return signal


part = Eprop
