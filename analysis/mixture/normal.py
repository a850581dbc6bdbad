"""The normal density. `scipy.stats` has it too, and takes as long to import as all else that a method needs."""

import numpy as np

from synimg.analysis.mixture.counts import Floats


def density(x: Floats, mean: float = 0.0, variance: float = 1.0) -> Floats:
    """Density of a normal variable at `x`."""
    found: Floats = np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2.0 * np.pi * variance)
    return found
