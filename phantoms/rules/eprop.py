"""e-prop: a local eligibility trace times a broadcast learning signal, as an exponentiated-gradient step."""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Memory, Trials


class Eprop(Model):
    """e-prop with symmetric feedback (Bellec et al. 2020, Nat Commun 11:3625, eq. 1 and 28) in the log domain.

    Notes
    -----
    Gradient descent on the weight's logarithm with the gradient by the weight itself (exponentiated gradient, Kivinen
    and Warmuth 1997): Dale's law holds by construction. One step of the whole network has the root mean square
    `learning_rate`; it shrinks with the loss, for a normalised step never would.
    """

    kind: Literal["eprop"] = "eprop"
    learning_rate: float = Field(0.01, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    momentum: float = Field(0.9, ge=0, lt=1, description="share of the running gradient kept per update")
    max_step_ln: float = Field(0.1, gt=0, le=1, description="largest step of ln receptors of one synapse per update")

    trains_readout: ClassVar[bool] = True

    def step(
        self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Memory]:
        """Change of ln receptors per edge: minus the normalised running gradient."""
        gradient = eprop_gradient(trials)[post, pre].astype(np.float64)
        mean = self.momentum * memory.mean + (1.0 - self.momentum) * gradient
        scale = np.sqrt(np.mean(mean**2)) + 1e-30
        step = -self.learning_rate * min(trials.progress, 1.0) * mean / scale
        return np.clip(step, -self.max_step_ln, self.max_step_ln), Memory(mean)


def eprop_gradient(trials: Trials) -> Floats32:
    """Gradient of the loss by the recurrent weights (post, pre) without the terms that pass through other units.

    Notes
    -----
    The eligibility trace is never kept: the learning signal is filtered backwards in time instead,
    ``G_t = f'(x_t) L_t + (1 - leak) G_{t+1}``, ``dW = sum_t (leak G_t) r_{t-1}^T``: one matrix product.
    """
    n_steps, n_batch, n_units = trials.rates[1:].shape
    signal: Floats32 = (trials.error.reshape(-1, trials.error.shape[-1]) @ trials.w_out).reshape(
        n_steps, n_batch, n_units
    )
    signal *= trials.rates[1:] > 0
    keep: Floats32 = np.float32(1.0) - trials.leak
    for t in range(n_steps - 2, -1, -1):
        signal[t] += keep * signal[t + 1]
    signal *= trials.leak
    gradient: Floats32 = signal.reshape(-1, n_units).T @ trials.rates[:-1].reshape(-1, n_units)
    return gradient


part = Eprop
