"""Delayed match to sample: was the second stimulus the same as the first?

The task of Miconi 2017 (eLife 6:e20899, Fig. 1), there as non-match to sample.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch, Floats, n_steps_of


class DelayedMatch(Model):
    """A sample, a delay of random length, a test stimulus, a recall signal; two classes."""

    kind: Literal["delayed_match"] = "delayed_match"
    wanted: Literal["match", "nonmatch"] = Field("nonmatch", description="pairs that belong to the second class")
    n_stimuli: int = Field(2, ge=2, le=16, description="stimuli, each with its own input")
    stimulus_ms: float = Field(200.0, gt=0, description="duration of sample and of test")
    delay_low_ms: float = Field(300.0, ge=0, description="shortest delay")
    delay_high_ms: float = Field(700.0, ge=0, description="longest delay")
    recall_ms: float = Field(200.0, gt=0, description="duration of the recall signal, in which the answer counts")
    input_noise: float = Field(0.1, ge=0, description="sd of the noise on every input and time step")

    n_outputs: ClassVar[int] = 2
    answer: ClassVar[Literal["choice"]] = "choice"

    @property
    def n_inputs(self) -> int:
        """One per stimulus, recall, constant."""
        return self.n_stimuli + 2

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """Inputs (time, trial, n_inputs); trials are aligned at the test, the sample comes earlier or later."""
        stimulus, recall = n_steps_of(self.stimulus_ms, dt_ms), n_steps_of(self.recall_ms, dt_ms)
        low = n_steps_of(self.delay_low_ms, dt_ms, 0)
        high = max(n_steps_of(self.delay_high_ms, dt_ms, 0), low)
        n_steps = high + 2 * stimulus + recall
        sample = rng.integers(0, self.n_stimuli, n_trials)
        is_match = rng.random(n_trials) < 0.5
        other = (sample + rng.integers(1, self.n_stimuli, n_trials)) % self.n_stimuli
        test = np.where(is_match, sample, other)
        onset = high - rng.integers(low, high + 1, n_trials)
        inputs: Floats = self.input_noise * rng.standard_normal((n_steps, n_trials, self.n_inputs), dtype=np.float32)
        trials = np.arange(n_trials)
        for step in range(stimulus):
            inputs[onset + step, trials, sample] += 1.0
            inputs[high + stimulus + step, trials, test] += 1.0
        inputs[-recall:, :, self.n_stimuli] += 1.0
        inputs[:, :, self.n_stimuli + 1] += 1.0
        response = np.zeros(n_steps, bool)
        response[-recall:] = True
        return Batch(inputs, (is_match == (self.wanted == "match")).astype(np.int64), response)


part = DelayedMatch
