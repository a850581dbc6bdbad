"""Reward-modulated Hebb: what fires together by chance is kept where the reward came out better than expected."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, advantage, fluctuation
from synimg.phantoms.rules.protocol import Floats32, Trials


class RewardHebb(GradientRule):
    """Reward times presynaptic rate times the postsynaptic rate's fluctuation (Legenstein et al. 2010; Hoerzer 2014).

    Notes
    -----
    Unlike node perturbation the rule is not told the noise: the fluctuation of a rate around its running mean in the trial
    stands for it (J Neurosci 30:8400, eq. 12; Cereb Cortex 24:677).
    """

    kind: Literal["reward_hebb"] = "reward_hebb"
    learning_rate: float = Field(0.005, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    noise: float = Field(0.05, gt=0, le=1, description="sd of the perturbation of every potential and time step")
    keep_baseline: float = Field(0.7, ge=0, lt=1, description="share of the expected reward kept per update")
    keep_mean: float = Field(0.8, ge=0, lt=1, description="share of a rate's running mean kept per time step")

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """No reward is expected yet."""
        return np.full(n_outputs, np.nan)

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """White noise."""
        return np.float32(self.noise) * rng.standard_normal(shape, dtype=np.float32)

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """Minus the reward-weighted correlation of presynaptic rates and postsynaptic fluctuations."""
        better, own = advantage(trials.reward, trials.condition, own, self.keep_baseline)
        return -better[:, None] * fluctuation(trials.rates, self.keep_mean) * trials.leak, own


part = RewardHebb
