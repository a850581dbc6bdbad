"""The tasks that the network lives through, one after the other, and the batches that it sees of each."""

from dataclasses import replace

import numpy as np

from synimg.config import Config
from synimg.phantoms.tasks.protocol import Batch, Task


def tasks_of(config: Config) -> tuple[Task, ...]:
    """The tasks in their order."""
    return (config.task, *config.next_tasks)


def names_of(config: Config) -> list[str]:
    """A name for each task: its kind, with its number in front where there are several."""
    tasks = tasks_of(config)
    return [task.kind if len(tasks) == 1 else f"{k}_{task.kind}" for k, task in enumerate(tasks, start=1)]


def n_inputs(config: Config) -> int:
    """Inputs of the network: those of the task with most, and one more for each of several tasks, the context."""
    tasks = tasks_of(config)
    return max(task.n_inputs for task in tasks) + (len(tasks) if len(tasks) > 1 else 0)


def n_outputs(config: Config) -> int:
    """Outputs of the task with most."""
    return max(task.n_outputs for task in tasks_of(config))


def task_at(config: Config, update: int) -> int:
    """Number of the task that is trained at `update`; each has an equal share of the window."""
    n = len(tasks_of(config))
    return min(update * n // config.training.n_updates, n - 1)


def draw(config: Config, k: int, n_trials: int, rng: np.random.Generator, gain: float) -> Batch:
    """Trials of task `k` as the network gets them: its inputs times the `gain` of the senses, and the context."""
    tasks = tasks_of(config)
    batch = tasks[k].draw(n_trials, config.network.dt_ms, rng)
    inputs = batch.inputs if gain == 1.0 else np.float32(gain) * batch.inputs
    if len(tasks) == 1:
        return replace(batch, inputs=inputs)
    own = inputs.shape[-1]
    padded = np.zeros((*inputs.shape[:2], n_inputs(config)), np.float32)
    padded[..., :own] = inputs
    padded[..., k - len(tasks)] = 1.0
    salience = batch.salience
    if salience is not None:
        salience = np.zeros_like(padded)
        salience[..., :own] = batch.salience
    return replace(batch, inputs=padded, salience=salience)


def without_contingency(batch: Batch, rng: np.random.Generator) -> Batch:
    """The same trials, each with the right answer of another, at its own response steps: what a yoked animal is told.

    No trial keeps its own answer: one in a batch would be a contingency, and a rule that normalises its step finds it.
    """
    circle = rng.permutation(batch.inputs.shape[1])
    order = np.empty_like(circle)
    order[circle] = np.roll(circle, 1)
    target = batch.target[order] if batch.target.ndim == 1 else batch.target[:, order]
    return replace(batch, target=target)
