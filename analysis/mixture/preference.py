"""Learning that prefers small, or large, synapses: the sizes at the pulse of those that learned are tilted.

Log odds of learning that are linear in ln size at the pulse make the sizes of what learned an exponential tilt of the
sizes of what did not, and a tilted mixture of normals is one again.
"""

import numpy as np
from scipy.special import logsumexp

from synimg.analysis.mixture.counts import Floats, Sizes

WIDTH = 1.0
"""Prior sd of a weight, in log odds per sd of ln size."""
MOST = 2.5
NEWTON_STEPS = 4


def standard_size(sizes: Sizes, ln_size: Floats) -> Floats:
    """ln sizes from the mean, in sd."""
    z: Floats = (ln_size - sizes.mean) / sizes.sd
    return z


def expected_size(sizes: Sizes, ln_size: Floats, noise: float | Floats) -> Floats:
    """Expected ln size at the pulse of what did not prefer any, where `ln_size` is known with that variance."""
    expected: Floats = sizes.mean + sizes.sd**2 / (sizes.sd**2 + noise) * (ln_size - sizes.mean)
    return expected


def true_size(sizes: Sizes, weight: float, ln_total: Floats, growth: Floats, noise: Floats) -> Floats:
    """Expected standardised ln size at the pulse of what learned, (n_classes, n_growth); arguments as of `tilt`."""
    return standard_size(sizes, _behind(tilted(sizes, weight), ln_total, growth, noise)[1])


def tilt(sizes: Sizes, weight: float, ln_total: Floats, growth: Floats, noise: Floats) -> Floats:
    """Density of a total where odds of learning rise with `weight`, over that without, (n_classes, n_growth).

    Parameters
    ----------
    sizes : Sizes
    weight : float
        Log odds of learning per sd of ln size at the pulse.
    ln_total : (n_classes,) ndarray, ln receptors at death
    growth : (n_growth,) ndarray, since the pulse
    noise : (n_classes,) ndarray, variance with which `ln_total` is known

    Notes
    -----
    A total is a count of one over its noise, and both densities are exact for counts (`totals`): a table of few receptors
    would pay for whatever does not sum to 1, more the more of its synapses learn.
    """
    with_, without = (_behind(s, ln_total, growth, noise)[0] for s in (tilted(sizes, weight), sizes))
    relative: Floats = np.exp(with_ - without)
    return relative


def _behind(sizes: Sizes, ln_total: Floats, growth: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Log likelihood of totals, up to what does not depend on the sizes, and the mean ln size at the pulse behind them."""
    start = ln_total[:, None] - growth
    ln, value, _ = sizes.behind(np.broadcast_to(1.0 / noise[:, None], start.shape), start)
    whole = logsumexp(ln, axis=-1, keepdims=True)
    return whole[..., 0], (np.exp(ln - whole) * value).sum(axis=-1)


def tilted(sizes: Sizes, weight: float) -> Sizes:
    """Sizes of what learned."""
    slope = weight / sizes.sd
    variance = np.square(sizes.width)
    share = np.array(sizes.weight) * np.exp(slope * (np.array(sizes.centre) - sizes.mean) + 0.5 * slope**2 * variance)
    share /= share.sum()
    centre = sizes.centre + slope * variance
    return Sizes((float(share[0]), float(share[1])), (float(centre[0]), float(centre[1])), sizes.width)


def fitted_weight(sizes: Sizes, weight: float, count: float, mean: float) -> float:
    """The weight of a normal prior at which `count` synapses that learned have that `mean` standardised ln size."""
    for _ in range(NEWTON_STEPS):
        _, first, second = _cumulants(sizes, weight)
        slope = count * (mean - first) - weight / WIDTH**2
        weight = float(np.clip(weight + slope / (count * second + WIDTH**-2), -MOST, MOST))
    return weight


def _cumulants(sizes: Sizes, weight: float) -> tuple[float, float, float]:
    """ln of the mean of exp(weight z), and mean and variance of z under the tilt."""
    centre = standard_size(sizes, np.array(sizes.centre))
    variance = np.square(sizes.width) / sizes.sd**2
    ln = np.log(sizes.weight) + weight * centre + 0.5 * weight**2 * variance
    top = float(ln.max())
    member = np.exp(ln - top)
    whole = float(member.sum())
    member /= whole
    mean = centre + weight * variance
    first = float(member @ mean)
    return top + float(np.log(whole)), first, float(member @ (variance + mean**2)) - first**2
