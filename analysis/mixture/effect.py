"""What is known beforehand of the size of a change by learning: of one size, as in experiments, or of all sizes, as in networks."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, softmax


@dataclass(frozen=True)
class Seen:
    """A law of the size of changes by learning, in ln receptors, as if from synapses that were seen before.

    weight : float, their number
    mean, sd : float, of their changes
    """

    weight: float
    mean: float
    sd: float

    def ln_density(self, mean: float, ln_sd: float) -> float:
        """Log density of mean and ln sd of the law: normal, and inverse chi."""
        half, ln_ratio = 0.5 * self.weight, np.log(self.sd) - ln_sd
        of_sd = (
            np.log(2.0) + half * np.log(half) - gammaln(half) + self.weight * ln_ratio - half * np.exp(2.0 * ln_ratio)
        )
        of_mean = 0.5 * np.log(half / np.pi) - half * ((mean - self.mean) * np.exp(-ln_sd)) ** 2 - ln_sd
        return float(of_sd + of_mean)


ALIKE = Seen(40.0, 0.55, 0.22)
"""Sustained potentiation is x1.5 to 2 (Matsuzaki et al. 2004), whose middle in ln is 0.55."""
BROAD = Seen(10.0, 0.55, 0.4)
"""Of networks that were trained on a task: most changes are small, and the largest many times as large."""
LAWS = (ALIKE, BROAD)


def lent(mean: float, sd: float) -> Seen:
    """What the rarer sign of learning takes for known: the law of the other."""
    return Seen(ALIKE.weight, mean, sd)


def ln_prior(mean: float, ln_sd: float) -> float:
    """Log density of the mean and ln sd of changes by learning: either law, at even odds."""
    return float(np.logaddexp.reduce([law.ln_density(mean, ln_sd) for law in LAWS]) - np.log(len(LAWS)))


def as_if_seen(mean: float, sd: float) -> Seen:
    """The law that stands for both in a step of expectation maximisation, given mean and sd so far."""
    odds = softmax([law.ln_density(mean, np.log(sd)) for law in LAWS])
    weights = odds * [law.weight for law in LAWS]
    weight = float(weights.sum())
    middle = float(weights @ [law.mean for law in LAWS]) / weight
    square = float(weights @ [law.sd**2 + (law.mean - middle) ** 2 for law in LAWS]) / weight
    return Seen(weight, middle, float(np.sqrt(square)))
