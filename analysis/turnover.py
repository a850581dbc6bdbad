"""Log turnover of synapses: the old/new ratio, free of size."""

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError

Floats = NDArray[np.float64]


def log_turnover(r_old: Floats, r_new: Floats, r_old_se: Floats, r_new_se: Floats) -> tuple[Floats, Floats]:
    r"""Log turnover :math:`y = \ln((P + N) / P)` of each synapse, free of its size.

    Parameters
    ----------
    r_old, r_new : (n,) ndarray [receptors]
        Receptors from before (P > 0) and from within (N >= 0) the window.
    r_old_se, r_new_se : (n,) ndarray [receptors]
        Their standard errors, taken as independent.

    Returns
    -------
    y, y_se : (n,) ndarray [1]
        Log turnover and its standard error to first order.

    Raises
    ------
    SynimgError
        If a count is out of range; the message names the first such row.

    Notes
    -----
    y = k t + ln g for a growth g. A loss by label-blind removal does not show.
    """
    if (bad := ~((r_old > 0) & (r_new >= 0))).any():
        row = int(np.argmax(bad))
        raise SynimgError(
            f"row {row}: r_old = {r_old[row]:g}, r_new = {r_new[row]:g} receptors; log turnover "
            "needs r_old > 0 and r_new >= 0: drop or pool such synapses first"
        )
    y_se = np.hypot(r_new / r_old * r_old_se, r_new_se) / (r_old + r_new)
    return np.log1p(r_new / r_old), y_se  # log1p: few new receptors must not cost digits


def excess_turnover(r_old: Floats, r_new: Floats, fano: tuple[float, float], expected: Floats) -> tuple[Floats, Floats]:
    """Log turnover above the `expected` one, and the variance that counting alone gives it.

    Parameters
    ----------
    r_old, r_new : (n,) ndarray [receptors]
        Counts; zeros are fine.
    fano : (float, float)
        Measurement variance over mean of old and of new counts.
    expected : (n,) or (n, k) ndarray
        Log turnover that is expected, such as the neuron's.

    Returns
    -------
    excess, variance : ndarray [1]
        In log units, to first order around `expected`.

    Notes
    -----
    Linear in the counts: ``N - A (1 - q)`` over ``A q`` with A the total and q = exp(-expected), so there is no logarithm
    of a noisy ratio. The variance is that of the expected counts: one taken at the observed counts is correlated with
    the excess itself and ruins small counts. New receptors arrive at random (Poisson); old ones survive by chance
    (binomial, the share 1 - q).
    """
    total = np.maximum(r_old + r_new, 0.5)
    if expected.ndim == 2:
        total, r_new = total[:, None], r_new[:, None]
    q = np.exp(-expected)
    excess = (r_new - total * (1.0 - q)) / (total * q)
    new, old = total * (1.0 - q) * (1.0 + fano[1]), total * q * (1.0 - q + fano[0])
    return excess, (q**2 * new + (1.0 - q) ** 2 * old) / (total * q) ** 2


def fano(counts: Floats, counts_se: Floats | None) -> float:
    """Measurement variance over mean, the median over synapses; 0 where no standard error is given."""
    if counts_se is None or not np.isfinite(counts_se).any():
        return 0.0
    seen = (counts > 0) & np.isfinite(counts_se)
    return float(np.median(counts_se[seen] ** 2 / counts[seen])) if seen.any() else 0.0


def noise_law(counts: Floats, counts_se: Floats | None) -> tuple[float, float]:
    """Measurement variance of no receptor, and what each receptor adds; zeros where no standard error is given.

    Notes
    -----
    A line through the medians of the third of the fewest and of the third of the most receptors. Background and camera
    make the constant part, dyes and photons the other.
    """
    if counts_se is None:
        return 0.0, 0.0
    seen = np.isfinite(counts_se)
    x, variance = counts[seen], counts_se[seen] ** 2
    if x.size == 0:
        return 0.0, 0.0
    ends = np.quantile(x, [1.0 / 3.0, 2.0 / 3.0])
    few, most = x <= ends[0], x >= ends[1]
    (x0, v0), (x1, v1) = ((np.median(x[part]), np.median(variance[part])) for part in (few, most))
    slope = (v1 - v0) / (x1 - x0) if x1 > x0 else np.inf
    slope = float(np.clip(slope, 0.0, v0 / x0 if x0 > 0 else np.inf))
    if not np.isfinite(slope):
        slope = 0.0
    return float(max(v0 - slope * x0, 0.0)), slope
