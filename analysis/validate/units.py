"""Rows of a table that share a factor: the posterior of what they share."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST = 1e-300


def summed_logs(likelihood: Floats, unit: Ints, n_units: int) -> Floats:
    """Log likelihood of every unit (n_units, ...), from the likelihood of its rows (n, ...) and the unit of each (n,)."""
    total = np.zeros((n_units, *likelihood.shape[1:]))
    np.add.at(total, unit, np.log(np.maximum(likelihood, LEAST)))
    return total


def normalised(log_likelihood: Floats, prior: Floats) -> Floats:
    """Posterior of every unit (n_units, ...), which sums to 1 over all axes but the first."""
    rest = tuple(range(1, log_likelihood.ndim))
    weight = prior * np.exp(log_likelihood - log_likelihood.max(axis=rest, keepdims=True))
    normal: Floats = weight / weight.sum(axis=rest, keepdims=True)
    return normal
