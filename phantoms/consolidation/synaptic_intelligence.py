"""Synaptic intelligence: synapses that made the loss fall hold on to their weights."""

from typing import Any, Literal

from synimg.phantoms.consolidation.base import Anchored
from synimg.phantoms.consolidation.protocol import Floats


class SynapticIntelligence(Anchored):
    """Synaptic intelligence (Zenke, Poole and Ganguli 2017, ICML, eq. 3 to 5), as an operator on ln receptors."""

    kind: Literal["synaptic_intelligence"] = "synaptic_intelligence"

    def watch(self, change: Floats, slope: Floats, own: Any) -> Any:
        """The fall of the loss that each synapse's own path accounts for."""
        return own - slope * change

    def importance(self, moved: Floats, own: Any) -> Floats:
        """That fall per squared distance."""
        xi = 0.1 * float((moved**2).mean()) + 1e-12
        gained: Floats = own / (moved**2 + xi)
        return gained


part = SynapticIntelligence
