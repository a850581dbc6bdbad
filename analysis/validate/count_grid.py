"""Likelihood of counted dyes on a grid over size at the pulse and growth, for who knows labels and the errors of counts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import binom, poisson

from synimg.phantoms.receptors import survival

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
ROOT_STEP, GROWTH_STEP, FACTOR_STEP = 0.5, 0.06, 0.025
"""Of the root of receptors at the pulse, of ln growth, of ln factor: at most half of the narrowest posterior's sd."""
FAR_SDS = 4.0


@dataclass(frozen=True)
class Labels:
    """Shares of the old and of the new receptors that carry a dye of their channel, and of the old ones that carry the chase's."""

    old: float
    new: float
    old_as_new: float = 0.0


@dataclass(frozen=True)
class ErrorLaw:
    """Variance of a count over no dye and per dye; some errors, a share `wide`, have sd that are `wider` times as large."""

    blank: float
    per_dye: float
    wide: float = 0.0
    wider: float = 1.0

    def variance(self, dyes: Floats) -> Floats:
        """Of the count where there are `dyes`, without the wide ones."""
        found: Floats = self.blank + self.per_dye * dyes
        return found

    def density(self, measured: Floats, dyes: Ints) -> Singles:
        """Density of the `measured` counts (n,) where there are so many `dyes` (m,): (n, m)."""
        sd = np.sqrt(self.variance(dyes.astype(float)))
        found = _normal(measured, dyes, sd)
        if self.wide:
            found = (1.0 - self.wide) * found + self.wide * _normal(measured, dyes, self.wider * sd)
        return found.astype(np.float32)


def _normal(measured: Floats, dyes: Ints, sd: Floats) -> Floats:
    z = (measured[:, None] - dyes) / sd
    # what the fit would put below zero is zero
    found: Floats = np.where(measured[:, None] > 0, np.exp(-0.5 * z**2) / (sd * np.sqrt(2.0 * np.pi)), ndtr(z))
    return found


def error_law(error: Floats, dyes: Floats) -> ErrorLaw:
    """The law of the errors (n,) of counts where there are `dyes` (n,).

    Notes
    -----
    Weighted least squares on those less than `FAR_SDS` off; the others are the wide ones.
    """
    kept = np.ones(error.size, bool)
    for _ in range(3):
        weight = 1.0 / (4.0 + dyes[kept])  # the variance of a squared error goes with the square of its mean
        design = np.column_stack([np.ones(kept.sum()), dyes[kept]]) * weight[:, None]
        blank, slope = np.linalg.lstsq(design, error[kept] ** 2 * weight, rcond=None)[0]
        blank, slope = max(float(blank), 0.25), max(float(slope), 0.05)
        kept = np.abs(error) < FAR_SDS * np.sqrt(blank + slope * dyes)
    far = error[~kept] / np.sqrt(blank + slope * dyes[~kept])
    if not far.size:
        return ErrorLaw(blank, slope)
    return ErrorLaw(blank, slope, far.size / error.size, float(np.sqrt(np.mean(far**2))))


@dataclass(frozen=True)
class CountGrid:
    """The grid, and what does not depend on the counts but on the most dyes in a channel.

    size : (A,) ndarray [receptors], at the pulse
    growth : (S,) ndarray, ln(receptors at the end / at the pulse)
    turnover : float, k t
    depression : str, as in `survival`
    labels, error : what share is seen, and how well
    most : float, of dyes counted
    """

    size: Floats
    growth: Floats
    turnover: float
    depression: str
    labels: Labels
    error: ErrorLaw
    most: float

    @cached_property
    def stay(self) -> Floats:
        """Survival of old receptors by growth (S,)."""
        return survival(np.exp(self.growth), self.turnover, self.depression)

    @cached_property
    def arrived(self) -> Floats:
        """Expected dyes of the chase by size and growth (A, S); old receptors with one are few, so that they are Poisson too."""
        mean = self.size[:, None] * np.maximum(np.exp(self.growth) - self.stay, 0.0)
        return self.labels.new * mean + self.labels.old_as_new * self.size[:, None] * self.stay

    @cached_property
    def dyes(self) -> Ints:
        """Numbers of dyes that can lie behind a measured count (n,)."""
        reach = 7.0 * np.sqrt(self.error.variance(np.array(self.most)))
        return np.arange(int(self.most + reach) + 3)

    @cached_property
    def old_dyes(self) -> Singles:
        """P(n dyes on old receptors) by size and growth (A, n, S)."""
        chance, of = np.unique(self.labels.old * self.stay, return_inverse=True)
        tables = []
        for size in self.size:  # one by one: the library's temporaries are many times the answer
            whole, share = np.floor(size), size % 1.0
            fewer, more = (binom.pmf(self.dyes[:, None], whole + i, chance) for i in (0, 1))
            tables.append(((1.0 - share) * fewer + share * more).astype(np.float32)[:, of])
        return np.stack(tables)

    @cached_property
    def new_dyes(self) -> Singles:
        """P(n dyes of the chase) by size and growth (A, n, S)."""
        return np.stack([poisson.pmf(self.dyes[:, None], mean).astype(np.float32) for mean in self.arrived])

    def likelihood(self, old: Floats, new: Floats) -> Singles:
        """Density of the measured dyes (n,) of both channels by size and growth (A, n, S)."""
        found = np.ones((self.size.size, old.size, self.growth.size), np.float32)
        for measured, table in ((old, self.old_dyes), (new, self.new_dyes)):
            reach = 7.0 * np.sqrt(self.error.variance(measured))
            near = slice(max(int((measured - reach).min()), 0), int((measured + reach).max()) + 2)
            density = self.error.density(measured, self.dyes[near])
            found *= np.matmul(density, table[:, near])
        return found

    def born(self, old: Floats, new: Floats, prior: Floats) -> Floats:
        """Density of the measured dyes of a spine that was not there at the pulse, by its size at the end (n, A)."""
        none = self.error.density(old, np.zeros(1, np.int64))
        by_size = self.error.density(new, self.dyes) @ poisson.pmf(self.dyes[:, None], self.labels.new * self.size)
        found: Floats = by_size * prior * none
        return found
