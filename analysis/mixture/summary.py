"""What the mixture says of every synapse and every neuron: probabilities, means, and intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synimg.analysis.calls import n_called
from synimg.analysis.mixture.counts import GROWTH, Floats, Floats32, receptors_at_death
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.expect import Grid, densities_on, expect, grids
from synimg.analysis.mixture.model import DOWN, NULL, UP, Densities, Model
from synimg.analysis.shares import per_ln

N_MEASURES, N_HALVINGS = 10, 30
NOMINAL = (0.05, 0.1)
"""False discovery rates at which calls are counted."""
LEARNING, SCALING, DRIFT = range(3)


@dataclass(frozen=True)
class Parts:
    """Per synapse, (n,) each unless said otherwise; means and variances in ln receptors and in receptors.

    up, down : probability of learning of each sign
    ln_parts : (n, 3) ndarray, mean change by learning, homeostasis, drift in ln receptors
    linear_parts : (n, 3) ndarray, the same in receptors
    linear_var : (n, 3) ndarray, their variances
    given_up, given_down : (n, 2) ndarray, mean and variance of the receptors moved by learning of that sign
    receptors : (n,) ndarray, at death
    factor, factor_var : (n_neurons,) ndarray, ln factor of the neuron
    p_calls : probability of learning of either sign by which synapses are called, see `called_by`
    """

    up: Floats
    down: Floats
    p_calls: Floats
    ln_parts: Floats
    linear_parts: Floats
    linear_var: Floats
    given_up: Floats
    given_down: Floats
    receptors: Floats
    factor: Floats
    factor_var: Floats


def summaries(data: Data, models: Sequence[Model], stay: float, largest: float) -> Iterator[Parts]:
    """Posterior of every synapse under each of the models; what they have in common is found once."""
    for model, grid in grids(data, models, stay, largest):
        yield _of_grid(data, model, grid, stay)


def summarise(data: Data, model: Model, stay: float, largest: float) -> Parts:
    """Posterior of every synapse under one model."""
    return next(summaries(data, [model], stay, largest))


def _of_grid(data: Data, model: Model, grid: Grid, stay: float) -> Parts:
    density = densities_on(grid, model)
    posterior = expect(data, model, grid, density)
    n, components = data.neuron.size, (NULL, *model.signs)
    up, down = np.zeros(n), np.zeros(n)
    given = {sign: np.zeros((n, 2)) for sign in (1, 2)}
    ln_parts, linear, square = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 3))
    # ln receptors become receptors by the logarithmic mean of both ends, so that the parts add up
    for (rows, _), likelihood, own in zip(grid.classes, grid.of_class, density.of_classes(), strict=True):
        for j, component in enumerate(components):
            weight = posterior.weight[rows] * posterior.prior[rows, j : j + 1].astype(np.float32)
            found = _sums(grid, likelihood, weight, j, own)
            ln_parts[rows] += found[:, 1:4]
            linear[rows] += found[:, 4:7]
            square[rows] += found[:, 7:10]
            if component != NULL:
                (up if component == 1 else down)[rows] = found[:, 0]
                given[component][rows, 0] = found[:, 4] / np.maximum(found[:, 0], 1e-30)
                given[component][rows, 1] = found[:, 7] / np.maximum(found[:, 0], 1e-30)
    # all of a spine that was born is drift's
    linear[:, 2] += posterior.born
    square[:, 2] += posterior.born
    factor = posterior.of_neuron @ grid.factor
    for moments in given.values():
        moments[:, 1] = np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0.0)
    receptors, noise = receptors_at_death(data.counts, ln_parts.sum(axis=1), model.sizes, stay)
    noise /= receptors**2  # of the receptors at death, by which all parts are multiplied
    for moments in given.values():
        moments[:, 1] = (moments[:, 1] + noise * moments[:, 0] ** 2) * receptors**2
        moments[:, 0] *= receptors
    variance = np.maximum(square - linear**2, 0.0) + noise[:, None] * square
    return Parts(
        up=up,
        down=down,
        p_calls=up + down,
        ln_parts=ln_parts,
        linear_parts=linear * receptors[:, None],
        linear_var=variance * (receptors**2)[:, None],
        given_up=given[1],
        given_down=given[2],
        receptors=receptors,
        factor=factor,
        factor_var=np.maximum(posterior.of_neuron @ grid.factor**2 - factor**2, 0.0),
    )


def _sums(grid: Grid, likelihood: Floats32, weight: Floats, j: int, density: Densities) -> Floats:
    """Posterior sums over growths and factors, (n_rows, n_measures), of the synapses of a class.

    Of 1; of learning, scaling and drift in ln receptors; of the same over the receptors at death, and of their squares.
    """
    found = np.zeros((len(weight), N_MEASURES), np.float32)
    for integrand, coefficients in _measures(grid, density, j):
        at_growth = weight @ integrand.T
        at_growth *= likelihood
        found += at_growth @ coefficients
    return found.astype(float)


def _measures(grid: Grid, density: Densities, j: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Integrands over the factor (n_growth, n_factor), and how each growth counts in every measure (n_growth, n_measures)."""
    scale, taken, factor = per_ln(GROWTH), density.scaled, grid.factor.astype(np.float32)
    ones = np.ones_like(taken)

    def means(parts: dict[int, Floats], probability: float = 0.0) -> NDArray[np.float32]:
        """How the integrand counts in the probability and in what each cause did, in ln receptors and in receptors."""
        counts = np.zeros((GROWTH.size, N_MEASURES))
        counts[:, 0] = probability
        for cause, value in parts.items():
            counts[:, 1 + cause], counts[:, 4 + cause] = value, value * scale
        return counts.astype(np.float32)

    def squares(cause: int, value: Floats) -> NDArray[np.float32]:
        """How it counts in the square of what a cause did, in receptors."""
        counts = np.zeros((GROWTH.size, N_MEASURES))
        counts[:, 7 + cause] = value * scale**2
        return counts.astype(np.float32)

    weight, parts = density.weight[:, j], density.parts[j]
    yield weight, means({DRIFT: GROWTH}, probability=1.0)
    yield weight * factor, means({SCALING: taken, DRIFT: -taken})
    yield weight * factor**2, squares(SCALING, taken**2)
    learned, learned2, drift2 = (np.zeros_like(density.moved) for _ in range(3))
    for mean, part, *given in zip(parts.mean, parts.weight, parts.keep, parts.spread, strict=True):
        keep, spread = (values.astype(np.float32)[:, None] for values in given)
        by_learning = np.float32(mean) + keep * (density.moved - np.float32(mean))
        learned += part * by_learning
        learned2 += part * (by_learning**2 + spread)
        drift2 += part * ((density.moved - by_learning) ** 2 + spread)
    if j != NULL:
        yield learned, means({LEARNING: ones, DRIFT: -ones})
        yield learned2, squares(LEARNING, ones)
    yield drift2, squares(DRIFT, ones)


