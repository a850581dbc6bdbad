"""Rows that no growth explains: spines that were born in the window, and counts that are wrong."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from synimg.analysis.mixture.counts import Counts, Floats

BORN_WEIGHT = 10.0
LEAST_BLANK = 0.1
SMALLER_LN = 0.9
"""Young spines are small: their median is taken for 0.4 of that of all."""


@dataclass(frozen=True)
class Born:
    """Spines of which there was none at the pulse: share of the rows, mean and sd of ln receptors at death."""

    share: float
    mean: float
    sd: float

    @classmethod
    def first(cls, ln_total: Floats) -> "Born":
        """A guess to start from."""
        return cls(0.01, float(np.median(ln_total)) - SMALLER_LN, max(float(ln_total.std()), 0.3))

    def fitted(self, ln_total: Floats, member: Floats, expected: "Born") -> "Born":
        """The share and sizes of the members (n,), a probability each, drawn towards what is `expected`."""
        count = float(member.sum())
        weight = count + BORN_WEIGHT
        mean = (float(member @ ln_total) + BORN_WEIGHT * expected.mean) / weight
        square = float(member @ (ln_total - mean) ** 2) + BORN_WEIGHT * expected.sd**2
        return Born(min((count + 0.1) / (member.size + 50.0), 0.5), mean, float(np.sqrt(square / weight)))


def ln_irregular(counts: Counts, stay: float, born: Born) -> tuple[Floats, Floats]:
    """Log density (n,) of the counts of a wrong row and of a born spine, on the scale of `counts.likelihood`.

    Notes
    -----
    Wrong counts are log-normal in either channel, independently, as wide as the table's and half as much again. A born
    spine has new receptors alone; what is counted as old is the noise of the blank, of which what a fit puts below zero is
    zero. The likelihood drops factors that do not depend on the growth; they are restored here.
    """
    phi_old, phi_new = counts.dispersion(stay, counts.total)
    old, new = counts.old / phi_old, counts.new / phi_new
    scale = gammaln(old + 1.0) + gammaln(new + 1.0) - gammaln(counts.events(stay))
    wrong = scale.copy()
    for values, phi in ((counts.old, phi_old), (counts.new, phi_new)):
        at_least = np.maximum(values, 0.5 * phi)
        ln = np.log(at_least)
        sd = np.hypot(1.5 * ln.std(), 0.5)
        wrong += np.log(phi / at_least) - 0.5 * ((ln - np.median(ln)) / sd) ** 2 - np.log(sd * np.sqrt(2.0 * np.pi))
    blank = np.sqrt(max(counts.noise_old.blank, LEAST_BLANK))
    none = np.where(
        counts.old > 0,
        np.log(phi_old) - 0.5 * (counts.old / blank) ** 2 - np.log(blank * np.sqrt(2.0 * np.pi)),
        np.log(0.5),
    )
    at_least = np.maximum(counts.new, 0.5 * phi_new)
    variance = born.sd**2 + 1.0 / np.maximum(new, 0.5)
    size = -0.5 * (np.log(at_least) - born.mean) ** 2 / variance - 0.5 * np.log(2.0 * np.pi * variance)
    return wrong, scale + none + size + np.log(phi_new / at_least)
