"""Three factors: pre, post, and a reward that only the cells of the chosen action hear."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, advantage
from synimg.phantoms.rules.protocol import Floats32, Trials


class ThreeFactor(GradientRule):
    """Reward-gated Hebb of corticostriatal synapses (Reynolds and Wickens 2002, Neural Netw 15:507) in the log domain.

    Notes
    -----
    An action is drawn from the read-out's answer. ``d ln w ~ (reward - mean reward) r_pre r_post``, for the cells that
    speak for the action. The reward, 1 or 0, is all that the rule is told.
    """

    kind: Literal["three_factor"] = "three_factor"
    learning_rate: float = Field(0.004, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    keep_baseline: float = Field(0.9, ge=0, lt=1, description="share of the expected reward kept per update")

    draws_action: ClassVar[bool] = True

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """No reward is expected yet."""
        return np.full(1, np.nan)

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """Minus the reward above the expected one, times the rates of the cells that speak for the action."""
        assert trials.answer is not None
        action = (trials.chance[:, None] > np.cumsum(trials.answer, axis=1)[:, :-1]).sum(axis=1)
        reward = (action == trials.condition).astype(np.float64)
        better, own = advantage(reward, np.zeros_like(trials.condition), own, self.keep_baseline)
        speaks = trials.w_out[action] > trials.w_out.mean(axis=0)
        return -(better[:, None] * speaks) * trials.rates[1:], own


part = ThreeFactor
