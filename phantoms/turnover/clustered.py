"""Turnover whose births gather next to synapses that learning has made stronger."""

from typing import Literal

import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from synimg.phantoms.turnover.protocol import Bools, Change, Sites
from synimg.phantoms.turnover.size_hazard import SizeHazard


class Clustered(SizeHazard):
    """A third of the new spines forms next to potentiated ones (Fu et al. 2012, Nature 483:92); learning's doing.

    Notes
    -----
    Deaths and the births elsewhere are booked to drift, births in clusters to learning: without learning there are none.
    """

    kind: Literal["clustered"] = "clustered"  # type: ignore[assignment]
    clustered_share: float = Field(0.33, ge=0, le=1, description="births next to potentiated synapses, of all births")
    reach_um: float = Field(5.0, gt=0, le=50, description="farthest along the dendrite that a cluster reaches")
    potentiated_ln: float = Field(
        0.2, gt=0, description="growth of ln receptors by learning that counts as potentiated"
    )

    def step(self, sites: Sites, dt_days: float, rng: np.random.Generator) -> Change:
        """Deaths by size, births anywhere, and births in clusters."""
        died = self.deaths(sites, dt_days, rng)
        apart = self.births(sites, (1.0 - self.clustered_share) * self.formed_per_day, dt_days, rng)
        near = sites.is_free & self.is_near(sites)
        near[apart] = False
        expected = self.clustered_share * self.formed_per_day * dt_days * sites.n_start
        chance = expected / max(int(near.sum()), 1)
        beside = np.flatnonzero(near & (rng.random(near.size) < chance))
        return Change(((np.flatnonzero(died), "drift", False), (apart, "drift", True), (beside, "learning", True)))

    def is_near(self, sites: Sites) -> Bools:
        """Places within reach of a potentiated synapse on the same dendrite."""
        strong = np.flatnonzero(sites.is_alive & (sites.ln_learning > self.potentiated_ln))
        near = np.zeros(sites.post.size, bool)
        if strong.size:
            # dendrites far apart on one axis: the nearest neighbour is then on the same one
            apart_um = 4.0 * (sites.along_um.max() + self.reach_um)
            line = (sites.along_um + apart_um * sites.post)[:, None]
            distance, _ = cKDTree(line[strong]).query(line, distance_upper_bound=self.reach_um)
            near = np.isfinite(distance)
        return near


part = Clustered
