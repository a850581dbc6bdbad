"""What a gate sees and returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Edges:
    """The connections that a gate chooses from.

    distance : (n_edges,) ndarray, distance between the two units, in sides of the sheet of units
    synapse_class : (n_edges,) ndarray of str, "EE", "EI" (on excitatory and on inhibitory units) or "input"
    eagerness : callable, returns (n_edges,) ndarray: how far the rule would move each connection in some first batches
    """

    distance: Floats
    synapse_class: NDArray[np.str_]
    eagerness: Callable[[], Floats]


class Gate(Protocol):
    """A choice of plastic connections, made once before the window."""

    kind: str

    def choose(self, edges: Edges, rng: np.random.Generator) -> Bools:
        """Whether each connection may learn."""
        ...
