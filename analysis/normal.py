"""The normal density. `scipy.stats` has it too, and takes as long to import as all else that a method needs."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def density(x: Floats, mean: float = 0.0, variance: Floats | float = 1.0) -> Floats:
    """Density of a normal variable at `x`."""
    found: Floats = np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2.0 * np.pi * variance)
    return found
