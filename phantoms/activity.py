"""Activity of the network over a batch of trials, and the read-out that turns it into answers."""

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.tasks.protocol import Batch
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import Wiring
from synimg.streams import add_noise

Floats32 = NDArray[np.float32]
POOL_GAIN = 5.0  # rates of pools differ by tenths; a choice between them is to be soft, not a toss


@dataclass(frozen=True)
class Readout:
    """Linear read-out: outputs = w rates + b, and the moments of its Adam steps.

    learned : (n_outputs, n_features) ndarray, weights of the features that it sees
    b : (n_outputs,) ndarray
    moments : first and second ones of `learned`, of `b`
    features : (n_features, n_units) ndarray, what each is of the rates; None: the rates themselves
    """

    learned: Floats32
    b: Floats32
    moments: tuple[Floats32, ...]
    n_steps: int = 0
    features: Floats32 | None = None

    @classmethod
    def start(cls, n_outputs: int, n_units: int, rng: np.random.Generator) -> "Readout":
        """Small random weights of all units."""
        return cls._begin((rng.standard_normal((n_outputs, n_units)) / np.sqrt(n_units)).astype(np.float32), None)

    @classmethod
    def of_pools(cls, n_outputs: int, n_units: int) -> "Readout":
        """Each output is the mean rate of a pool of units of its own, times a gain."""
        pools = (np.arange(n_units) % n_outputs == np.arange(n_outputs)[:, None]).astype(np.float32)
        return cls._begin(POOL_GAIN * np.eye(n_outputs, dtype=np.float32), pools / pools.sum(axis=1, keepdims=True))

    @classmethod
    def _begin(cls, learned: Floats32, features: Floats32 | None) -> "Readout":
        b = np.zeros(len(learned), np.float32)
        moments = np.zeros_like(learned), np.zeros_like(learned), np.zeros_like(b), np.zeros_like(b)
        return cls(learned, b, moments, 0, features)

    @property
    def pool(self) -> NDArray[np.int64]:
        """The pool of each unit, -1 without pools."""
        if self.features is None:
            return np.full(self.learned.shape[1], -1)
        return np.argmax(self.features, axis=0)

    @cached_property
    def w(self) -> Floats32:
        """Weights of the rates, (n_outputs, n_units)."""
        return self.learned if self.features is None else self.learned @ self.features

    def step(self, error: Floats32, rates: Floats32, learning_rate: float) -> "Readout":
        """The read-out after one Adam step (Kingma and Ba 2015, default constants).

        Parameters
        ----------
        error : (time, batch, n_outputs) ndarray
            Derivative of the loss by the outputs.
        rates : (time + 1, batch, n_units) ndarray
        learning_rate : float
        """
        flat = error.reshape(-1, error.shape[-1])
        grad_w, grad_b = flat.T @ rates[1:].reshape(len(flat), -1), flat.sum(axis=0)
        if self.features is not None:
            grad_w = grad_w @ self.features.T
        n = self.n_steps + 1
        m_w, v_w, m_b, v_b = self.moments
        m_w, v_w = 0.9 * m_w + 0.1 * grad_w, 0.999 * v_w + 0.001 * grad_w**2
        m_b, v_b = 0.9 * m_b + 0.1 * grad_b, 0.999 * v_b + 0.001 * grad_b**2
        first, second = 1 - 0.9**n, 1 - 0.999**n
        w = self.learned - learning_rate * (m_w / first) / (np.sqrt(v_w / second) + 1e-8)
        b = self.b - learning_rate * (m_b / first) / (np.sqrt(v_b / second) + 1e-8)
        return Readout(w.astype(np.float32), b.astype(np.float32), (m_w, v_w, m_b, v_b), n, self.features)


def run_trials(
    wiring: Wiring,
    weights: Weights,
    batch: Batch,
    noise_sd: float,
    rng: np.random.Generator,
    perturbation: Floats32 | None = None,
    active: Floats32 | None = None,
) -> Floats32:
    """Rates (time + 1, trial, unit) of the network over a batch of trials, from rest.

    Parameters
    ----------
    weights : Weights
    perturbation : (time, trial, unit) ndarray, optional
        Added to the potentials at each step.
    active : (n_units,) ndarray, optional
        1 for units that take part, 0 for those that are silenced.

    Notes
    -----
    ``x_t = (1 - leak) x_{t-1} + leak (W r_{t-1} + W_in u_t + noise)``, ``r = min(max(0, x), max_rate)`` (saturating, for
    without it a single unstable mode ends a run that had learned long ago).
    """
    n_steps, n_trials, _ = batch.inputs.shape
    n_units = wiring.leak.size
    drive = batch.inputs.reshape(-1, batch.inputs.shape[-1]) @ weights.inputs.T
    drive = drive.reshape(n_steps, n_trials, n_units)
    if noise_sd:
        add_noise(drive, noise_sd, rng)
    rates = np.zeros((n_steps + 1, n_trials, n_units), np.float32)
    x, max_rate = np.zeros((n_trials, n_units), np.float32), np.float32(wiring.max_rate)
    for t in range(n_steps):
        pushed = None if perturbation is None else perturbation[t]
        _advance(x, weights.forward(rates[t]), drive[t], pushed, wiring.leak, max_rate, rates[t + 1])
        if active is not None:
            rates[t + 1] *= active
    return rates


@nb.njit(cache=True, nogil=True)
def _advance(
    x: Floats32,
    driven: Floats32,
    drive: Floats32,
    pushed: Floats32 | None,
    leak: Floats32,
    max_rate: np.float32,
    rates: Floats32,
) -> None:
    """One step of the potentials `x` in place, and the `rates` that they give; all are (trial, unit)."""
    for trial in range(x.shape[0]):
        for i in range(x.shape[1]):
            value = (np.float32(1.0) - leak[i]) * x[trial, i] + leak[i] * (driven[trial, i] + drive[trial, i])
            if pushed is not None:
                value += pushed[trial, i]
            x[trial, i] = value
            rates[trial, i] = min(max(value, np.float32(0.0)), max_rate)
