"""Drift as a Kesten process: sizes are multiplied by a random number and a random amount is added."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.drift.protocol import Floats


class Kesten(Model):
    """``S' = eps S + eta`` with mean eps below 1 (Statman et al. 2014, PLoS Comput Biol 10:e1003846, eq. 1).

    Notes
    -----
    Both random numbers are Gamma distributed, so that sizes stay positive. The mean of eta holds the mean size of the
    population where it is; small synapses grow and large ones shrink on average, as Statman et al. found.
    """

    kind: Literal["kesten"] = "kesten"
    multiplicative_sd_per_day: float = Field(0.14, gt=0, le=1, description="sd of eps over one day")
    additive_sd_per_day: float = Field(0.03, gt=0, le=1, description="sd of eta over one day, in mean sizes")
    tau_days: float = Field(15.0, gt=0, description="time constant of the return to the mean size [days]")

    def start(self, a_start: Floats, rng: np.random.Generator) -> Any:
        """Sizes as drift alone would have made them, and the mean that they return to."""
        return a_start, a_start.mean()

    def step(self, ln_drift: Floats, memory: Any, dt_days: float, rng: np.random.Generator) -> tuple[Floats, Any]:
        """One step of the process over `dt_days`."""
        size, mean_size = memory
        forgotten = 1.0 - np.exp(-dt_days / self.tau_days)
        eps = _gamma(1.0 - forgotten, self.multiplicative_sd_per_day * np.sqrt(dt_days), size.size, rng)
        eta = _gamma(forgotten, self.additive_sd_per_day * np.sqrt(dt_days), size.size, rng)
        after = eps * size + eta * mean_size
        return np.log(after / size), (after, mean_size)


def _gamma(mean: float, sd: float, n: int, rng: np.random.Generator) -> Floats:
    """`n` Gamma distributed numbers with the given mean and sd."""
    return rng.gamma((mean / sd) ** 2, sd**2 / mean, n)


part = Kesten
