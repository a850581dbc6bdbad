"""What the mechanisms share that scale a neuron's inputs to its set point: one factor per neuron, times a profile."""

from typing import Any

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class SetPoint(Model):
    """Every neuron has a set point of its own, near its initial rate (Hengen et al. 2016, Cell 165:180).

    Notes
    -----
    Without a floor, units that are silent from the start would be scaled up to the cap in every window.
    """

    set_point_sd_ln: float = Field(
        0.4,
        ge=0,
        le=1,
        description="spread of ln(set point / own initial rate) over neurons: what there is to correct. Beside the default "
        "drift, 0.58 to 0.69 of the change without learning is then drift's (0.5 to 0.77: Yasumatsu 2008, Dvorkin 2016)",
    )
    set_point_shift_ln: float = Field(
        0.0,
        ge=-5,
        le=5,
        description="common shift of ln set point: below 0 all inputs shrink, as in sleep; above 0 they grow, as in the dark",
    )
    least_rate: float = Field(
        0.005, gt=0, description="no set point lies below, and no rate is felt to: units silent from the start stay so"
    )

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """Set point: the own initial rate times a log-normal number, shifted."""
        spread = np.exp(self.set_point_sd_ln * rng.standard_normal(rate_start.size))
        return np.maximum(rate_start * spread, self.least_rate) * np.exp(self.set_point_shift_ln)

    def ln_inhibition(self, memory: Any) -> Floats | None:
        """Inhibition stays."""
        return None


class ProfileScaling(SetPoint):
    """A factor per neuron that follows its rate; each contact takes it with the weight that a profile gives it."""

    rate_per_update: float = Field(0.002, gt=0, le=0.05, description="largest change of ln receptors per update")
    smallest_factor: float = Field(0.5, gt=0, le=1, description="cumulative factor never falls below this")
    largest_factor: float = Field(2.0, ge=1, description="cumulative factor never rises above this")

    def profile(self, contacts: Contacts) -> Floats:
        """Share of the neuron's ln factor that each contact takes, (n_contacts,)."""
        raise NotImplementedError

    def start(self, contacts: Contacts, rate_target: Floats, rng: np.random.Generator) -> Any:
        """No factor yet, and the profile."""
        return np.zeros(rate_target.size), self.profile(contacts)

    def step(self, rate: Floats, rate_target: Floats, a: Floats, contacts: Contacts, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors per contact, within the caps of the cumulative factor."""
        ln_factor, profile = memory
        felt = np.maximum(rate, self.least_rate)
        wanted = self.rate_per_update * np.clip((rate_target - felt) / rate_target, -1.0, 1.0)
        low, high = np.log(self.smallest_factor), np.log(self.largest_factor)
        change = np.clip(ln_factor + wanted, low, high) - ln_factor
        return change[contacts.post] * profile, (ln_factor + change, profile)


def size_rank(contacts: Contacts) -> Floats:
    """Rank of each contact's size within its neuron, from above 0 to below 1."""
    order = np.lexsort((contacts.ln_start, contacts.post))
    n_of = np.bincount(contacts.post)
    first = np.cumsum(n_of) - n_of
    rank = np.empty(order.size)
    rank[order] = (np.arange(order.size) - first[contacts.post[order]] + 0.5) / n_of[contacts.post[order]]
    return rank
