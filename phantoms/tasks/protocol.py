"""What a task is to the network: inputs over time, and the answer wanted."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """One batch of trials.

    inputs : (time, batch, n_inputs) ndarray
    target : (batch,) ndarray of int, the right class of each trial, for a choice;
        (time, batch, n_outputs) ndarray of float, the course wanted, for a trace, also where the answer does not count:
        a yoked animal may be told it in another trial
    response : (time,) ndarray of bool, the time steps at which the answer counts;
        (time, batch) ndarray where they differ by trial, at least one in each
    salience : (time, batch, n_inputs) ndarray, how much of each input is worth a prediction; None: all alike
    """

    inputs: Floats
    target: NDArray[Any]
    response: NDArray[np.bool_]
    salience: Floats | None = None


class Task(Protocol):
    """A choice between classes, or a course that the outputs shall follow."""

    kind: str
    answer: Literal["choice", "trace"]
    n_inputs: int
    n_outputs: int

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """A batch of `n_trials` trials."""
        ...


def n_steps_of(duration_ms: float, dt_ms: float, least: int = 1) -> int:
    """Time steps of a duration, `least` or more."""
    return max(round(duration_ms / dt_ms), least)
