"""What a model says of a table: likelihoods by factor, and the posterior of factors and of learning."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synimg.analysis.mixture.counts import GROWTH, Floats, Floats32, Ints, likelihood
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.irregular import ln_irregular
from synimg.analysis.mixture.model import NULL, Densities, Form, Model, densities, factor_grid, factor_step
from synimg.analysis.mixture.preference import tilted
from synimg.analysis.mixture.threshold import chance_seen

SCALING_CLASS_WIDTH, DRIFT_CLASS_WIDTH = 0.1, 0.2
"""Of classes of totals, in ln receptors: what scaling does to a synapse follows its size closer than drift does."""
COARSER = 2
"""A grid so much coarser gives the same log likelihood, within .2 over a table, and the same estimates."""


@dataclass(frozen=True)
class Grid:
    """Likelihoods of the counts on the grid of growths, of wrong and of born rows, and classes of like totals.

    noise : list of float, variance of ln total around the mean of each class, by counting and by what is in a class
    ln_irregular : (n,) ndarray of wrong and of born rows, as `irregular.ln_irregular` has it
    `ratio` is the likelihood of old and new alone, where totals do not count in full (`Model.offset_share`).
    """

    likelihood: Floats32
    log_factor: Floats
    wrong: Floats
    born: Floats
    factor: Floats
    growth: Floats
    classes: list[tuple[Ints, float]]
    noise: list[float]
    ln_irregular: tuple[Floats, Floats]
    ratio: Floats32 | None
    ratio_log_factor: Floats

    @cached_property
    def of_class(self) -> list[Floats32]:
        """`likelihood` of the rows of each class; a fit asks for them hundreds of times."""
        return self._by_class(self.likelihood)

    @cached_property
    def ratio_of_class(self) -> list[Floats32]:
        """`ratio` of the same."""
        assert self.ratio is not None
        return self._by_class(self.ratio)

    def _by_class(self, values: Floats32) -> list[Floats32]:
        return [values] if len(self.classes) == 1 else [values[rows] for rows, _ in self.classes]


@dataclass(frozen=True)
class Posterior:
    """What an expectation step knows.

    factor : (n_branches or n_neurons, n_factor) ndarray, posterior of the factor where synapses take theirs from
    of_neuron : (n_neurons, n_factor) ndarray, posterior of the neuron's factor
    weight : (n, n_factor) ndarray, by which a synapse's likelihoods are summed over factors
    prior : (n, n_components) ndarray, probability of no learning, of each sign
    member : (n, n_components) ndarray, its posterior
    outlier : (n,) ndarray, probability that the row is wrong
    born : (n,) ndarray, that the spine was born
    branch_var : float, mean square of the branches' deviation from their neuron
    log_likelihood : float
    """

    factor: Floats
    of_neuron: Floats
    weight: Floats
    prior: Floats
    member: Floats
    outlier: Floats
    born: Floats
    branch_var: float
    log_likelihood: float


def make_grid(
    data: Data, model: Model, stay: float, largest: float, coarser: int = 1, alike: Grid | None = None
) -> Grid:
    """Likelihoods under a model's turnover and sizes.

    What neither bears on is taken from a grid `alike`: one of the same table for a model that differs in nothing else.
    """
    growth = GROWTH[::coarser]
    values, top = likelihood(data.counts, model.turnover, stay, model.form.depression, model.sizes, growth)
    if alike is None:
        ln_total = np.log(data.counts.total)
        classes = _classes(ln_total, model.form)
        variance = data.counts.total_variance(data.counts.total, stay) / data.counts.total**2
        noise = [float(variance[rows].mean() + ln_total[rows].var()) for rows, _ in classes]
        irregular = ln_irregular(data.counts, stay, model.born)
    else:
        classes, noise, irregular = alike.classes, alike.noise, alike.ln_irregular
    wrong, born = (np.exp(np.minimum(ln - top, 60.0)) for ln in irregular)
    ratio, ratio_top = None, np.zeros(0)
    if model.offset_share > 0.0:
        ratio, ratio_top = likelihood(data.counts, model.turnover, stay, model.form.depression, None, growth)
    factor = factor_grid(largest, factor_step(model, coarser))
    return Grid(values, top, wrong, born, factor, growth, classes, noise, irregular, ratio, ratio_top)


def grids(data: Data, models: Sequence[Model], stay: float, largest: float) -> Iterator[tuple[Model, Grid]]:
    """Each model with its grid, which those of the same turnover and sizes share."""
    last: Model | None = None
    for model in models:
        if last is None or _on_grid(model) != _on_grid(last):
            grid = make_grid(data, model, stay, largest)
        last = model
        yield model, grid


def _on_grid(model: Model) -> tuple[object, ...]:
    """All that a grid depends on."""
    form = model.form
    size_laws = form.depends_on_size, form.has_size_law
    has_offsets, step = model.offset_share > 0.0, factor_step(model)
    return model.turnover, model.sizes, model.born, has_offsets, form.depression, step, *size_laws


def _classes(ln_total: Floats, form: Form) -> list[tuple[Ints, float]]:
    """Rows of like totals, and what they are on average; one class where nothing depends on the size."""
    if not form.depends_on_size:
        return [(np.arange(ln_total.size), float(ln_total.mean()))]
    width = SCALING_CLASS_WIDTH if form.has_size_law else DRIFT_CLASS_WIDTH
    number = np.floor(np.clip(ln_total / width, -1e6, 1e6)).astype(np.int64)
    order = np.argsort(number, kind="stable")
    first = np.flatnonzero(np.diff(number[order])) + 1
    return [(rows, float(ln_total[rows].mean())) for rows in np.split(order, first)]


def priors(data: Data, model: Model) -> Floats:
    """Probability of no learning and of each sign, (n, n_components), before the counts are seen."""
    is_control = data.is_control[data.neuron]
    shares = [model.slab(sign).share for sign in model.signs]
    log_odds = np.log(np.maximum(shares, 1e-9) / max(1.0 - sum(shares), 1e-6))
    if not (model.signs and (data.covariates.shape[1] or data.log_prior_odds.any())):
        alike = np.vstack([log_odds, np.full_like(log_odds, -40.0)])  # of trained and of control animals
        return probabilities(alike)[is_control.astype(np.int64)]
    rows = [
        log_odds[k] + data.log_prior_odds[:, sign - 1] + data.towards(sign) @ np.asarray(model.covariate_weights)
        for k, sign in enumerate(model.signs)
    ]
    return probabilities(np.where(is_control[:, None], -40.0, np.column_stack(rows)))


def probabilities(log_odds: Floats) -> Floats:
    """Of no learning and of each sign (n, n_signs + 1), from their log odds against none."""
    ln = np.column_stack([np.zeros(len(log_odds)), log_odds])
    return np.exp(ln - ln_sum(ln))


def ln_sum(ln: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis, which is kept; scipy's own makes sure of much that is not here."""
    top = ln.max(axis=-1, keepdims=True)
    at_top = ln == top
    n_top = at_top.sum(axis=-1, keepdims=True)
    rest = np.where(at_top, 0.0, np.exp(ln - top)).sum(axis=-1, keepdims=True)
    summed: Floats = np.log1p(rest / n_top) + np.log(n_top) + top
    return summed


