"""What a separation method takes and returns."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd


@dataclass(frozen=True)
class Separation:
    """The result of a method: tables by `synimg.schema`, and how it was reached.

    synapses : SEPARATION, one row per row of the input and in its order
    neurons : NEURON_RESULT
    animals : ANIMAL_RESULT
    info : dict, JSON-ready: method, version, parameters, assumptions, diagnosis, warnings
    """

    synapses: pd.DataFrame
    neurons: pd.DataFrame
    animals: pd.DataFrame
    info: dict[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A separation method: a module's `part`."""

    def __call__(self, table: pd.DataFrame, seed: int) -> Separation:
        """Separate a checked synapse table (SCHEMA.md); random draws come from `seed` alone."""
        ...
