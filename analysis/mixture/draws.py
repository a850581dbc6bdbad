"""Draws from the joint posterior: what each cause did to each synapse, with all that is shared drawn once per draw."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.mixture.choose import Choice
from synimg.analysis.mixture.counts import GROWTH, Floats, Floats32, Ints, receptors_at_death
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.expect import Grid, densities_on, grids, likelihoods, posterior_of
from synimg.analysis.mixture.model import NULL, UP, Densities, Model
from synimg.analysis.mixture.whole_cell import WholeCell
from synimg.analysis.shares import per_ln


@dataclass(frozen=True)
class Draw:
    """One draw, (n,) or (n, 3) by cause: learning, homeostasis, drift.

    sign : (n,) ndarray of int, 1 grown by learning, -1 shrunk, 0 neither
    ln, linear : (n, 3) ndarray, change in ln receptors and in receptors
    """

    sign: NDArray[np.int8]
    ln: Floats
    linear: Floats


def draws(data: Data, choice: Choice, cells: WholeCell, n_draws: int, rng: np.random.Generator) -> Iterator[Draw]:
    """Draws of the chosen reading: model by evidence, factor by neuron, then each synapse given both.

    Notes
    -----
    The zero of the factors is that of the reading. Neurons that grew as a whole are drawn with their probability.
    """
    counts = rng.multinomial(n_draws, choice.weights)
    models = [model for model, n in zip(choice.models, counts, strict=True) if n]
    for (model, grid), n in zip(grids(data, models, choice.stay, choice.largest), counts[counts > 0], strict=True):
        yield from _of_model(data, model, grid, choice.stay, cells, int(n), rng)


@dataclass(frozen=True)
class _Given:
    """What all draws of a model have in common; (n_components, n, n_factor) and (n_components, n) ndarray.

    each : likelihood of a synapse's own neuron's factor, with the prior of the component
    abroad : the same of another neuron's factor, with the prior of that
    weights : (n, k) ndarray of components in another neuron, and of a wrong and a born row
    """

    data: Data
    model: Model
    grid: Grid
    density: Densities
    each: Floats32
    abroad: Floats32
    weights: Floats


def _of_model(
    data: Data, model: Model, grid: Grid, stay: float, cells: WholeCell, n_draws: int, rng: np.random.Generator
) -> Iterator[Draw]:
    density = densities_on(grid, model)
    given = likelihoods(data, model, grid, density)
    posterior = posterior_of(data, model, grid, given)
    each = np.stack([one * given.prior[:, j : j + 1] for j, one in enumerate(given.components)]).astype(np.float32)
    each *= given.good / given.seen
    abroad = given.elsewhere * each
    other = abroad.sum(axis=2).T * (1.0 - data.parent)[:, None]
    weights = np.column_stack([other, model.outliers * grid.wrong, model.born.share * grid.born])
    common = _Given(data, model, grid, density, each, abroad, weights)
    unit = data.branch if model.form.by_branch else data.neuron
    cumulated = np.cumsum(posterior.factor, axis=1)
    for _ in range(n_draws):
        yield _one(common, _pick(cumulated, rng)[unit], cells, stay, rng)


def _one(common: _Given, factor: Ints, cells: WholeCell, stay: float, rng: np.random.Generator) -> Draw:
    data, model, grid, abroad = common.data, common.model, common.grid, common.abroad
    n, k = factor.size, len(common.each)
    own = common.each[:, np.arange(n), factor].T * data.parent[:, None]
    which = _pick(np.cumsum(np.column_stack([own, common.weights]), axis=1), rng)
    component = which % k
    from_other = np.flatnonzero((which >= k) & (which < 2 * k))
    factor[from_other] = _pick(np.cumsum(abroad[component[from_other], from_other], axis=1), rng)
    ln, growth = np.zeros((n, 3)), np.zeros(n)
    for (rows, _), density in zip(grid.classes, common.density.of_classes(), strict=True):
        for j in range(k):
            here = rows[(component[rows] == j) & (which[rows] < 2 * k)]
            place = _pick(np.cumsum(grid.likelihood[here] * density.weight[:, j].T[factor[here]], axis=1), rng)
            ln[here, 0] = _learned(density, j, place, factor[here], rng)
            ln[here, 1] = density.scaled[place] * grid.factor[factor[here]]
            growth[here] = GROWTH[place]
            ln[here, 2] = growth[here] - ln[here, 0] - ln[here, 1]
    signs = np.array([0 if s == NULL else 1 if s == UP else -1 for s in (NULL, *model.signs)], np.int8)
    sign = np.where(which < 2 * k, signs[component], 0).astype(np.int8)
    grown = (rng.random(data.n_neurons) < cells.p_grown)[data.neuron] & (which < 2 * k)
    ln[grown] += [cells.shift, -cells.shift, 0.0]
    sign[grown] = 1 if cells.shift > 0 else -1
    worth = per_ln(growth)
    receptors, variance = receptors_at_death(data.counts, growth, model.sizes, stay)
    ln_var = np.log1p(variance / receptors**2)
    receptors = receptors * np.exp(np.sqrt(ln_var) * rng.standard_normal(n) - 0.5 * ln_var)
    linear = ln * (worth * receptors)[:, None]
    linear[which == 2 * k + 1, 2] = receptors[which == 2 * k + 1]
    return Draw(sign, ln, linear)


def _learned(density: Densities, j: int, place: Ints, factor: Ints, rng: np.random.Generator) -> Floats:
    """What learning did to synapses of a component, given growth and factor (places on their grids)."""
    parts = density.parts[j]
    of_part = _pick(np.cumsum(parts.weight[:, place, factor], axis=0).T, rng)
    mean, keep, spread = parts.mean[of_part], parts.keep[of_part, place], parts.spread[of_part, place]
    return mean + keep * (density.moved[place, factor] - mean) + np.sqrt(spread) * rng.standard_normal(place.size)


def _pick(cumulated: NDArray[np.floating], rng: np.random.Generator) -> Ints:
    """A column of each row, with the probability of its step of the cumulated weights."""
    threshold = rng.random(len(cumulated)) * cumulated[:, -1]
    found: Ints = (cumulated < threshold[:, None]).sum(axis=1)
    return np.minimum(found, cumulated.shape[1] - 1)
