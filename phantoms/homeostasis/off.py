"""No homeostasis: a null control in which every factor is 1."""

from typing import Any, Literal

import numpy as np

from synimg.model import Model
from synimg.phantoms.homeostasis.protocol import Contacts, Floats


class Off(Model):
    """Factors stay at 1."""

    kind: Literal["off"] = "off"

    def target(self, rate_start: Floats, rng: np.random.Generator) -> Floats:
        """The initial rate itself; nothing follows it."""
        return rate_start

    def start(self, contacts: Contacts, rate_target: Floats, rng: np.random.Generator) -> Any:
        """Nothing is carried along."""
        return None

    def step(self, rate: Floats, rate_target: Floats, a: Floats, contacts: Contacts, memory: Any) -> tuple[Floats, Any]:
        """No change."""
        return np.zeros(contacts.post.size), None

    def ln_inhibition(self, memory: Any) -> Floats | None:
        """Inhibition stays."""
        return None


part = Off