def factor_prior(data: Data, model: Model, factor: Floats, of_another: bool = False) -> Floats:
    """Log prior of the factor, (n_neurons, n_factor); or `of_another` neuron of the same kind, of which nothing is known."""
    mean, sd = np.asarray(model.factor_mean)[data.kind], np.maximum(np.asarray(model.factor_sd)[data.kind], 0.02)
    expected = data.of_factor @ np.asarray(model.factor_weights)
    if of_another:
        sd = np.hypot(sd, expected.std())
    else:
        mean = mean + expected
    ln = -0.5 * ((factor - mean[:, None]) / sd[:, None]) ** 2
    normalised: Floats = ln - ln_sum(ln)
    return normalised


def densities_on(grid: Grid, model: Model) -> Densities:
    """Densities of the growth in each of the grid's classes of totals."""
    ln_total = np.array([mean for _, mean in grid.classes])
    return densities(model, ln_total, grid.factor, np.array(grid.noise), grid.growth)


def chances(data: Data, model: Model, factor: Floats) -> Floats:
    """Probability that a synapse is in the table, by component and factor: (n_components, n_factor)."""
    components = (NULL, *model.signs)
    if data.ln_threshold is None:
        return np.ones((len(components), factor.size))
    mean = np.array([model.learned_mean(j) for j in components])
    var = np.array([model.learned_var(j) for j in components]) + model.drift_sd**2
    total = np.exp([data.ln_threshold])
    noise = float(data.counts.total_variance(total, 0.5)[0] / total[0] ** 2)
    if not model.form.learns_by_size:
        return chance_seen(data.ln_threshold, noise, model.sizes, mean, var, factor)
    sizes = [model.sizes, *(tilted(model.sizes, model.size_weight) for _ in model.signs)]
    each = [chance_seen(data.ln_threshold, noise, s, mean[[j]], var[[j]], factor) for j, s in enumerate(sizes)]
    return np.vstack(each)


