"""e-prop: a local eligibility trace times a broadcast learning signal."""

from typing import Literal

import numpy as np

from synimg.phantoms.rules.base import GradientRule, by_weights, output_signal
from synimg.phantoms.rules.protocol import Floats32, Trials


class Eprop(GradientRule):
    """e-prop with symmetric feedback (Bellec et al. 2020, Nat Commun 11:3625, eq. 1 and 28) in the log domain."""

    kind: Literal["eprop"] = "eprop"

    def gradient(self, trials: Trials) -> Floats32:
        """The gradient without the terms that pass through other units."""
        return eprop_gradient(trials)


def eprop_gradient(trials: Trials) -> Floats32:
    """Gradient of the loss by the recurrent weights (post, pre) without the terms that pass through other units.

    Notes
    -----
    The eligibility trace is never kept: the learning signal is filtered backwards in time instead,
    ``G_t = f'(x_t) L_t + (1 - leak) G_{t+1}``, ``dW = sum_t (leak G_t) r_{t-1}^T``: one matrix product.
    """
    signal = output_signal(trials)
    signal *= trials.rates[1:] > 0
    keep: Floats32 = np.float32(1.0) - trials.leak
    for t in range(len(signal) - 2, -1, -1):
        signal[t] += keep * signal[t + 1]
    return by_weights(signal, trials)


part = Eprop
