"""The section `training` of a configuration."""

from typing import Literal

from pydantic import Field

from synimg.model import Model


class Training(Model):
    """The window between pulse and chase, in which all causes act at the same time."""

    window_days: float = Field(2.0, gt=0, le=100, description="time from the pulse to death [days]")
    n_updates: int = Field(400, ge=1, description="batches of trials in the window")
    batch: int = Field(32, ge=1, description="trials per batch")
    readout_learning_rate: float = Field(0.002, gt=0, description="Adam step of the read-out weights")
    criterion: float = Field(
        0.9, gt=0, le=1, description="test accuracy (R2 for a course to follow) that counts as learned"
    )
    test_every: int = Field(10, ge=1, description="updates between tests")
    test_trials: int = Field(256, ge=16, description="trials of a test; the same ones every time")
    learned_threshold_ln: float = Field(
        0.2, gt=0, description="a synapse is 'learned' if learning moved ln receptors by more than this"
    )
    input_gain: float = Field(
        1.0, ge=0, le=2, description="gain of the task's inputs within the window; below 1 deprives"
    )
    feedback: Literal["contingent", "yoked"] = Field(
        "contingent", description="errors and rewards belong to the trial, or to another trial (a yoked control)"
    )
    counterfactuals: bool = Field(True, description="run again without each cause, for the causal truth")