@dataclass(frozen=True)
class Given:
    """Likelihoods of the synapses by factor; (n, n_factor) each where not said otherwise.

    components : list, by component
    total : all that may have been, wrong rows and other parents included
    ln : its logarithm as it counts for the factor, and `log_factor`, what was taken out of it, summed over synapses
    elsewhere : prior of the factor of another neuron
    prior : (n, n_components) ndarray
    seen : probability that the synapse is in the table, 1 or an array
    good : probability of neither a wrong nor a born row
    ln_factor : (n_neurons, n_factor) ndarray, log prior of the factor
    """

    components: list[Floats32]
    total: Floats32
    ln: Floats
    log_factor: float
    elsewhere: Floats32
    prior: Floats
    seen: Floats32
    good: np.float32
    ln_factor: Floats


def expect(data: Data, model: Model, grid: Grid, density: Densities) -> Posterior:
    """Posterior of the factors and of learning under a model."""
    return posterior_of(data, model, grid, likelihoods(data, model, grid, density))


def posterior_of(data: Data, model: Model, grid: Grid, given: Given) -> Posterior:
    """The same, of what is likely by factor."""
    prior, seen, good = given.prior, given.seen, given.good
    unit, of_neuron, branch_var, log_likelihood = _factors(data, model, given.ln, given.ln_factor, grid.factor)
    ratio = unit.astype(np.float32)[data.branch if model.form.by_branch else data.neuron] / given.total
    shared = ratio.sum(axis=1)
    parent = data.parent.astype(np.float32)
    weight = good * (parent[:, None] * ratio + ((1.0 - parent) * shared)[:, None] * given.elsewhere) / seen
    member = np.column_stack(
        [np.einsum("nc,nc->n", one, weight) * prior[:, j] for j, one in enumerate(given.components)]
    )
    return Posterior(
        factor=unit,
        of_neuron=of_neuron,
        weight=weight,
        prior=prior,
        member=member,
        outlier=model.outliers * grid.wrong * shared,
        born=model.born.share * grid.born * shared,
        branch_var=branch_var,
        log_likelihood=log_likelihood + given.log_factor,
    )


def log_likelihood(data: Data, model: Model, grid: Grid) -> float:
    """Of the table under a model, without all else that `expect` finds."""
    given = likelihoods(data, model, grid, densities_on(grid, model))
    ln = _ln_of_units(data, model, given.ln)
    if model.form.by_branch:
        ln = _ln_of_neurons(data, model, ln, grid.factor)
    return float(ln_sum(given.ln_factor + ln).sum()) + given.log_factor


def log_likelihood_of(data: Data, model: Model, stay: float, largest: float) -> float:
    """The same, on a grid for this model alone."""
    return log_likelihood(data, model, make_grid(data, model, stay, largest, COARSER))


def _by_factor(of_growth: list[Floats32], grid: Grid, density: Densities) -> list[Floats32]:
    """Likelihoods by factor (n, n_factor) of each component, from those by growth of each class."""
    n_classes, n_growth, n_components, n_factor = density.weight.shape
    found = np.empty((len(grid.wrong), n_components * n_factor), np.float32)
    of_class = density.weight.reshape(n_classes, n_growth, -1)
    for (rows, _), own, weight in zip(grid.classes, of_growth, of_class, strict=True):
        found[rows] = own @ weight
    return [found[:, j * n_factor : (j + 1) * n_factor] for j in range(n_components)]


def _mixed(prior: Floats, each: list[Floats32]) -> Floats32:
    mixed: Floats32 = np.zeros_like(each[0])
    for j, one in enumerate(each):
        mixed += prior[:, j : j + 1].astype(np.float32) * one
    return mixed


