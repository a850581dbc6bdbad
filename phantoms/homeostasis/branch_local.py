"""Branch-local scaling: each stretch of dendrite keeps its own input where it was."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.phantoms.homeostasis.base import SetPoint
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class BranchLocal(SetPoint):
    """Every stretch of dendrite scales its synapses by its own input, not by the cell's rate (Barnes et al. 2017).

    Notes
    -----
    The input of a stretch is ``sum a r_pre``; its set point is the input of the first update times a log-normal number. A
    stretch that loses synapses scales up what is left (Neuron 96:871), so one factor per neuron is the wrong model.
    """

    kind: Literal["branch_local"] = "branch_local"
    synapses_per_branch: float = Field(18.0, ge=2, description="mean number of synapses that share a factor")
    rate_per_update: float = Field(0.002, gt=0, le=0.05, description="largest change of ln receptors per update")
    smallest_factor: float = Field(0.5, gt=0, le=1, description="cumulative factor never falls below this")
    largest_factor: float = Field(2.0, ge=1, description="cumulative factor never rises above this")

    def start(self, contacts: Contacts, rate_target: Floats, rng: np.random.Generator) -> Any:
        """The stretch of each contact, no set point yet but its spread, and no factor."""
        branch = branches(contacts, self.synapses_per_branch)
        n = int(branch.max(initial=-1)) + 1
        spread = np.exp(self.set_point_shift_ln + self.set_point_sd_ln * rng.standard_normal(n))
        return branch, None, spread, np.zeros(n)

    def step(self, rate: Floats, rate_target: Floats, a: Floats, contacts: Contacts, memory: Any) -> tuple[Floats, Any]:
        """Change of ln receptors per contact, within the caps of the stretch's cumulative factor."""
        branch, wanted, spread, ln_factor = memory
        arriving = np.bincount(branch, a * rate[contacts.pre], spread.size)
        if wanted is None:
            # nothing arrives anywhere in a silent network: what would arrive at the least rate
            least = 1e-3 * arriving.mean() or self.least_rate * a.sum() / spread.size
            wanted = np.maximum(arriving, least) * spread
        low, high = np.log(self.smallest_factor), np.log(self.largest_factor)
        pull = self.rate_per_update * np.clip((wanted - arriving) / wanted, -1.0, 1.0)
        after = np.clip(ln_factor + pull, low, high)
        return (after - ln_factor)[branch], (branch, wanted, spread, after)


def branches(contacts: Contacts, synapses_per_branch: float) -> NDArray[np.int64]:
    """Number of the stretch of dendrite that each contact sits on; stretches of a neuron are equally long."""
    n_of = np.bincount(contacts.post)
    n_branches = np.maximum(np.round(n_of / synapses_per_branch), 1).astype(np.int64)
    first = np.cumsum(n_branches) - n_branches
    numbers: NDArray[np.int64] = first[contacts.post] + (contacts.along * n_branches[contacts.post]).astype(np.int64)
    return numbers


part = BranchLocal
