"""Cue accumulation: count pulses on the left and on the right, answer after a delay which side had more.

The task of Bellec et al. 2020 (Nat Commun 11:3625, Fig. 4), after the towers task of Morcos and Harvey 2016.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of


class CueAccumulation(Model):
    """Pulses on two input channels, a delay, then a recall signal; the class is the side with more pulses."""

    kind: Literal["cue_accumulation"] = "cue_accumulation"
    n_pulses: int = Field(7, ge=1, le=99, description="pulses a trial; odd, so that one side wins")
    pulse_ms: float = Field(80.0, gt=0, description="duration of a pulse")
    gap_ms: float = Field(60.0, ge=0, description="pause after each pulse")
    delay_ms: float = Field(400.0, ge=0, description="silence between the last pulse and the recall signal")
    recall_ms: float = Field(160.0, gt=0, description="duration of the recall signal, in which the answer counts")
    p_majority: float = Field(0.7, gt=0.5, le=1, description="probability that a pulse is on the correct side")
    input_noise: float = Field(0.1, ge=0, description="sd of the noise on every input and time step")

    n_inputs: ClassVar[int] = 4  # left, right, recall, constant
    n_outputs: ClassVar[int] = 2
    answer: ClassVar[Literal["choice"]] = "choice"

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """`n_trials` trials of inputs (time, trial, 4); the target is the side with more pulses."""
        pulse, gap, delay, recall = (
            n_steps_of(ms, dt_ms, least)
            for ms, least in ((self.pulse_ms, 1), (self.gap_ms, 0), (self.delay_ms, 0), (self.recall_ms, 1))
        )
        n_steps = self.n_pulses * (pulse + gap) + delay + recall
        side = rng.integers(0, 2, n_trials)
        on_side = rng.random((self.n_pulses, n_trials)) < self.p_majority
        right = np.where(on_side, side, 1 - side)
        inputs: Floats = self.input_noise * rng.standard_normal((n_steps, n_trials, self.n_inputs), dtype=np.float32)
        trials = np.arange(n_trials)
        for k in range(self.n_pulses):
            begin = k * (pulse + gap)
            inputs[begin : begin + pulse, trials, right[k]] += 1.0
        inputs[-recall:, :, 2] += 1.0
        inputs[:, :, 3] += 1.0
        response = np.zeros(n_steps, bool)
        response[-recall:] = True
        return Batch(inputs, (2 * right.sum(axis=0) > self.n_pulses).astype(np.int64), response)


part = CueAccumulation
