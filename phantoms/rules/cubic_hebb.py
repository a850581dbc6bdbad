"""Miconi's cubic Hebb: a supralinear Hebbian trace that kicks dominate, read out by a delayed reward."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.rules.base import GradientRule, advantage, fluctuation
from synimg.phantoms.rules.protocol import Floats32, Trials


class CubicHebb(GradientRule):
    """Eligibility ``sum_t (r_pre (r_post - mean r_post))^3`` times reward (Miconi 2017, eLife 6:e20899, eq. 2 to 4)."""

    kind: Literal["cubic_hebb"] = "cubic_hebb"
    learning_rate: float = Field(0.002, gt=0, le=0.2, description="rms step of ln receptors per update at chance")
    kick_sd: float = Field(0.3, gt=0, le=2, description="sd of the kicks of the potentials")
    kick_share: float = Field(0.06, gt=0, le=1, description="share of time steps at which a unit is kicked; 3 Hz")
    keep_baseline: float = Field(0.7, ge=0, lt=1, description="share of the expected reward kept per update")
    keep_mean: float = Field(0.05, ge=0, lt=1, description="share of a rate's running mean kept per time step")

    def begin(self, n_units: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """No reward is expected yet."""
        return np.full(n_outputs, np.nan)

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """Rare kicks of single units."""
        kick = np.float32(self.kick_sd) * rng.standard_normal(shape, dtype=np.float32)
        return kick * (rng.random(shape, dtype=np.float32) < self.kick_share)

    def at_post(self, trials: Trials, own: Any) -> tuple[Floats32, Any]:
        """Minus the reward-weighted trace: the cube of a product is the product of the cubes."""
        better, own = advantage(trials.reward, trials.condition, own, self.keep_baseline)
        return -better[:, None] * fluctuation(trials.rates, self.keep_mean) ** 3, own

    def at_pre(self, presynaptic: Floats32) -> Floats32:
        """The other cube."""
        cubed: Floats32 = presynaptic**3
        return cubed


part = CubicHebb
