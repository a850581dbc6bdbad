"""Multiplicative scaling of all excitatory inputs of a neuron to its own set point (Turrigiano et al. 1998)."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.homeostasis.protocol import Floats


class Scaling(Model):
    """One factor per neuron that follows the neuron's rate (MODEL.md 1; Turrigiano 1998, Hengen 2016)."""

    kind: Literal["scaling"] = "scaling"
    rate_per_update: float = Field(0.002, gt=0, le=0.05, description="largest change of ln receptors per update")
    set_point_sd_ln: float = Field(
        0.3, ge=0, le=1, description="spread of ln(set point / own initial rate) over neurons: what there is to correct"
    )
    smallest_factor: float = Field(0.5, gt=0, le=1, description="cumulative factor never falls below this")
    largest_factor: float = Field(2.0, ge=1, description="cumulative factor never rises above this")
    least_rate: float = Field(0.005, gt=0, description="set point of units that are silent at the start")

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """Set point: the own initial rate times a log-normal number."""
        spread = np.exp(self.set_point_sd_ln * rng.standard_normal(rate_start.size))
        return np.maximum(rate_start, self.least_rate) * spread

    def step(self, rate: Floats, rate_target: Floats, ln_factor: Floats) -> Floats:
        """Change of ln receptors per neuron, within the caps of the cumulative factor."""
        wanted = self.rate_per_update * np.clip((rate_target - rate) / rate_target, -1.0, 1.0)
        low, high = np.log(self.smallest_factor), np.log(self.largest_factor)
        return np.clip(ln_factor + wanted, low, high) - ln_factor


part = Scaling
