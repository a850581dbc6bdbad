"""Prediction without labels: the network learns to expect its own next input, alone or beside a task."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.activity import Readout
from synimg.phantoms.rules.base import GradientRule
from synimg.phantoms.rules.bptt import bptt_signal
from synimg.phantoms.rules.eprop import eprop_signal
from synimg.phantoms.rules.protocol import Floats, Floats32, Ints, Shape, Trials
from synimg.phantoms.weights import at_edges

KEEP_ERROR = 0.95
COMPETITION = 20.0


class Predictive(GradientRule):
    """Recurrent synapses lower the error of a prediction; a task may pull at them at the same time.

    Notes
    -----
    ``of = "input"``: a read-out of its own predicts the next input of the network, its error goes back like a task's
    (Recanatesi et al. 2021, Nat Commun 12:1417). ``of = "drive"``: each unit's recurrent input predicts its own next
    feed-forward drive, which needs nothing but what the cell has (Urbanczik and Senn 2014, Neuron 81:521). Each objective
    keeps a running gradient of its own and takes its share of one common step, so that the ledger books them apart.
    """

    kind: Literal["predictive"] = "predictive"
    of: Literal["input", "drive"] = Field(
        "input", description="what is predicted: the network's input, each cell's drive"
    )
    credit: Literal["bptt", "eprop"] = Field("bptt", description="how errors reach the recurrent synapses")
    prediction_weight: float = Field(1.0, gt=0, le=100, description="weight of the prediction")
    task_weight: float = Field(0.0, ge=0, le=100, description="weight of the task; 0 leaves labels to the read-out")
    combination: Literal["cooperating", "competing"] = Field(
        "cooperating", description="shares of the step: by the weights, or to the objective that does better"
    )
    head_learning_rate: float = Field(0.002, gt=0, description="Adam step of the prediction's read-out")

    @property
    def objectives(self) -> tuple[str, ...]:  # type: ignore[override]
        """Prediction, and the task where it has a weight."""
        return ("prediction", "task") if self.task_weight else ("prediction",)

    def start(self, n_edges: int, shape: Shape, rng: np.random.Generator) -> Any:
        """Running gradients by objective, the prediction's read-out, and the running errors."""
        head = Readout.start(shape.n_inputs, shape.n_units, rng)
        n = len(self.objectives)
        return np.zeros((n, n_edges)), head, np.ones(n)

    def step(self, trials: Trials, pre: Ints, post: Ints, memory: Any) -> tuple[Floats, Any]:
        """One step per objective."""
        means, head, errors = memory
        signal, progress, head = self._predict(trials, head)
        signals, progresses = [signal], [progress]
        if self.task_weight:
            signals.append(self._credit(trials))
            progresses.append(trials.progress)
        presynaptic, one_by_one = trials.presynaptic(pre), trials.weights.is_sparse
        fresh = np.stack([at_edges(s, presynaptic, post, pre, one_by_one) for s in signals]).astype(np.float64)
        means = self.momentum * means + (1.0 - self.momentum) * fresh
        live = trials.is_live(pre, post)
        if live is not None:
            means = means * live
        errors = KEEP_ERROR * errors + (1.0 - KEEP_ERROR) * np.array(progresses)
        shares = self._shares(errors)
        steps = [self.downhill(m, p, s, live) for m, p, s in zip(means, progresses, shares, strict=True)]
        return np.stack(steps), (means, head, errors)

    def slope(self, memory: Any) -> Floats | None:
        """Sum of the running gradients."""
        total: Floats = memory[0].sum(axis=0)
        return total

    def _shares(self, errors: Floats) -> Floats:
        if self.combination == "competing":
            votes = np.exp(-COMPETITION * (errors - errors.min()))
            return votes / votes.sum()
        weights = np.array([self.prediction_weight, self.task_weight][: errors.size])
        return weights / weights.sum()

    def _credit(self, trials: Trials) -> Floats32:
        return bptt_signal(trials) if self.credit == "bptt" else eprop_signal(trials, trials.w_out)

    def _predict(self, trials: Trials, head: Readout) -> tuple[Floats32, float, Readout]:
        """Postsynaptic factor of the prediction's gradient, its loss relative to a constant's, the head's next step."""
        if self.of == "drive":
            return (*_own_drive(trials), head)
        expected = trials.inputs[1:]
        weight = np.ones_like(expected) if trials.salience is None else trials.salience[1:]
        weight = (weight / max(float(weight.sum()), 1e-12)).astype(np.float32)
        off = trials.rates[1:-1] @ head.w.T + head.b - expected
        error = np.zeros_like(trials.inputs)
        error[:-1] = weight * off
        worth = np.maximum(weight.sum(axis=(0, 1)), 1e-12)
        chance = float((weight * (expected - (weight * expected).sum(axis=(0, 1)) / worth) ** 2).sum())
        progress = float((weight * off**2).sum()) / max(chance, 1e-12)
        signal = self._credit(replace(trials, error=error, w_out=head.w))
        return signal, progress, head.step(error, trials.rates, self.head_learning_rate)


def _own_drive(trials: Trials) -> tuple[Floats32, float]:
    """Postsynaptic factor of the gradient of ``(W r_t - W_in u_{t+1})^2 / 2``, its mean relative to no prediction's."""
    n_steps, n_trials, n_units = trials.rates[1:].shape
    drive = trials.inputs[1:] @ trials.weights.inputs.T
    off = np.zeros((n_steps, n_trials, n_units), np.float32)
    for t in range(n_steps - 1):
        off[t] = trials.weights.forward(trials.rates[t]) - drive[t]
    progress = float((off[:-1] ** 2).mean() / np.maximum((drive**2).mean(), 1e-12))
    off /= np.float32((n_steps - 1) * n_trials)
    return off, progress


part = Predictive
