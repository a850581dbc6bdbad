"""What a learning rule sees of a batch of trials, and what it returns."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.weights import Weights

Floats32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trials:
    """Activity of one batch and the error of its read-out.

    rates : (time + 1, batch, unit) ndarray, `rates[t]` is presynaptic to step `t`, `rates[t + 1]` its outcome
    max_rate : float, rate at which units saturate
    error : (time, batch, output) ndarray, derivative of the mean loss by the read-out's outputs
    w_out : (output, unit) ndarray, read-out weights
    weights : Weights, what the batch ran with; local rules leave it alone
    leak : (unit,) ndarray, dt / tau of each unit
    is_excitatory : (unit,) ndarray of bool
    progress : float, loss of this batch as a share of the loss at chance
    trial_loss : (batch,) ndarray, loss of each trial
    condition : (batch,) ndarray of int, class of each trial, for rewards to be compared within; 0 without classes
    answer : (batch, output) ndarray, probability of each answer to a choice, or None for a course to follow
    perturbation : (time, batch, unit) ndarray, what `Rule.perturbation` added to the potentials, or None
    inputs : (time, batch, n_inputs) ndarray, what the network was shown
    salience : (time, batch, n_inputs) ndarray, how much of each input is worth a prediction, or None for all alike
    chance : (batch,) ndarray, a number from 0 to 1 per trial, for rules that draw an action
    taking_part : (unit,) ndarray, 1 for units that take part in the task, 0 for those that its context silences; None for all
    """

    rates: Floats32
    max_rate: float
    error: Floats32
    w_out: Floats32
    weights: Weights
    leak: Floats32
    is_excitatory: NDArray[np.bool_]
    progress: float
    trial_loss: Floats32
    condition: Ints
    answer: Floats32 | None
    perturbation: Floats32 | None
    inputs: Floats32
    salience: Floats32 | None
    chance: Floats32
    taking_part: Floats32 | None = None

    def presynaptic(self, pre: Ints) -> Floats32:
        """What drives each step (time, batch, source): the units' rates before it and, if `pre` has them, its inputs."""
        if pre.max(initial=0) < self.leak.size:
            return self.rates[:-1]
        return np.concatenate([self.rates[:-1], self.inputs], axis=-1)

    def is_live(self, pre: Ints, post: Ints) -> NDArray[np.bool_] | None:
        """Whether both ends of each edge take part in the task; None where all do."""
        if self.taking_part is None:
            return None
        n_inputs = self.inputs.shape[-1]
        on = np.append(self.taking_part > 0, np.ones(n_inputs, bool))
        return on[pre] & on[post]

    @property
    def reward(self) -> Floats:
        """What a trial was worth: minus its loss, (batch,)."""
        return -self.trial_loss.astype(np.float64)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Whether a small change of the potential changes the rate, (time, batch, unit)."""
        return (self.rates[1:] > 0) & (self.rates[1:] < self.max_rate)


class Rule(Protocol):
    """A learning rule for the excitatory synapses.

    objectives : what it learns for, such as ``("task",)``; each is booked on its own
    draws_action : whether it needs a task with choices
    """

    kind: str
    objectives: tuple[str, ...]
    trains_readout: ClassVar[bool]
    draws_action: ClassVar[bool]

    def start(self, n_edges: int, shape: "Shape", rng: np.random.Generator) -> Any:
        """What the rule carries from batch to batch, before the first."""
        ...

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """What the rule adds to the potentials (time, batch, unit) to explore, or None."""
        ...

    def step(self, trials: Trials, pre: Ints, post: Ints, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors for each objective and edge (n_objectives, n_edges), and the new memory.

        Parameters
        ----------
        trials : Trials
        pre, post : (n_edges,) ndarray of int
            Source and unit of each plastic edge; a source is a unit, or the number of units plus that of an input.
        memory : Any
            What `start` or the step before returned.
        """
        ...

    def slope(self, memory: Any) -> Floats | None:
        """The running gradient of the loss by each edge's weight, where the rule follows one."""
        ...


@dataclass(frozen=True)
class Shape:
    """What a rule knows of the window before its first batch.

    n_units, n_inputs, n_outputs : int, of the task with most outputs
    n_updates : int, batches in the window
    is_contingent : bool, whether errors and rewards belong to their trial
    """

    n_units: int
    n_inputs: int
    n_outputs: int
    n_updates: int
    is_contingent: bool
