"""What a law of turnover sees and returns."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sites:
    """The contacts, and the places where contacts may yet form.

    post : (n_contacts,) ndarray of int
    along_um : (n_contacts,) ndarray, place on the dendrite of the postsynaptic unit [um]
    a : (n_contacts,) ndarray [receptors], 0 where there is no synapse
    is_alive : (n_contacts,) ndarray of bool
    is_free : (n_contacts,) ndarray of bool, places of which none has been used yet
    ln_learning : (n_contacts,) ndarray, what learning has done so far
    n_start : int, contacts at the pulse
    """

    post: Ints
    along_um: Floats
    a: Floats
    is_alive: Bools
    is_free: Bools
    ln_learning: Floats
    n_start: int


@dataclass(frozen=True)
class Change:
    """Contacts that form or vanish, by cause: (contact, cause, is_birth)."""

    events: tuple[tuple[Ints, str, bool], ...] = ()


class Turnover(Protocol):
    """Births and deaths of contacts."""

    kind: str
    newborn_volume: float

    def reserve(self, window_days: float) -> float:
        """Places for new contacts that a window needs, per contact that is there."""
        ...

    def step(self, sites: Sites, dt_days: float, rng: np.random.Generator) -> Change:
        """What forms and what vanishes within `dt_days`."""
        ...