def likelihoods(data: Data, model: Model, grid: Grid, density: Densities) -> Given:
    """Likelihoods by factor, from the densities of the growth in each class of totals."""
    prior = priors(data, model)
    each = _by_factor(grid.of_class, grid, density)
    seen = (
        (prior @ chances(data, model, grid.factor)).astype(np.float32)
        if data.ln_threshold is not None
        else np.ones((1, 1), np.float32)
    )
    ln_factor = factor_prior(data, model, grid.factor)
    abroad = factor_prior(data, model, grid.factor, of_another=True) if data.of_factor.shape[1] else ln_factor
    elsewhere = np.exp(abroad).astype(np.float32)[data.neuron]
    good = np.float32(1.0 - model.outliers - model.born.share)

    def whole(components: list[Floats32], irregular: Floats) -> Floats32:
        total: Floats32 = good * (_mixed(prior, components) / seen)
        if data.has_strangers:
            parent = data.parent.astype(np.float32)
            total = parent[:, None] * total + ((1.0 - parent) * (elsewhere * total).sum(axis=1))[:, None]
        total += np.maximum(irregular, 1e-30).astype(np.float32)[:, None]
        return total

    total = whole(each, model.outliers * grid.wrong + model.born.share * grid.born)
    ln, log_factor = np.log(total).astype(float), grid.log_factor
    if grid.ratio is not None:
        # a neuron's totals share its offset: as evidence for its factor they count by their design effect (Kish 1965)
        counts = 1.0 / (1.0 + (np.bincount(data.neuron) - 1.0) * model.offset_share)[data.neuron]
        alone = whole(_by_factor(grid.ratio_of_class, grid, density), np.full(data.neuron.size, model.outliers))
        ln = counts[:, None] * ln + (1.0 - counts)[:, None] * np.log(alone)
        log_factor = counts * log_factor + (1.0 - counts) * grid.ratio_log_factor
    return Given(each, total, ln, float(log_factor.sum()), elsewhere, prior, seen, good, ln_factor)


def _factors(
    data: Data, model: Model, ln_given: Floats, ln_prior: Floats, factor: Floats
) -> tuple[Floats, Floats, float, float]:
    """Posterior of the factors of branches (or neurons) and of neurons, mean square of the branches, log likelihood."""
    by_unit = _ln_of_units(data, model, ln_given)
    if not model.form.by_branch:
        ln = ln_prior + by_unit
        whole = ln_sum(ln)
        posterior = np.exp(ln - whole)
        return posterior, posterior, 0.0, float(whole.sum())
    seen, message, spread = _messages(model, by_unit, factor)
    ln = ln_prior + _ln_of_neurons(data, model, by_unit, factor)
    whole = ln_sum(ln)
    of_neuron = np.exp(ln - whole)
    back = of_neuron[data.neuron_of_branch] / np.maximum(message, 1e-300)
    unit = seen * (back @ spread)
    square = seen * (back @ (spread * (factor[None, :] - factor[:, None]) ** 2))
    return unit / unit.sum(axis=1, keepdims=True), of_neuron, float(square.sum() / len(unit)), float(whole.sum())


def _ln_of_units(data: Data, model: Model, ln_given: Floats) -> Floats:
    """Log likelihood of the synapses of each branch or neuron, by the factor that they share."""
    return _sum_by(data.branch if model.form.by_branch else data.neuron, ln_given)


def _messages(model: Model, by_branch: Floats, factor: Floats) -> tuple[Floats, Floats, Floats]:
    """Likelihood of each branch by its factor and by its neuron's, over its largest, and the spread of one about the other."""
    seen = np.exp(by_branch - by_branch.max(axis=1, keepdims=True))
    spread = np.exp(-0.5 * ((factor[None, :] - factor[:, None]) / max(model.branch_sd, 0.02)) ** 2)
    spread /= spread.sum(axis=1, keepdims=True)
    return seen, seen @ spread.T, spread


def _ln_of_neurons(data: Data, model: Model, by_branch: Floats, factor: Floats) -> Floats:
    """Log likelihood of each neuron's branches by the neuron's factor."""
    message = _messages(model, by_branch, factor)[1]
    ln = np.log(np.maximum(message, 1e-300)) + by_branch.max(axis=1, keepdims=True)
    return _sum_by(data.neuron_of_branch, ln)


def _sum_by(row: Ints, values: Floats) -> Floats:
    """Sum of rows that belong together; `row` ascends from 0 without gaps."""
    first = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    summed: Floats = np.add.reduceat(values, first, axis=0)
    return summed
