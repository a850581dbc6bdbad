"""Node perturbation: noise on the units, kept where the reward came out better than expected."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, advantage
from synimg.phantoms.rules.protocol import Floats32, Trials


class NodePerturbation(GradientRule):
    """Reward-modulated node perturbation (Williams 1992, Mach Learn 8:229; Fiete and Seung 2006) in the log domain.

    Notes
    -----
    The perturbation of a potential times the presynaptic rate is the eligibility; the reward, minus the trial's loss,
    is compared with the running mean of its condition (Miconi 2017, eq. 4).
    """

    kind: Literal["node_perturbation"] = "node_perturbation"
    learning_rate: float = Field(0.005, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    noise: float = Field(0.05, gt=0, le=1, description="sd of the perturbation of every potential and time step")
    keep_baseline: float = Field(0.7, ge=0, lt=1, description="share of the expected reward kept per update")

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """No reward is expected yet."""
        return np.full(n_outputs, np.nan)

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """White noise."""
        return np.float32(self.noise) * rng.standard_normal(shape, dtype=np.float32)

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """The gradient's estimate from the rewards of the perturbed trials."""
        better, own = advantage(trials.reward, trials.condition, own, self.keep_baseline)
        assert trials.perturbation is not None
        return -better[:, None] * trials.perturbation * trials.leak, own


part = NodePerturbation
