"""Prediction without labels: the network learns to expect its own next input, alone or beside a task."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.phantoms.activity import Readout
from synimg.phantoms.rules.base import GradientRule
from synimg.phantoms.rules.bptt import bptt_gradient
from synimg.phantoms.rules.eprop import eprop_gradient
from synimg.phantoms.rules.protocol import Floats, Floats32, Shape, Trials

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

    def step(self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Any) -> tuple[Floats, Any]:
        """One step per objective."""
        means, head, errors = memory
        gradient, progress, head = self._predict(trials, head)
        gradients, progresses = [gradient], [progress]
        if self.task_weight:
            gradients.append(self._credit(trials))
            progresses.append(trials.progress)
        fresh = np.stack([g[post, pre] for g in gradients]).astype(np.float64)
        means = self.momentum * means + (1.0 - self.momentum) * fresh
        errors = KEEP_ERROR * errors + (1.0 - KEEP_ERROR) * np.array(progresses)
        shares = self._shares(errors)
        steps = [self.downhill(m, p, s) for m, p, s in zip(means, progresses, shares, strict=True)]
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
        return bptt_gradient(trials) if self.credit == "bptt" else eprop_gradient(trials, trials.w_out)

    def _predict(self, trials: Trials, head: Readout) -> tuple[Floats32, float, Readout]:
        """Gradient of the prediction by the weights, its loss relative to a constant's, and the head's next step."""
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
        gradient = self._credit(replace(trials, error=error, w_out=head.w))
        return gradient, progress, head.step(error, trials.rates, self.head_learning_rate)


def _own_drive(trials: Trials) -> tuple[Floats32, float]:
    """Gradient of ``(W r_t - W_in u_{t+1})^2 / 2`` by the weights, and its mean relative to that of no prediction."""
    n_units = trials.leak.size
    drive = (trials.inputs[1:] @ trials.w_in.T).reshape(-1, n_units)
    before = trials.rates[:-2].reshape(-1, n_units)
    off = before @ trials.weights.T - drive
    gradient: Floats32 = (off.T @ before) / np.float32(len(before))
    return gradient, float((off**2).mean() / np.maximum((drive**2).mean(), 1e-12))


part = Predictive
