"""The grids on which the ceiling is integrated."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import gamma, norm

from synimg.analysis.validate.count_grid import (
    FACTOR_STEP,
    GROWTH_STEP,
    ROOT_STEP,
    CountGrid,
    ErrorLaw,
    Labels,
    Singles,
)
from synimg.phantoms.scenarios.draw import (
    CORRUPTED_SD_LN,
    DIVERGENCE,
    born_size,
    corrupted_middle,
    count_variance,
    death_probability,
    drift_sd,
    effect_shape,
    median_size,
    scaling_law,
)
from synimg.phantoms.scenarios.scenario import Scenario

Floats = NDArray[np.float64]
SDS = 4.2
"""How far the grids of normal quantities reach, in sd."""
N_OFFSETS = 11
NULL, UP, DOWN, WHOLE = range(4)


@dataclass(frozen=True)
class Grids:
    """The grids of one scenario and what does not depend on the counts, but on the most dyes in a channel."""

    scenario: Scenario
    turnover: float
    most: float

    @cached_property
    def size(self) -> Floats:
        """Receptors at the pulse (A,), equally spaced in their root."""
        reach = SDS * np.hypot(self.scenario.size_sd_ln, self.scenario.size_offset_sd_ln)
        low, high = (float(np.sqrt(median_size(self.scenario) * np.exp(x))) for x in (-reach, reach))
        squares: Floats = np.arange(low, high + ROOT_STEP, ROOT_STEP) ** 2
        return squares

    @cached_property
    def growth(self) -> Floats:
        """Ln growth (S,): as far as factor, learning and drift go together."""
        scenario = self.scenario
        law = 1.0 + 1.5 * DIVERGENCE * (scenario.law == "divergent")
        reach = law * np.hypot(scenario.factor_sd_ln, scenario.branch_sd_ln) + max(scenario.drift_sd_ln - 0.2, 0.0)
        low, high = 1.2 + 0.4 * (scenario.share_depressed > 0), 1.85
        return np.arange(-low - SDS * reach, high + SDS * reach, GROWTH_STEP)

    @cached_property
    def factor(self) -> Floats:
        """Ln factor (C,)."""
        reach = SDS * np.hypot(self.scenario.factor_sd_ln, self.scenario.branch_sd_ln)
        half = int(np.ceil(reach / FACTOR_STEP))
        return np.linspace(-half * FACTOR_STEP, half * FACTOR_STEP, 2 * half + 1)

    @cached_property
    def slabs(self) -> list[int]:
        """The kinds of learning that occur."""
        learns, shrinks = self.scenario.share_learned > 0, self.scenario.share_depressed
        found = [NULL]
        found += [UP] if learns and shrinks < 1 else []
        found += [DOWN] if learns and shrinks > 0 else []
        return found + ([WHOLE] if self.scenario.whole_cells else [])

    @cached_property
    def kinds(self) -> list[tuple[float, bool, float]]:
        """Kinds of neurons: offset of ln size, learned as a whole or not, prior weight."""
        scenario = self.scenario
        if scenario.whole_cells:
            return [(0.0, False, 1.0 - scenario.whole_cells), (0.0, True, scenario.whole_cells)]
        if not scenario.size_offset_sd_ln:
            return [(0.0, False, 1.0)]
        offsets = np.linspace(-3.0, 3.0, N_OFFSETS)
        weights = norm.pdf(offsets) / norm.pdf(offsets).sum()
        return [(float(scenario.size_offset_sd_ln * o), False, float(w)) for o, w in zip(offsets, weights, strict=True)]

    @cached_property
    def size_prior(self) -> Singles:
        """Prior weight of every size in every kind of neuron (A, V); those that would have died are taken out."""
        x = np.log(self.size / median_size(self.scenario))[:, None] - np.array([offset for offset, _, _ in self.kinds])
        density = np.exp(-0.5 * (x / self.scenario.size_sd_ln) ** 2) / np.sqrt(self.size)[:, None]
        density /= density.sum(axis=0)
        if self.scenario.share_died:
            density *= 1.0 - death_probability(self.scenario, self.size)[:, None]
        return density.astype(np.float32)

    @cached_property
    def kernels(self) -> Singles:
        """Probability of every growth given size, factor and kind of learning (A, S, C, slabs)."""
        follow = self.factor * scaling_law(self.scenario, self.size)[:, None]
        rest = self.growth[:, None] - follow[:, None, :]
        sd = drift_sd(self.scenario, self.size)[:, None, None]
        parts = []
        for slab in self.slabs:
            density = np.zeros_like(rest)
            for effect, weight in zip(*self.effects(slab), strict=True):
                density += weight * np.exp(-0.5 * ((rest - effect) / sd) ** 2)
            parts.append((density * GROWTH_STEP / (sd * np.sqrt(2.0 * np.pi))).astype(np.float32))
        return np.stack(parts, axis=-1)

    def effects(self, slab: int) -> tuple[Floats, Floats]:
        """Changes by learning of a slab, and their weights."""
        if slab == NULL:
            return np.zeros(1), np.ones(1)
        if slab == WHOLE:
            return np.array([self.scenario.whole_cell_ln]), np.ones(1)
        shape, scale = effect_shape(self.scenario)
        effect = np.linspace(0.02, 2.38, 60)
        weight: Floats = gamma.pdf(effect, shape, scale=scale)
        return (effect if slab == UP else -effect), weight / weight.sum()

    @cached_property
    def counts(self) -> CountGrid:
        """Likelihood of the counts by size and growth."""
        scenario = self.scenario
        error = ErrorLaw(scenario.fit_sd_dyes**2, scenario.dye_variance)
        labels = Labels(scenario.labelling, scenario.labelling)
        return CountGrid(self.size, self.growth, self.turnover, scenario.depression, labels, error, self.most)

    @cached_property
    def seen(self) -> Floats:
        """Probability of being in the table given factor and kind of learning (C, slabs), where small synapses miss."""
        limit = self.scenario.threshold_receptors * self.scenario.labelling
        missed = np.zeros((self.size.size, self.growth.size))
        for total in range(int(limit + 8.0 * np.sqrt(count_variance(self.scenario, np.array(limit))))):
            probability = (self.counts.old_dyes[:, : total + 1] * self.counts.new_dyes[:, total::-1]).sum(axis=1)
            # two channels, so twice the background's error
            sd = np.sqrt(count_variance(self.scenario, np.array(float(total))) + self.scenario.fit_sd_dyes**2)
            missed += probability * ndtr((limit - total) / sd)
        found: Floats = np.einsum("a,as,ascl->cl", self.size_prior[:, 0], 1.0 - missed, self.kernels, optimize=True)
        return found

    def likelihood(self, old: Floats, new: Floats) -> Singles:
        """Density of the measured dyes (n,) of both channels by size and growth (A, n, S)."""
        scenario, found = self.scenario, self.counts.likelihood(old, new)
        if scenario.corrupted:
            wrong = np.ones(old.size)
            for measured in (old, new):
                positive = np.maximum(measured, 1e-9)
                density = norm.pdf(np.log(positive), corrupted_middle(scenario), CORRUPTED_SD_LN) / positive
                wrong = wrong * np.where(measured > 0, density, 0.0)
            found = (1.0 - scenario.corrupted) * found + np.float32(scenario.corrupted) * wrong[:, None].astype(
                np.float32
            )
        return found

    def born(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """Density of the measured dyes of a new spine (n,), and by its size (n, A)."""
        x = np.log(self.size / born_size(self.scenario)) / self.scenario.size_sd_ln
        prior = np.exp(-0.5 * x**2) / np.sqrt(self.size)
        by_size = self.counts.born(old, new, prior / prior.sum())
        return by_size.sum(axis=1), by_size
