"""How good the answers of a batch were, and what the read-out should have done instead."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.tasks.protocol import Batch

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Judgement:
    """Answers of a batch of trials against what was wanted.

    loss : float, mean loss: cross-entropy [nats] of a choice, half the squared error of a trace
    chance : float, loss of an answer that knows nothing: all classes alike, or the mean course
    score : float, accuracy of a choice, explained variance R2 of a trace
    error : (time, batch, n_outputs) ndarray, derivative of the mean loss by the read-out's outputs
    trial_loss : (batch,) ndarray, loss of each trial
    answer : (batch, n_outputs) ndarray, probability of each class by the mean outputs, or None for a trace
    """

    loss: float
    chance: float
    score: float
    error: Floats32
    trial_loss: Floats32
    answer: Floats32 | None


def judge(rates: Floats32, batch: Batch, w_out: Floats32, b_out: Floats32) -> Judgement:
    """Judge the outputs ``w_out rates + b_out`` at the response steps.

    Parameters
    ----------
    rates : (time + 1, batch, n_units) ndarray
    batch : Batch
    w_out, b_out : (n_outputs, n_units) and (n_outputs,) ndarray
    """
    by_trial = batch.response.reshape(len(batch.response), -1)
    steps = np.flatnonzero(by_trial.any(axis=1))
    # every trial counts alike, however many response steps it has; a mask that all share makes a weight of 1
    weight = (by_trial[steps] / by_trial[steps].mean(axis=0)).astype(np.float32)
    outputs = rates[1:][steps] @ w_out.T + b_out
    n_steps, n_trials = len(rates) - 1, outputs.shape[1]
    if batch.target.ndim == 1:
        loss, chance, score, part, trial_loss = _judge_choice(outputs, batch.target, weight)
    else:
        loss, chance, score, part, trial_loss = _judge_trace(outputs, batch.target[steps], weight)
    error = np.zeros((n_steps, n_trials, part.shape[-1]), np.float32)
    error[steps] = part / (len(steps) * n_trials)
    mean = (weight[..., None] * outputs).mean(axis=0)
    answer = np.exp(mean - mean.max(axis=-1, keepdims=True))
    answer /= answer.sum(axis=-1, keepdims=True)
    return Judgement(loss, chance, score, error, trial_loss, answer if batch.target.ndim == 1 else None)


def _judge_choice(
    logits: Floats32, target: NDArray[np.int64], weight: Floats32
) -> tuple[float, float, float, Floats32, Floats32]:
    """The answer is the class with the largest mean logit over the response steps."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    trials = np.arange(target.size)
    right = weight * log_p[:, trials, target]
    answer = (weight[..., None] * logits).mean(axis=0).argmax(axis=-1)
    error = np.exp(log_p)
    error[:, trials, target] -= 1.0
    error *= weight[..., None]
    accuracy = float((answer == target).mean())
    return -float(right.mean()), float(np.log(logits.shape[-1])), accuracy, error, -right.mean(axis=0)


def _judge_trace(
    outputs: Floats32, target: Floats32, weight: Floats32
) -> tuple[float, float, float, Floats32, Floats32]:
    difference, each = outputs - target, weight[..., None]
    trial_loss = 0.5 * (weight * (difference**2).sum(axis=-1)).mean(axis=0)
    spread = ((target - (each * target).mean(axis=(0, 1))) ** 2).sum(axis=-1)
    chance = 0.5 * float((weight * spread).mean())
    loss = float(trial_loss.mean())
    return loss, chance, 1.0 - loss / chance, each * difference, trial_loss
