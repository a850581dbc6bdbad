"""What the rules that follow a gradient share: a normalised, exponentiated-gradient step with momentum."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Memory, Trials


class GradientRule(Model):
    """A step down the gradient in the log domain; a rule says which gradient.

    Notes
    -----
    Gradient descent on the weight's logarithm with the gradient by the weight itself (exponentiated gradient, Kivinen
    and Warmuth 1997): Dale's law holds by construction. One step of the whole network has the root mean square
    `learning_rate`; it shrinks with the loss, for a normalised step never would.
    """

    learning_rate: float = Field(0.01, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    momentum: float = Field(0.9, ge=0, lt=1, description="share of the running gradient kept per update")
    max_step_ln: float = Field(0.1, gt=0, le=1, description="largest step of ln receptors of one synapse per update")

    trains_readout: ClassVar[bool] = True

    def gradient(self, trials: Trials) -> Floats32:
        """Derivative of the loss by the recurrent weights (post, pre), as the rule knows it."""
        raise NotImplementedError

    def step(
        self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Memory]:
        """Change of ln receptors per edge: minus the normalised running gradient."""
        gradient = self.gradient(trials)[post, pre].astype(np.float64)
        mean = self.momentum * memory.mean + (1.0 - self.momentum) * gradient
        scale = np.sqrt(np.mean(mean**2)) + 1e-30
        step = -self.learning_rate * min(trials.progress, 1.0) * mean / scale
        return np.clip(step, -self.max_step_ln, self.max_step_ln), Memory(mean)


def output_signal(trials: Trials) -> Floats32:
    """Derivative of the loss by every rate (time, trial, unit) through the read-out alone."""
    n_steps, n_batch, n_units = trials.rates[1:].shape
    signal: Floats32 = (trials.error.reshape(-1, trials.error.shape[-1]) @ trials.w_out).reshape(
        n_steps, n_batch, n_units
    )
    return signal


def by_weights(signal: Floats32, trials: Trials) -> Floats32:
    """Derivative by the weights (post, pre) from that by the potentials: ``sum_t (leak G_t) r_{t-1}^T``."""
    n_units = signal.shape[-1]
    scaled: Floats32 = (signal * trials.leak).reshape(-1, n_units)
    gradient: Floats32 = scaled.T @ trials.rates[:-1].reshape(-1, n_units)
    return gradient
