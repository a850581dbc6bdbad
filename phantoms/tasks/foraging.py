"""Foraging in a box: path integration in two dimensions, read out as place cells.

After Banino et al. 2018 (Nature 557:429): a random walk, velocity as the only input once it is dark.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of


class Foraging(Model):
    """Place cells are shown at the start; then only the velocity; the outputs are the place cells at all times."""

    kind: Literal["foraging"] = "foraging"
    duration_ms: float = Field(2000.0, gt=0, description="duration of a trial")
    shown_ms: float = Field(200.0, gt=0, description="time at the start in which the place itself is shown")
    n_side: int = Field(4, ge=2, le=10, description="place cells along one side of the box")
    field_sd: float = Field(0.45, gt=0, description="sd of a place field, in half sides of the box")
    speed_per_s: float = Field(1.0, gt=0, description="sd of each velocity component, in half sides of the box per s")
    tau_velocity_ms: float = Field(300.0, gt=0, description="time constant of the velocity")
    input_noise: float = Field(0.05, ge=0, description="sd of the noise on every input and time step")

    answer: ClassVar[Literal["trace"]] = "trace"

    @property
    def n_outputs(self) -> int:
        """One per place cell."""
        return self.n_side**2

    @property
    def n_inputs(self) -> int:
        """Four directions of movement, the place cells while shown, constant."""
        return 5 + self.n_outputs

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """Inputs (time, trial, n_inputs); the target is the activity of the place cells."""
        n_steps, shown = n_steps_of(self.duration_ms, dt_ms, 2), n_steps_of(self.shown_ms, dt_ms)
        keep = np.exp(-dt_ms / self.tau_velocity_ms)
        place = rng.uniform(-1.0, 1.0, (n_trials, 2))
        velocity = rng.standard_normal((n_trials, 2))
        path, moves = np.empty((n_steps, n_trials, 2)), np.zeros((n_steps, n_trials, 2))
        for t in range(n_steps):
            velocity = keep * velocity + np.sqrt(1.0 - keep**2) * rng.standard_normal((n_trials, 2))
            if t >= shown:
                ahead = place + self.speed_per_s * velocity * dt_ms / 1000.0
                velocity = np.where(np.abs(ahead) > 1.0, -velocity, velocity)  # the walls reflect
                moves[t] = velocity
                place = np.clip(place + self.speed_per_s * velocity * dt_ms / 1000.0, -1.0, 1.0)
            path[t] = place
        centre = np.linspace(-1.0, 1.0, self.n_side)
        fields = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
        squared = ((path[:, :, None] - fields) ** 2).sum(axis=-1)
        target = np.exp(-squared / (2.0 * self.field_sd**2)).astype(np.float32)
        inputs: Floats = self.input_noise * rng.standard_normal((n_steps, n_trials, self.n_inputs), dtype=np.float32)
        inputs[:, :, :2] += np.maximum(moves, 0.0)
        inputs[:, :, 2:4] += np.maximum(-moves, 0.0)
        inputs[:shown, :, 4:-1] += target[:shown]
        inputs[:, :, -1] += 1.0
        return Batch(inputs, target, np.ones(n_steps, bool))


part = Foraging
