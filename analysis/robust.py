"""How far values scatter, whatever a few of them do."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def robust_sd(values: Floats) -> float | None:
    """1.4826 times the median absolute deviation, the sd of a normal law; None without values."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if values.size else None
