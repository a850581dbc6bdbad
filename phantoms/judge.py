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
    chance : float, loss of an answer that knows only how often each answer is wanted
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
    steps = np.flatnonzero(batch.response)
    outputs = rates[1:][steps] @ w_out.T + b_out
    n_steps, n_trials = len(rates) - 1, outputs.shape[1]
    if batch.target.ndim == 1:
        loss, chance, score, part, trial_loss = _judge_choice(outputs, batch.target)
    else:
        loss, chance, score, part, trial_loss = _judge_trace(outputs, batch.target[steps])
    error = np.zeros((n_steps, n_trials, part.shape[-1]), np.float32)
    error[steps] = part
    mean = outputs.mean(axis=0)
    answer = np.exp(mean - mean.max(axis=-1, keepdims=True))
    answer /= answer.sum(axis=-1, keepdims=True)
    return Judgement(loss, chance, score, error, trial_loss, answer if batch.target.ndim == 1 else None)


def _judge_choice(logits: Floats32, target: NDArray[np.int64]) -> tuple[float, float, float, Floats32, Floats32]:
    """The answer is the class with the largest mean logit over the response steps."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    trials = np.arange(target.size)
    trial_loss = -log_p[:, trials, target].mean(axis=0)
    loss = -float(log_p[:, trials, target].mean())
    accuracy = float((logits.mean(axis=0).argmax(axis=-1) == target).mean())
    error = np.exp(log_p)
    error[:, trials, target] -= 1.0
    return loss, float(np.log(logits.shape[-1])), accuracy, error / (len(logits) * target.size), trial_loss


def _judge_trace(outputs: Floats32, target: Floats32) -> tuple[float, float, float, Floats32, Floats32]:
    difference = outputs - target
    trial_loss = 0.5 * (difference**2).sum(axis=-1).mean(axis=0)
    chance = 0.5 * float(((target - target.mean(axis=(0, 1))) ** 2).sum(axis=-1).mean())
    loss = float(trial_loss.mean())
    return loss, chance, 1.0 - loss / chance, difference / (len(outputs) * outputs.shape[1]), trial_loss
