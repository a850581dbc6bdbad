"""Learning that prefers small, or large, synapses: the sizes at the pulse of those that learned are tilted.

Log odds of learning that are linear in ln size at the pulse make the sizes of what learned an exponential tilt of the
sizes of what did not; a tilted mixture of normals is one again, so that everything here has a closed form.
"""

import numpy as np

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
    expected: Floats = sizes.mean + _kept(sizes, noise) * (ln_size - sizes.mean)
    return expected


def true_size(sizes: Sizes, weight: float, z: Floats, noise: float | Floats) -> Floats:
    """Expected standardised ln size of what learned, where `z` is known with that variance of ln size."""
    keep = _kept(sizes, noise)
    mean: Floats = keep * z + (1.0 - keep) * weight
    return mean


def tilt(sizes: Sizes, weight: float, z: Floats, noise: float | Floats) -> Floats:
    """Density of a noisy size where odds of learning rise with `weight` (log odds per sd), over that without.

    Notes
    -----
    The mean of the tilt over the true sizes that may lie behind `z`, of mean `keep` z and variance 1 - `keep`: a tilt of
    the noisy sizes themselves would not sum to 1, and a table of small counts would pay for it.
    """
    keep = _kept(sizes, noise)
    relative: Floats = np.exp(weight * keep * z + 0.5 * weight**2 * (1.0 - keep) - _cumulants(sizes, weight)[0])
    return relative


def tilted(sizes: Sizes, weight: float) -> Sizes:
    """Sizes of what learned."""
    slope = weight / sizes.sd
    variance = np.square(sizes.width)
    share = np.array(sizes.weight) * np.exp(slope * (np.array(sizes.centre) - sizes.mean) + 0.5 * slope**2 * variance)
    share /= share.sum()
    centre = sizes.centre + slope * variance
    return Sizes((float(share[0]), float(share[1])), (float(centre[0]), float(centre[1])), sizes.width)


def _kept(sizes: Sizes, noise: float | Floats) -> float | Floats:
    return sizes.sd**2 / (sizes.sd**2 + noise)


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
