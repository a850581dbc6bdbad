"""A Hebbian rule whose threshold slides with the neuron's own activity (Bienenstock, Cooper and Munro 1982)."""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from synimg.phantoms.homeostasis.base import SetPoint
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class SlidingThreshold(SetPoint):
    """BCM: inputs grow while the neuron is above its threshold, which runs ahead of it (J Neurosci 2:32, eq. 4).

    Notes
    -----
    ``d ln a = rate_per_update clip(r (r - theta) / target^2) r_pre / mean r_pre`` and theta follows ``r^2 / target``:
    at rest ``r = theta = target``. Unlike scaling it moves active inputs more than idle ones.
    """

    kind: Literal["sliding_threshold"] = "sliding_threshold"
    rate_per_update: float = Field(0.002, gt=0, le=0.05, description="largest change of ln receptors of a mean input")
    threshold_rate: float = Field(
        0.5, gt=0, le=1, description="share of the way that theta goes per update; slow ones make rates swing"
    )
    largest_change_ln: float = Field(0.7, gt=0, description="cumulative change of ln receptors stays within this")

    def start(self, contacts: Contacts, rate_target: Floats, rng: np.random.Generator) -> Any:
        """The threshold lies at the set point; no contact has changed."""
        return rate_target, np.zeros(contacts.post.size)

    def step(self, rate: Floats, rate_target: Floats, a: Floats, contacts: Contacts, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors per contact."""
        theta, so_far = memory
        theta = theta + self.threshold_rate * (rate**2 / rate_target - theta)
        drive = np.clip(rate * (rate - theta) / rate_target**2, -1.0, 1.0)
        active = rate[contacts.pre] / max(float(rate[contacts.pre].mean()), 1e-12)
        wanted = self.rate_per_update * drive[contacts.post] * active
        after = np.clip(so_far + wanted, -self.largest_change_ln, self.largest_change_ln)
        return after - so_far, (theta, after)


part = SlidingThreshold
