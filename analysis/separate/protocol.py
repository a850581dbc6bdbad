"""What a separation method takes and returns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from synimg.analysis.controls import CONTROL_GROUPS, control_neurons
from synimg.errors import SynimgError


@dataclass(frozen=True)
class Needs:
    """What a method needs of a table, and what it takes for granted: a module's `needs`.

    what : str, the method in a few words
    columns : names of columns beyond the four that every table has
    control_neurons : int, least number of neurons of control animals
    synapses_per_neuron : int, least number in the median neuron
    assumes : sentences
    """

    what: str
    columns: tuple[str, ...] = ()
    control_neurons: int = 0
    synapses_per_neuron: int = 1
    assumes: tuple[str, ...] = ()

    def require(self, table: pd.DataFrame, method: str) -> None:
        """Refuse a table that lacks something.

        Raises
        ------
        SynimgError
            With what is missing, and what would do.
        """
        missing = [name for name in self.columns if name not in table or table[name].isna().all()]
        if missing:
            raise SynimgError(f"method '{method}' needs column '{missing[0]}', which the table lacks or leaves empty")
        n_controls = int(control_neurons(table, np.unique(table["neuron_id"])).sum()) if self.control_neurons else 0
        if n_controls < self.control_neurons:
            raise SynimgError(
                f"method '{method}' needs {self.control_neurons} neurons of control animals, the table has {n_controls}: "
                f"their rows say {', '.join(CONTROL_GROUPS[:-1])} or {CONTROL_GROUPS[-1]} in the column 'group'"
            )
        per_neuron = float(np.median(table.groupby("neuron_id").size()))
        if per_neuron < self.synapses_per_neuron:
            raise SynimgError(
                f"method '{method}' needs {self.synapses_per_neuron} synapses per neuron, the median neuron has "
                f"{per_neuron:g}; 'raw' and 'hierarchical' take any number"
            )

    def text(self) -> str:
        """The needs in one line."""
        parts = [f"column '{name}'" for name in self.columns]
        if self.control_neurons:
            parts.append(f"{self.control_neurons} neurons of control animals")
        if self.synapses_per_neuron > 1:
            parts.append(f"{self.synapses_per_neuron} synapses per neuron")
        return ", ".join(parts) or "any table"


@dataclass(frozen=True)
class Separation:
    """The result of a method: tables by `synimg.schema`, and how it was reached.

    synapses : SEPARATION, one row per row of the input and in its order
    neurons : NEURON_RESULT
    animals : ANIMAL_RESULT
    info : dict, JSON-ready: method, version, parameters, assumptions, diagnosis, warnings
    draws : frames by DRAWS, one after the other; where draws of the posterior were asked for
    groups : GROUP_RESULT, where a question about groups was asked; ``info["by"]`` has what was asked, and the gradient
    """

    synapses: pd.DataFrame
    neurons: pd.DataFrame
    animals: pd.DataFrame
    info: dict[str, Any] = field(default_factory=dict)
    groups: pd.DataFrame | None = None
    draws: Iterator[pd.DataFrame] | None = None


class Method(Protocol):
    """A separation method: a module's `part`."""

    def __call__(self, table: pd.DataFrame, seed: int) -> Separation:
        """Separate a checked synapse table (`schema.SYNAPSES`); random draws come from `seed` alone."""
        ...
