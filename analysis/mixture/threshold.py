"""Small synapses that are missing: a detection threshold, and what it hides."""

import numpy as np
from scipy.special import ndtr

from synimg.analysis.mixture.counts import Floats, Sizes
from synimg.analysis.normal import density

EDGE, LEAST_AT_EDGE, LEAST_TOTAL = 0.15, 10, 3.0
N_UNSEEN = 41


def find_threshold(total: Floats) -> float | None:
    """ln of the total below which synapses are missing, None if they thin out by themselves.

    Notes
    -----
    Sizes thin out towards the smallest, so that the least of a whole table stands nearly alone. Where they are cut, as
    many as a log-normal through the upper half has there lie within `EDGE` above the cut (in ln), a third of them at least.
    """
    least = float(total.min())
    if least < LEAST_TOTAL:
        return None
    ln = np.log(total)
    middle, upper = np.quantile(ln, [0.5, 0.84])
    z = (np.log(least) + np.array([0.0, EDGE]) - middle) / max(float(upper - middle), 1e-6)
    expected = ln.size * float(np.diff(ndtr(z))[0])
    found = int((ln <= np.log(least) + EDGE).sum())
    cut = z[0] < 0 and found >= max(LEAST_AT_EDGE, expected / 3.0)
    return float(np.log(least)) if cut else None


def chance_seen(ln_threshold: float, noise: float, sizes: Sizes, mean: Floats, var: Floats, factor: Floats) -> Floats:
    """Probability of being seen (n_components, n_factor), growth being the ln factor and a normal of each component.

    Parameters
    ----------
    ln_threshold, noise : float
        ln of the least total; variance of ln total at the threshold by counting.
    sizes : Sizes
        Before the window.
    mean, var : (n_components,) ndarray
        Of learning and drift together.
    factor : (n_factor,) ndarray
    """
    seen = np.zeros((mean.size, factor.size))
    for weight, centre, width in zip(sizes.weight, sizes.centre, sizes.width, strict=True):
        sd = np.sqrt(width**2 + var + noise)[:, None]
        seen += weight * ndtr((centre + mean[:, None] + factor - ln_threshold) / sd)
    return np.maximum(seen, 1e-3)


def unseen_sizes(ln_threshold: float, sizes: Sizes, growth: float, growth_var: float) -> tuple[Floats, Floats]:
    """Sizes of what is not seen, on a grid of ln receptors at the pulse, and how many of each there are per synapse seen."""
    start = sizes.mean + np.linspace(-4.0, 4.0, N_UNSEEN) * sizes.sd
    share = np.zeros(N_UNSEEN)
    for weight, centre, width in zip(sizes.weight, sizes.centre, sizes.width, strict=True):
        share += weight * density(start, centre, width**2)
    share = share / share.sum()
    missed = share * ndtr((ln_threshold - growth - start) / np.sqrt(growth_var))
    return start, missed / max(1.0 - missed.sum(), 0.05)


def unseen_drift(ln_threshold: float, sizes: Sizes, growth: float, growth_var: float, drift_var: float) -> float:
    """Mean square of the drift of what is not seen: whatever shrank is missing more often."""
    var = sizes.sd**2 + growth_var
    z = (ln_threshold - sizes.mean - growth) / np.sqrt(var)
    return float(drift_var * (1.0 - drift_var / var * z * density(z) / max(ndtr(z), 1e-6)))
