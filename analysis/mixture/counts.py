"""Likelihood of a synapse's counts for every growth that it may have had."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.mixture.totals import ln_evidence, moments
from synimg.analysis.turnover import noise_law

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Depression = Literal["reduced_insertion", "label_blind_removal"]
GROWTH = np.arange(-2.0, 2.8 + 1e-9, 0.04)
"""Growth s = ln a_end / a_start on a grid."""
TOTAL_CLASS_WIDTH = 0.25
N_NEWTON, NODES = 8, np.linspace(-4.0, 4.0, 25)
LEAST_DISPERSION = 0.05
LEAST_EVENTS = 0.5
"""That a total counts."""
MOST_OLD = 0.95
"""Expected share of old receptors where growth is below what turnover allows: some new ones always come."""


@dataclass(frozen=True)
class Noise:
    """Variance of a channel's measurement: of no receptor, and what each receptor adds."""

    blank: float
    slope: float

    def over_mean(self, mean: Floats) -> Floats:
        """Variance over mean where that many receptors are expected; as if at least one."""
        return self.slope + self.blank / np.maximum(mean, 1.0)


@dataclass(frozen=True)
class Counts:
    """What the likelihood knows of the synapses.

    old, new : (n,) ndarray, receptors from before and from within the window
    noise_old, noise_new : Noise of their measurement, the same for all: a synapse's own would follow its count
    ln_offset : (n,) ndarray or 0, by how much its neuron's synapses are larger than others, in ln receptors
    """

    old: Floats
    new: Floats
    noise_old: Noise
    noise_new: Noise
    ln_offset: Floats | float = 0.0

    @cached_property
    def total(self) -> Floats:
        """All receptors, half a one at least."""
        return np.maximum(self.old + self.new, 0.5)

    @cached_property
    def total_class(self) -> tuple[Floats, Ints]:
        """Classes of like totals: the total of each, and each synapse's."""
        number, of = np.unique(np.round(np.log(self.total) / TOTAL_CLASS_WIDTH), return_inverse=True)
        return np.exp(number * TOTAL_CLASS_WIDTH), of

    def take(self, rows: Ints) -> "Counts":
        """Some of the synapses."""
        offset = self.ln_offset if isinstance(self.ln_offset, float) else self.ln_offset[rows]
        return Counts(self.old[rows], self.new[rows], self.noise_old, self.noise_new, offset)

    @classmethod
    def measured(cls, old: Floats, new: Floats, old_se: Floats | None, new_se: Floats | None) -> "Counts":
        """Counts with the noise that their standard errors state."""
        return cls(old, new, Noise(*noise_law(old, old_se)), Noise(*noise_law(new, new_se)))

    def dispersion(self, stay: float, total: Floats) -> tuple[Floats, Floats]:
        """Variance over mean of old counts (they survive binomially) and of new ones (they arrive at random), by total.

        Notes
        -----
        Of the counts expected for that total without growth: a noise that followed a synapse's own old and new would be
        correlated with what they say. Given a total of hardly a receptor neither count can be far off, as none is below 0.
        """
        old, new = self._dispersion(stay, total)
        bounded = np.hypot(1.0, (stay * new + (1.0 - stay) * old) / total)
        return old / bounded, new / bounded

    def events(self, stay: float) -> Floats:
        """What the total (n,) counts, on a scale on which it is Poisson's."""
        old, new = self.dispersion(stay, self.total)
        return np.maximum(self.old / old + self.new / new, LEAST_EVENTS)

    def total_variance(self, receptors: Floats, stay: float) -> Floats:
        """Variance of the total where there are that many receptors."""
        old, new = self._dispersion(stay, receptors)
        variance: Floats = receptors * (stay * old + (1.0 - stay) * new)
        return variance

    def _dispersion(self, stay: float, total: Floats) -> tuple[Floats, Floats]:
        old = 1.0 - stay + self.noise_old.over_mean(total * stay)
        return np.maximum(old, LEAST_DISPERSION), 1.0 + self.noise_new.over_mean(total * (1.0 - stay))


