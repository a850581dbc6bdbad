"""Activity of the network over a batch of trials, and the read-out that turns it into answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.tasks.protocol import Batch
from synimg.phantoms.wiring import Wiring

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Readout:
    """Linear read-out of the rates: outputs = w rates + b, and the moments of its Adam steps."""

    w: Floats32
    b: Floats32
    moments: tuple[Floats32, ...]
    n_steps: int = 0

    @classmethod
    def start(cls, n_outputs: int, n_units: int, rng: np.random.Generator) -> "Readout":
        """Small random weights."""
        w = (rng.standard_normal((n_outputs, n_units)) / np.sqrt(n_units)).astype(np.float32)
        zeros = np.zeros_like(w), np.zeros_like(w), np.zeros(n_outputs, np.float32), np.zeros(n_outputs, np.float32)
        return cls(w, np.zeros(n_outputs, np.float32), zeros)

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
        n = self.n_steps + 1
        m_w, v_w, m_b, v_b = self.moments
        m_w, v_w = 0.9 * m_w + 0.1 * grad_w, 0.999 * v_w + 0.001 * grad_w**2
        m_b, v_b = 0.9 * m_b + 0.1 * grad_b, 0.999 * v_b + 0.001 * grad_b**2
        first, second = 1 - 0.9**n, 1 - 0.999**n
        w = self.w - learning_rate * (m_w / first) / (np.sqrt(v_w / second) + 1e-8)
        b = self.b - learning_rate * (m_b / first) / (np.sqrt(v_b / second) + 1e-8)
        return Readout(w.astype(np.float32), b.astype(np.float32), (m_w, v_w, m_b, v_b), n)


def run_trials(
    wiring: Wiring,
    weights: Floats32,
    batch: Batch,
    noise_sd: float,
    rng: np.random.Generator,
    perturbation: Floats32 | None = None,
    active: Floats32 | None = None,
) -> Floats32:
    """Rates (time + 1, trial, unit) of the network over a batch of trials, from rest.

    Parameters
    ----------
    weights : (n_units, n_units) ndarray
        (post, pre).
    perturbation : (time, trial, unit) ndarray, optional
        Added to the potentials at each step.
    active : (n_units,) ndarray, optional
        1 for units that take part, 0 for those that are silenced.

    Notes
    -----
    ``x_t = (1 - leak) x_{t-1} + leak (W r_{t-1} + W_in u_t + noise)``, ``r = min(max(0, x), max_rate)`` (MODEL.md 1, saturating:
    without it a single unstable mode ends a run that had learned long ago).
    """
    n_steps, n_trials, _ = batch.inputs.shape
    n_units = wiring.leak.size
    drive = batch.inputs.reshape(-1, batch.inputs.shape[-1]) @ wiring.w_in.T
    drive = drive.reshape(n_steps, n_trials, n_units)
    if noise_sd:
        drive += np.float32(noise_sd) * rng.standard_normal(drive.shape, dtype=np.float32)
    rates = np.zeros((n_steps + 1, n_trials, n_units), np.float32)
    x = np.zeros((n_trials, n_units), np.float32)
    transposed = np.ascontiguousarray(weights.T)
    keep = 1.0 - wiring.leak
    for t in range(n_steps):
        x = keep * x + wiring.leak * (rates[t] @ transposed + drive[t])
        if perturbation is not None:
            x += perturbation[t]
        np.maximum(x, 0.0, out=rates[t + 1])
        np.minimum(rates[t + 1], wiring.max_rate, out=rates[t + 1])
        if active is not None:
            rates[t + 1] *= active
    return rates
