"""Drift on two timescales, days and months (Loewenstein, Kuras and Rumpel 2011)."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.drift.protocol import Floats


class TwoTimescale(Model):
    """The sum of a fast and a slow Ornstein-Uhlenbeck process of ln receptors (J Neurosci 31:9481, form of Fig. 6).

    Notes
    -----
    Both are stationary from the start: at the pulse a synapse is away from its own mean, and part of what is seen is its
    way back.
    """

    kind: Literal["two_timescale"] = "two_timescale"
    fast_sd_ln: float = Field(0.2, ge=0, le=2, description="stationary sd of the fast part of ln receptors")
    tau_fast_days: float = Field(3.0, gt=0, description="time constant of the fast part [days]")
    slow_sd_ln: float = Field(0.6, ge=0, le=2, description="stationary sd of the slow part of ln receptors")
    tau_slow_days: float = Field(90.0, gt=0, description="time constant of the slow part [days]")

    def start(self, a_start: Floats, rng: np.random.Generator) -> Any:
        """Both parts, drawn from their stationary laws."""
        return self.fast_sd_ln * rng.standard_normal(a_start.size), self.slow_sd_ln * rng.standard_normal(a_start.size)

    def step(self, ln_drift: Floats, memory: Any, dt_days: float, rng: np.random.Generator) -> tuple[Floats, Any]:
        """Exact discrete step of both processes over `dt_days`."""
        after = []
        for value, sd, tau in zip(
            memory, (self.fast_sd_ln, self.slow_sd_ln), (self.tau_fast_days, self.tau_slow_days), strict=True
        ):
            keep = np.exp(-dt_days / tau)
            after.append(keep * value + sd * np.sqrt(1.0 - keep**2) * rng.standard_normal(value.size))
        return sum(after) - sum(memory), tuple(after)


part = TwoTimescale
