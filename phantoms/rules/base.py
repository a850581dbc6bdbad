"""What the rules that follow a gradient share: a normalised, exponentiated-gradient step with momentum."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Ints, Shape, Trials
from synimg.phantoms.weights import at_edges


class GradientRule(Model):
    """A step down the gradient in the log domain; a rule says which gradient, true or estimated.

    A rule's gradient by a weight is a sum over time and trials of a product of what the two ends of the synapse have.

    Notes
    -----
    Gradient descent on the weight's logarithm with the gradient by the weight itself (exponentiated gradient, Kivinen
    and Warmuth 1997): Dale's law holds by construction. One step of the whole network has the root mean square
    `learning_rate`; it shrinks with the loss, for a normalised step never would.
    """

    learning_rate: float = Field(0.01, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    momentum: float = Field(0.9, ge=0, lt=1, description="share of the running gradient kept per update")
    max_step_ln: float = Field(0.1, gt=0, le=1, description="largest step of ln receptors of one synapse per update")

    objectives: ClassVar[tuple[str, ...]] = ("task",)
    trains_readout: ClassVar[bool] = True
    draws_action: ClassVar[bool] = False

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """What the gradient needs from batch to batch besides the activity; nothing, for most rules."""
        return None

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """The postsynaptic factor of the loss's derivative by the weights (time, trial, unit), and the new `own`."""
        raise NotImplementedError

    def at_pre(self, presynaptic: Floats32) -> Floats32:
        """The presynaptic factor (time, trial, source): the activity itself, for most rules."""
        return presynaptic

    def start(self, n_edges: int, shape: Shape, rng: np.random.Generator) -> Any:
        """The running mean of the gradient per edge, and what the gradient itself carries along."""
        return np.zeros(n_edges), self.begin(shape.n_units, shape.n_outputs, rng)

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """None: the gradient needs no exploration."""
        return None

    def step(self, trials: Trials, pre: Ints, post: Ints, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors per edge: minus the normalised running gradient."""
        mean, own = memory
        factor, own = self.at_post(trials, own)
        gradient = at_edges(factor, self.at_pre(trials.presynaptic(pre)), post, pre, trials.weights.is_sparse)
        mean = self.momentum * mean + (1.0 - self.momentum) * gradient.astype(np.float64)
        live = trials.is_live(pre, post)
        if live is not None:
            mean = mean * live
        return self.downhill(mean, trials.progress, live=live)[None], (mean, own)

    def downhill(
        self, mean: Floats, progress: float, share: float = 1.0, live: NDArray[np.bool_] | None = None
    ) -> Floats:
        """Step against the running gradient `mean`, normalised over the network, `share` of a whole step long.

        Where a context silences units the network is what is left: `live` synapses alone count, or few would take the
        steps of all.
        """
        scale = np.sqrt(np.mean(mean**2 if live is None else mean[live] ** 2)) + 1e-30
        step = -self.learning_rate * share * min(progress, 1.0) * mean / scale
        return np.clip(step, -self.max_step_ln, self.max_step_ln)

    def slope(self, memory: Any) -> Floats | None:
        """The running mean of the gradient."""
        mean: Floats = memory[0]
        return mean


def broadcast(trials: Trials, feedback: Floats32) -> Floats32:
    """Learning signal of every unit (time, trial, unit): the errors through the `feedback` weights (output, unit)."""
    n_steps, n_batch, n_units = trials.rates[1:].shape
    signal: Floats32 = (trials.error.reshape(-1, trials.error.shape[-1]) @ feedback).reshape(n_steps, n_batch, n_units)
    return signal


def filter_back(signal: Floats32, leak: Floats32) -> Floats32:
    """``G_t = signal_t + (1 - leak) G_{t+1}``, in place: what an eligibility trace forward would do."""
    keep: Floats32 = np.float32(1.0) - leak
    for t in range(len(signal) - 2, -1, -1):
        signal[t] += keep * signal[t + 1]
    return signal


def advantage(reward: Floats, condition: Ints, baseline: Floats, keep: float) -> tuple[Floats32, Floats]:
    """Reward of each trial above the running mean of its condition, and the new running means.

    Parameters
    ----------
    reward : (n_trials,) ndarray
    condition : (n_trials,) ndarray of int
    baseline : (n_conditions,) ndarray
        NaN where a condition has not been met yet: its first reward counts as expected.
    keep : float
        Share of the running mean that stays.
    """
    n = np.bincount(condition, minlength=baseline.size)
    mean = np.bincount(condition, reward, baseline.size) / np.maximum(n, 1)
    expected = np.where(np.isnan(baseline), mean, baseline)
    updated = np.where(n > 0, keep * expected + (1.0 - keep) * mean, baseline)
    return (reward - expected[condition]).astype(np.float32), updated


def fluctuation(rates: Floats32, keep: float) -> Floats32:
    """Rates (time, trial, unit) minus their running mean within the trial, of which `keep` stays per step."""
    mean = np.zeros_like(rates[0])
    fast = np.empty_like(rates[1:])
    for t, rate in enumerate(rates[1:]):
        fast[t] = rate - mean
        mean = np.float32(keep) * mean + np.float32(1.0 - keep) * rate
    return fast