@dataclass(frozen=True)
class Sizes:
    """Sizes before the window: ln receptors at the pulse are a mixture of two normals, small and large spine heads.

    weight, centre, width : (2,) tuple, share, mean and sd of each
    """

    weight: tuple[float, float]
    centre: tuple[float, float]
    width: tuple[float, float]

    @property
    def mean(self) -> float:
        """Mean of ln receptors."""
        return float(np.dot(self.weight, self.centre))

    @property
    def sd(self) -> float:
        """Its standard deviation."""
        square = np.square(self.width) + np.square(np.subtract(self.centre, self.mean))
        return float(np.sqrt(np.dot(self.weight, square)))

    @classmethod
    def normal(cls, mean: float, sd: float) -> "Sizes":
        """Two equal normals a little apart, from which a fit may start."""
        return cls((0.6, 0.4), (mean - 0.4 * sd, mean + 0.6 * sd), (0.87 * sd, 0.87 * sd))

    def narrowed(self, by: float) -> "Sizes":
        """Sizes that lie that much closer to their mean."""
        centre = [self.mean + by * (c - self.mean) for c in self.centre]
        return Sizes(self.weight, (centre[0], centre[1]), (by * self.width[0], by * self.width[1]))

    def moved(self, by: float) -> "Sizes":
        """Sizes larger by that many ln receptors."""
        return Sizes(self.weight, (self.centre[0] + by, self.centre[1] + by), self.width)

    def behind(self, events: Floats, ln_start: Floats) -> tuple[Floats, Floats, Floats]:
        """What totals say of the ln size at the pulse behind them, by each of the two normals: (..., 2) each.

        Ln likelihood with the normal's weight, up to what does not depend on sizes, and mean and variance; of totals that count
        `events` (...) and are `ln_start` (...) without their growth.
        """
        each = [moments(events, c - ln_start, w**2) for c, w in zip(self.centre, self.width, strict=True)]
        ln, value, left = np.stack(each, axis=-1)
        value += ln_start[..., None]
        ln += np.log(self.weight)
        return ln, value, left

    def fitted(self, ln_start: Floats, spread: Floats, events: Floats, regular: Floats, n_steps: int = 5) -> "Sizes":
        """Some EM steps towards sizes (n,): ln total less growth, of which `spread` is the variance; a total counts `events`.

        Each counts with its probability of being `regular`.
        """
        sizes = self
        for _ in range(n_steps):
            centre, width = np.array(sizes.centre), np.array(sizes.width)
            ln, value, left = sizes.behind(events, ln_start)
            member = np.exp(ln - ln.max(axis=1, keepdims=True))
            member *= (regular / member.sum(axis=1))[:, None]
            count = member.sum(axis=0) + 1.0
            keep = 1.0 - left / width**2
            centre = ((member * value).sum(axis=0) + sizes.centre) / count
            square = (member * ((value - centre) ** 2 + keep**2 * spread[:, None] + left)).sum(axis=0) + width**2
            width = np.sqrt(np.maximum(square / count, 0.01))
            weight = count / count.sum()
            sizes = Sizes(
                (float(weight[0]), float(weight[1])),
                (float(centre[0]), float(centre[1])),
                (float(width[0]), float(width[1])),
            )
        return sizes


def old_share(growth: Floats, turnover: float, depression: Depression) -> Floats:
    """Expected share of old receptors for a growth."""
    if depression == "label_blind_removal":
        return np.exp(-turnover - np.maximum(growth, 0.0))
    return np.minimum(np.exp(-turnover - growth), MOST_OLD)


def receptors_at_death(counts: Counts, growth: Floats, sizes: Sizes, stay: float) -> tuple[Floats, Floats]:
    """Mean and variance of the receptors (n,) that a synapse's total stands for, given its growth (n,) and the sizes before.

    Notes
    -----
    Where totals are noisy the largest are too large and the smallest too small. Ln receptors are normal beforehand; their
    posterior is summed over nodes about its top, which some steps of Newton's method find.
    """
    before, total = sizes.mean + counts.ln_offset + growth, counts.total
    top = before.copy()
    for _ in range(N_NEWTON):
        receptors = np.exp(top)
        keep = sizes.sd**2 / (sizes.sd**2 + counts.total_variance(receptors, stay) / receptors**2)
        top = top + np.clip(before + keep * (total / receptors - 1.0 + top - before) - top, -1.0, 1.0)
    ln = top[:, None] + (sizes.sd * np.sqrt(1.0 - keep))[:, None] * NODES
    receptors = np.exp(ln)
    variance = counts.total_variance(receptors, stay)
    weight = -0.5 * ((ln - before[:, None]) / sizes.sd) ** 2
    weight -= 0.5 * (total[:, None] - receptors) ** 2 / variance + 0.5 * np.log(variance)
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = (weight * receptors).sum(axis=1)
    return mean, np.maximum((weight * receptors**2).sum(axis=1) - mean**2, 0.0)


def likelihood(
    counts: Counts, turnover: float, stay: float, depression: Depression, sizes: Sizes | None, growth: Floats = GROWTH
) -> tuple[Floats32, Floats]:
    """Likelihood of the counts for each growth on the grid, and the logarithm of the factor taken out of each row.

    Parameters
    ----------
    counts : Counts
    turnover : float
        Exchange rate times window, k t.
    stay : float
        ``exp(-k t)`` for the variance of old receptors; the same for all models that are compared.
    depression : {"reduced_insertion", "label_blind_removal"}
    sizes : Sizes or None
        Without them the total says nothing.
    growth : (n_growth,) ndarray

    Returns
    -------
    likelihood : (n, n_growth) ndarray, 1 at the most likely growth
    log_factor : (n,) ndarray

    Notes
    -----
    Quasi-likelihood of two over-dispersed counts; new receptors arrive at random, old ones survive binomially. How many receptors
    there are is integrated out: they follow from the size at the pulse and the growth, or anything is as likely.
    """
    share = old_share(growth, turnover, depression)
    of_class, row_class = counts.total_class
    of_classes = counts.dispersion(stay, of_class)
    phi_old, phi_new = (phi[row_class] for phi in of_classes)
    old, new, column = counts.old / phi_old, counts.new / phi_new, (slice(None), None)
    mixed = np.log([share / a + (1.0 - share) / b for a, b in zip(*of_classes, strict=True)])
    ln = np.column_stack([old, new]) @ np.stack([np.log(share), np.log1p(-share)])
    ln -= (old * np.log(phi_old) + new * np.log(phi_new))[column]
    if sizes is None:
        ln -= (old + new + 0.5)[column] * mixed[row_class]
    else:
        ln -= (old + new)[column] * mixed[row_class]
        offset = np.broadcast_to(counts.ln_offset, old.shape)
        law = sizes.weight, sizes.centre, sizes.width
        ln += ln_evidence(np.maximum(old + new, LEAST_EVENTS), offset, mixed + growth, row_class, law)
    top = ln.max(axis=1)
    return np.exp((ln - top[column]).astype(np.float32)), top