def average(parts: list[Parts], weights: Floats) -> Parts:
    """Average over models: means add up, variances gain what the models differ by."""

    def mean(name: str) -> Floats:
        return sum(w * getattr(p, name) for w, p in zip(weights, parts, strict=True))

    def spread(value: str, variance: str) -> Floats:
        centre = mean(value)
        return mean(variance) + sum(w * (getattr(p, value) - centre) ** 2 for w, p in zip(weights, parts, strict=True))

    given = {}
    for sign, name in (("up", "given_up"), ("down", "given_down")):
        p = np.array([w * getattr(part, sign) for w, part in zip(weights, parts, strict=True)])
        p /= np.maximum(p.sum(axis=0), 1e-30)
        values = np.array([getattr(part, name) for part in parts])
        first = (p * values[..., 0]).sum(axis=0)
        given[name] = np.column_stack([first, (p * (values[..., 1] + (values[..., 0] - first) ** 2)).sum(axis=0)])
    return Parts(
        up=mean("up"),
        down=mean("down"),
        p_calls=mean("p_calls"),
        ln_parts=mean("ln_parts"),
        linear_parts=mean("linear_parts"),
        linear_var=spread("linear_parts", "linear_var"),
        given_up=given["given_up"],
        given_down=given["given_down"],
        receptors=mean("receptors"),
        factor=mean("factor"),
        factor_var=spread("factor", "factor_var"),
    )


def called_by(each: NDArray[np.float32], weights: Floats) -> Floats:
    """Probability of learning by which synapses are called, (n,), from that in each model (n_models, n) and the models' weights.

    Notes
    -----
    Of a table whose share of learned synapses is taken for too large more are called, and more of them falsely: the posterior is
    right for what it says of a table, but over many like it false calls would be more than their nominal share. Weights over the
    number that each model would call make every share of learning count alike, not every call.
    """
    many = [sum(1 + n_called(lfdr, nominal) for nominal in NOMINAL) for lfdr in np.sort(1.0 - each)]
    tilted = weights / np.array(many)
    found: Floats = (tilted / tilted.sum()) @ each.astype(float)
    return found


def learning_interval(parts: Parts, unseen_sd: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Quantiles of the receptors moved by learning: a normal of each sign, and one about zero with what probability is left.

    Parameters
    ----------
    parts : Parts
    unseen_sd : (n,) ndarray [receptors]
        Of a change by learning that is too small to be told from drift.
    level : float
    """
    middle, spread = np.zeros((3, unseen_sd.size)), np.vstack([unseen_sd] * 3)
    for k, given in ((UP, parts.given_up), (DOWN, parts.given_down)):
        middle[k], spread[k] = given[:, 0], np.sqrt(given[:, 1])
    spread = np.maximum(spread, 1e-6)
    weight = np.stack([np.maximum(1.0 - parts.up - parts.down, 0.0), parts.up, parts.down])
    weight /= weight.sum(axis=0)

    def quantile(wanted: float) -> Floats:
        below, above = (middle - 8.0 * spread).min(axis=0), (middle + 8.0 * spread).max(axis=0)
        for _ in range(N_HALVINGS):
            half = 0.5 * (below + above)
            less = (weight * ndtr((half - middle) / spread)).sum(axis=0) < wanted
            below, above = np.where(less, half, below), np.where(less, above, half)
        return above

    return quantile((1.0 - level) / 2.0), quantile((1.0 + level) / 2.0)
