"""Elastic weight consolidation: synapses with a large Fisher information hold on to their weights."""

from typing import Any, Literal

from synimg.phantoms.consolidation.base import Anchored
from synimg.phantoms.consolidation.protocol import Floats


class Elastic(Anchored):
    """Elastic weight consolidation (Kirkpatrick et al. 2017, PNAS 114:3521, eq. 3), as an operator on ln receptors.

    Notes
    -----
    The diagonal of the Fisher information is the running mean of the squared gradient near the end of the task.
    """

    kind: Literal["elastic"] = "elastic"

    def watch(self, change: Floats, slope: Floats, own: Any) -> Any:
        """Running mean of the squared gradient over about fifty updates."""
        return 0.98 * own + 0.02 * slope**2

    def importance(self, moved: Floats, own: Any) -> Floats:
        """That mean."""
        fisher: Floats = own
        return fisher


part = Elastic
