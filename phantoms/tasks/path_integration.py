"""Path integration on a ring: keep track of one's heading from the velocity alone, in the dark.

The task that tells recurrent learning from a trained read-out of a fixed network (after Cueva and Wei 2018, ICLR).
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of

FLASH_MS = 60.0


class PathIntegration(Model):
    """The heading is shown at the start; then only its velocity; the outputs are its cosine and sine at all times."""

    kind: Literal["path_integration"] = "path_integration"
    duration_ms: float = Field(1850.0, gt=0, description="duration of a trial")
    shown_ms: float = Field(200.0, gt=0, description="time at the start in which the heading itself is shown")
    velocity_sd_rad_per_s: float = Field(2.0, gt=0, description="sd of the angular velocity")
    tau_velocity_ms: float = Field(300.0, gt=0, description="time constant of the angular velocity")
    input_noise: float = Field(0.05, ge=0, description="sd of the noise on every input and time step")
    n_landmarks: int = Field(0, ge=0, le=64, description="landmark cells around the ring, seen in short flashes")
    flashes_per_s: float = Field(3.0, ge=0, le=20, description="flashes of the landmarks, 60 ms each")

    n_outputs: ClassVar[int] = 2
    answer: ClassVar[Literal["trace"]] = "trace"

    @property
    def n_inputs(self) -> int:
        """Turning left, turning right, cosine and sine while shown, constant, and the landmark cells."""
        return 5 + self.n_landmarks

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """Inputs (time, trial, n_inputs); the target is cosine and sine of the heading."""
        n_steps, shown = n_steps_of(self.duration_ms, dt_ms, 2), n_steps_of(self.shown_ms, dt_ms)
        keep = np.exp(-dt_ms / self.tau_velocity_ms)
        kick = rng.standard_normal((n_steps, n_trials))
        velocity = np.empty((n_steps, n_trials))
        velocity[0] = kick[0]
        for t in range(1, n_steps):
            velocity[t] = keep * velocity[t - 1] + np.sqrt(1.0 - keep**2) * kick[t]
        velocity[:shown] = 0.0
        turn = self.velocity_sd_rad_per_s * velocity * dt_ms / 1000.0
        heading = rng.uniform(0.0, 2.0 * np.pi, n_trials) + np.cumsum(turn, axis=0)
        target = np.stack([np.cos(heading), np.sin(heading)], axis=-1).astype(np.float32)
        inputs: Floats = self.input_noise * rng.standard_normal((n_steps, n_trials, self.n_inputs), dtype=np.float32)
        inputs[:, :, 0] += np.maximum(velocity, 0.0)
        inputs[:, :, 1] += np.maximum(-velocity, 0.0)
        inputs[:shown, :, 2:4] += target[:shown]
        inputs[:, :, 4] += 1.0
        response = np.ones(n_steps, bool)
        if not self.n_landmarks:
            return Batch(inputs, target, response)
        onset = rng.random((n_steps, n_trials)) < self.flashes_per_s * dt_ms / 1000.0
        onset[:shown] = False
        length = n_steps_of(FLASH_MS, dt_ms)
        visible = np.stack([onset[max(t - length + 1, 0) : t + 1].any(axis=0) for t in range(n_steps)])
        visible[:shown] = True
        centre = 2.0 * np.pi * np.arange(self.n_landmarks) / self.n_landmarks
        image = np.exp((np.cos(heading[..., None] - centre) - 1.0) / 0.5)
        inputs[:, :, 5:] += np.where(visible[..., None], image, 0.0).astype(np.float32)
        # what a flash will show is worth a prediction, more than that it goes on; whether one comes is pure chance
        salience = np.zeros_like(inputs)
        salience[:, :, 5:] = np.where(onset, 1.0, np.where(visible, 0.1, 0.0))[..., None]
        return Batch(inputs, target, response, salience)


part = PathIntegration
