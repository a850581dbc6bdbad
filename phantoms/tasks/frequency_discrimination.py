"""Frequency discrimination: a cloud of tones, low or high, is answered to the left or to the right.

The cloud-of-tones task of Znamenskiy and Zador 2013 (Nature 497:482); which side is right for which sound set the sign of
the plasticity gradient along the frequency axis of corticostriatal synapses (Xiong, Znamenskiy and Zador 2015, Nature
521:348).
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of


class FrequencyDiscrimination(Model):
    """Short tones, most of them low or most of them high, on inputs that are ordered by their best frequency."""

    kind: Literal["frequency_discrimination"] = "frequency_discrimination"
    n_frequencies: int = Field(30, ge=4, le=1000, description="inputs, from low to high best frequency")
    tuning_width: float = Field(2.0, gt=0, description="sd of an input's tuning, in steps of best frequency")
    n_tones: int = Field(30, ge=1, le=999, description="tones of a cloud")
    tone_ms: float = Field(20.0, gt=0, description="duration of a tone")
    p_band: float = Field(
        0.6, gt=0, le=1, description="share of tones from the cloud's own third; the rest from anywhere"
    )
    response_ms: float = Field(200.0, gt=0, description="end of the cloud, in which the answer counts")
    low_is: Literal["left", "right"] = Field("left", description="the side that is right for low clouds")
    input_noise: float = Field(0.05, ge=0, description="sd of the noise on every input and time step")

    n_outputs: ClassVar[int] = 2  # left, right
    answer: ClassVar[Literal["choice"]] = "choice"

    @property
    def n_inputs(self) -> int:
        """One input per best frequency."""
        return self.n_frequencies

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """`n_trials` trials of inputs (time, trial, frequency); the target is the side for the cloud."""
        is_high = rng.integers(0, 2, n_trials)
        third = self.n_frequencies / 3.0
        in_band = third * rng.random((self.n_tones, n_trials)) + 2.0 * third * is_high
        anywhere = self.n_frequencies * rng.random((self.n_tones, n_trials))
        tone = np.where(rng.random((self.n_tones, n_trials)) < self.p_band, in_band, anywhere)
        best = np.arange(self.n_frequencies) + 0.5
        heard = np.exp(-0.5 * ((tone[..., None] - best) / self.tuning_width) ** 2).astype(np.float32)
        inputs: Floats = heard.repeat(n_steps_of(self.tone_ms, dt_ms), axis=0)
        inputs += self.input_noise * rng.standard_normal(inputs.shape, dtype=np.float32)
        response = np.zeros(len(inputs), bool)
        response[-n_steps_of(self.response_ms, dt_ms) :] = True
        target = is_high if self.low_is == "left" else 1 - is_high
        return Batch(inputs, target, response)


part = FrequencyDiscrimination
