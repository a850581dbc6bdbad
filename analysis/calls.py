"""Which synapses are called learned."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def called(lfdr: Floats, nominal: float) -> Bools:
    """The largest set whose mean local false discovery rate is at most `nominal`."""
    order = np.argsort(lfdr, kind="stable")
    n = int((np.cumsum(lfdr[order]) / np.arange(1, lfdr.size + 1) <= nominal).sum())
    chosen = np.zeros(lfdr.size, bool)
    chosen[order[:n]] = True
    return chosen
