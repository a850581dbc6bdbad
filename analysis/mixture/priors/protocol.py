"""What a prior takes and returns."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_SEEN = 50


@dataclass(frozen=True)
class Known:
    """Columns that move the log odds of learning, or the ln factor of a neuron; what each weighs is estimated with the rest.

    columns : (n, m) ndarray, of mean 0; 0 where nothing is known
    width : float, prior sd of a weight, in log odds (in ln factor) per unit
    signed : whether a positive value speaks for growth and against shrinkage; else it speaks for either
    said : str, the assumption that this makes
    about : {"learning", "factor"}, of a synapse, or of its neuron, all of whose rows are alike
    """

    columns: Floats
    width: float
    signed: bool
    said: str
    about: Literal["learning", "factor"] = "learning"


class Prior(Protocol):
    """A part: a module's `part`."""

    def __call__(self, table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
        """What a checked synapse table knows, None if nothing; `is_control` (n,): rows of control animals."""
        ...


def standardised(table: pd.DataFrame, name: str) -> Floats | None:
    """A column of mean 0 and sd 1, 0 where it is empty; None where it is missing, constant or all but empty."""
    if name not in table:
        return None
    values = table[name].to_numpy(float)
    seen = np.isfinite(values)
    if seen.sum() < LEAST_SEEN or values[seen].std() == 0:
        return None
    return np.where(seen, (values - values[seen].mean()) / values[seen].std(), 0.0)
