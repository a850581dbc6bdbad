"""Which synapses are called learned."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SURE = 0.8


def called(lfdr: Floats, nominal: float) -> Bools:
    """The largest set whose mean local false discovery rate is at most `nominal`."""
    order = np.argsort(lfdr, kind="stable")
    chosen = np.zeros(lfdr.size, bool)
    chosen[order[: n_called(lfdr[order], nominal)]] = True
    return chosen


def n_called(ascending_lfdr: NDArray[np.floating], nominal: float) -> int:
    """How many synapses that set has."""
    mean = np.cumsum(ascending_lfdr) / np.arange(1, ascending_lfdr.size + 1)
    return int((mean <= nominal).sum())


def n_sure(synapses: pd.DataFrame) -> int:
    """Rows of a separation with p(learning) of `SURE` or more; none where it is no probability, which has no lfdr."""
    return int(((synapses["p_learning"] >= SURE) & synapses["lfdr"].notna()).sum())
