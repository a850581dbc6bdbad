"""Turnover in which small synapses vanish sooner than large ones, and small new ones form anywhere."""

from typing import Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.turnover.protocol import Bools, Change, Floats, Ints, Sites

SMALLEST = 0.02  # of the mean size: below, the hazard grows no further


class SizeHazard(Model):
    """A hazard that falls with size, and as many births as deaths on average; both are booked to drift.

    Notes
    -----
    0.04 a day are the 8 % in two days of deprived mouse V1 (Nagaoka et al. 2016); 0.1 a day is CA1, where spines live
    one to two weeks (Attardo et al. 2015, Nature 523:592).
    """

    kind: Literal["size_hazard"] = "size_hazard"
    eliminated_per_day: float = Field(0.04, ge=0, le=2, description="mean hazard of the synapses that are there")
    formed_per_day: float = Field(0.04, ge=0, le=2, description="births a day, per synapse at the pulse")
    size_exponent: float = Field(0.8, ge=0, le=3, description="hazard is proportional to size to minus this power")
    newborn_volume: float = Field(0.5, gt=0, le=1, description="head volume of newborn spines, of a small spine's")

    def reserve(self, window_days: float) -> float:
        """Half as many again as form on average: chance and clusters need a choice."""
        return 1.5 * self.formed_per_day * window_days

    def step(self, sites: Sites, dt_days: float, rng: np.random.Generator) -> Change:
        """Deaths by size, births anywhere."""
        died = self.deaths(sites, dt_days, rng)
        born = self.births(sites, self.formed_per_day, dt_days, rng)
        return Change(((np.flatnonzero(died), "drift", False), (born, "drift", True)))

    def deaths(self, sites: Sites, dt_days: float, rng: np.random.Generator) -> Bools:
        """Which of the living vanish."""
        hazard = self.hazard(sites) * dt_days
        return sites.is_alive & (rng.random(sites.a.size) < -np.expm1(-hazard))

    def hazard(self, sites: Sites) -> Floats:
        """Deaths a day of each contact, with the stated mean over the living."""
        size = np.maximum(sites.a / sites.a[sites.is_alive].mean(), SMALLEST)
        relative = size**-self.size_exponent
        rate: Floats = self.eliminated_per_day * relative / relative[sites.is_alive].mean()
        return rate

    def births(self, sites: Sites, per_day: float, dt_days: float, rng: np.random.Generator) -> Ints:
        """Free places at which a synapse forms."""
        expected = per_day * dt_days * sites.n_start
        chance = expected / max(int(sites.is_free.sum()), 1)
        return np.flatnonzero(sites.is_free & (rng.random(sites.a.size) < chance))


part = SizeHazard
