"""What a learning rule sees of a batch of trials, and what it returns."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """Activity of one batch and the error of its read-out.

    rates : (time + 1, batch, unit) ndarray, `rates[t]` is presynaptic to step `t`, `rates[t + 1]` its outcome
    error : (time, batch, class) ndarray, derivative of the mean loss by the read-out's logits
    w_out : (class, unit) ndarray, read-out weights
    weights : (post, pre) ndarray, recurrent weights that the batch ran with; local rules leave them alone
    leak : (unit,) ndarray, dt / tau of each unit
    progress : float, loss of this batch as a share of the loss at chance, at most 1
    """

    rates: Floats32
    error: Floats32
    w_out: Floats32
    weights: Floats32
    leak: Floats32
    progress: float


@dataclass(frozen=True)
class Memory:
    """What a rule carries from batch to batch, per edge: a running mean of the gradient."""

    mean: Floats


class Rule(Protocol):
    """A learning rule for the excitatory recurrent synapses."""

    kind: str
    trains_readout: ClassVar[bool]

    def step(
        self, trials: Trials, pre: NDArray[np.int64], post: NDArray[np.int64], memory: Memory
    ) -> tuple[Floats, Memory]:
        """Change of ln receptors of each edge (pre, post), and the new memory."""
        ...
