"""Delayed centre-out reaching: a target is shown, remembered, and reached for when the go signal comes.

The classical task of Georgopoulos et al. 1982; the movement has the minimum-jerk course of Flash and Hogan 1985
(J Neurosci 5:1688, eq. 4).
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of


class Reaching(Model):
    """The outputs are the hand's position: at rest in the centre until the go signal, then to the target."""

    kind: Literal["reaching"] = "reaching"
    n_targets: int = Field(8, ge=2, description="targets on a circle of radius 1 around the centre")
    shown_ms: float = Field(200.0, gt=0, description="time for which the target is shown")
    delay_low_ms: float = Field(300.0, ge=0, description="shortest time between target and go signal")
    delay_high_ms: float = Field(700.0, ge=0, description="longest time between them")
    movement_ms: float = Field(500.0, gt=0, description="duration of the movement")
    hold_ms: float = Field(100.0, ge=0, description="time to stay at the target")
    input_noise: float = Field(0.05, ge=0, description="sd of the noise on every input and time step")

    n_inputs: ClassVar[int] = 4  # target in two coordinates, go signal, constant
    n_outputs: ClassVar[int] = 2
    answer: ClassVar[Literal["trace"]] = "trace"

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """Inputs (time, trial, 4); the target is the position of the hand."""
        shown, movement = n_steps_of(self.shown_ms, dt_ms), n_steps_of(self.movement_ms, dt_ms)
        low = n_steps_of(self.delay_low_ms, dt_ms, 0)
        high = max(n_steps_of(self.delay_high_ms, dt_ms, 0), low)
        n_steps = shown + high + movement + n_steps_of(self.hold_ms, dt_ms, 0)
        angle = 2.0 * np.pi * rng.integers(0, self.n_targets, n_trials) / self.n_targets
        goal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        go = shown + rng.integers(low, high + 1, n_trials)
        time = np.clip((np.arange(n_steps)[:, None] - go) / movement, 0.0, 1.0)
        course = 10.0 * time**3 - 15.0 * time**4 + 6.0 * time**5
        inputs: Floats = self.input_noise * rng.standard_normal((n_steps, n_trials, self.n_inputs), dtype=np.float32)
        inputs[:shown, :, :2] += goal
        inputs[:, :, 2] += np.arange(n_steps)[:, None] >= go
        inputs[:, :, 3] += 1.0
        target = (course[..., None] * goal).astype(np.float32)
        return Batch(inputs, target, np.ones(n_steps, bool))


part = Reaching
