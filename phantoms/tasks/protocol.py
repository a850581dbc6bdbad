"""What a task is to the network: inputs over time, and the answer wanted at the end."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """One batch of trials.

    inputs : (time, batch, n_inputs) ndarray
    target : (batch,) ndarray of int, the right class of each trial
    response : (time,) ndarray of bool, the time steps at which the answer counts
    """

    inputs: Floats
    target: NDArray[np.int64]
    response: NDArray[np.bool_]


class Task(Protocol):
    """A classification of input sequences."""

    kind: str
    n_inputs: int
    n_classes: int

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """A batch of `n_trials` trials."""
        ...
