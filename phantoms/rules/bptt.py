"""Backpropagation through time: the whole gradient, the reference that no synapse could compute."""

from typing import Any, Literal

import numpy as np

from synimg.phantoms.rules.base import GradientRule, broadcast
from synimg.phantoms.rules.protocol import Floats32, Trials


class Bptt(GradientRule):
    """Backpropagation through time (Werbos 1990, Proc IEEE 78:1550) in the log domain."""

    kind: Literal["bptt"] = "bptt"

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """The gradient with all terms."""
        return bptt_signal(trials), own


def bptt_signal(trials: Trials) -> Floats32:
    """Postsynaptic factor (time, trial, unit) of the whole gradient.

    Notes
    -----
    ``G_t = f'(x_t) (L_t + W^T leak G_{t+1}) + (1 - leak) G_{t+1}``: e-prop's filter plus what reaches the loss through
    the other units' next step.
    """
    signal = broadcast(trials, trials.w_out)
    active = trials.active
    keep: Floats32 = np.float32(1.0) - trials.leak
    signal[-1] *= active[-1]
    for t in range(len(signal) - 2, -1, -1):
        later = signal[t + 1]
        signal[t] += trials.weights.back(trials.leak * later)
        signal[t] *= active[t]
        signal[t] += keep * later
    signal *= trials.leak
    return signal


part = Bptt
