"""Expectation maximisation: hyper-parameters pooled over all neurons, with every neuron's factor summed over a grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from synimg.analysis.mixture.counts import GROWTH, Counts, Floats, Floats32, Ints, Sizes, likelihood
from synimg.analysis.mixture.irregular import Born, ln_irregular
from synimg.analysis.mixture.model import DOWN, NULL, UP, Form, Kernel, Model, Slab, densities, factor_grid, kernel
from synimg.analysis.mixture.preference import fitted_weight, standard_size, tilted, true_size
from synimg.analysis.mixture.threshold import chance_seen, unseen_drift, unseen_sizes

SCALING_CLASS_WIDTH, DRIFT_CLASS_WIDTH = 0.1, 0.2
"""Of classes of totals, in ln receptors: what scaling does to a synapse follows its size closer than drift does."""
EFFECT_WEIGHT, EFFECT_MEAN, EFFECT_SD = 40.0, 0.5, 0.22
DRIFT_WEIGHT, DRIFT_SD = 20.0, 0.2
BORROWED_SHARE, DOWN_PER_UP = 0.2, 0.6
LEAST_OUTLIERS, MOST_OUTLIERS = 0.002, 0.005  # on images more would take what was learned for wrong counts
N_ROUNDS, N_STEPS, NEWTON_STEPS = 4, 10, 3
TURNOVER_STEP = 0.03
HOPELESS_STEPS, HOPELESS = 4, 60.0
HASTE = 1.6  # drift and learning trade off along a ridge, where plain steps creep


@dataclass(frozen=True)
class Data:
    """The synapses in the order of neurons and, within those, of branches.

    counts : Counts
    neuron : (n,) ndarray of int, row of the neuron, from 0, ascending
    branch : (n,) ndarray of int, row of the branch, from 0, ascending
    neuron_of_branch : (n_branches,) ndarray of int
    is_control : (n_neurons,) ndarray of bool, neurons of animals without learning
    kind : (n_neurons,) ndarray of int, below `n_kinds`, group of animals whose factors have a mean and sd of their own
    parent : (n,) ndarray, probability that the neuron is the right one
    covariates : (n, n_covariates) ndarray, what bears on the odds of learning, 0 where it is not known
    widths : (n_covariates,) ndarray, prior sd of the weight of each
    signed : (n_covariates,) ndarray of bool, which speak for growth and against shrinkage
    ln_threshold : float or None, ln of the total below which synapses are missing
    log_prior_odds : (n, 2) ndarray, what else is known of learning up and down, added to its log odds
    of_factor : (n_neurons, n_known) ndarray, what bears on the ln factor, of mean 0, 0 where it is not known
    factor_widths : (n_known,) ndarray, prior sd of the weight of each
    """

    counts: Counts
    neuron: Ints
    branch: Ints
    neuron_of_branch: Ints
    is_control: NDArray[np.bool_]
    kind: Ints
    n_kinds: int
    parent: Floats
    covariates: Floats
    widths: Floats
    signed: NDArray[np.bool_]
    ln_threshold: float | None
    log_prior_odds: Floats
    of_factor: Floats
    factor_widths: Floats

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.is_control.size

    def towards(self, sign: int) -> Floats:
        """The covariates as they speak for learning of that sign, (n, n_covariates)."""
        return self.covariates * np.where(self.signed & (sign == DOWN), -1.0, 1.0)

    @cached_property
    def has_strangers(self) -> bool:
        """Whether any row may belong to another neuron."""
        return bool((self.parent < 1.0).any())

    @property
    def reference(self) -> NDArray[np.bool_]:
        """Neurons whose mean factor is 1: those of controls, of all where there are none."""
        return self.is_control if self.is_control.any() else np.ones_like(self.is_control)


@dataclass(frozen=True)
class Grid:
    """Likelihoods of the counts on the grid of growths, of wrong and of born rows, and classes of like totals.

    noise : list of float, variance of ln total around the mean of each class, by counting and by what is in a class
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
    ratio: Floats32 | None
    ratio_log_factor: Floats


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


def make_grid(data: Data, model: Model, stay: float, largest: float, coarser: int = 1) -> Grid:
    """Likelihoods under a model's turnover and sizes; `log_likelihood` is as good on a grid twice as coarse."""
    growth = GROWTH[::coarser]
    values, top = likelihood(data.counts, model.turnover, stay, model.form.depression, model.sizes, growth)
    ln_total = np.log(data.counts.total)
    classes = _classes(ln_total, model.form)
    wrong, born = (np.exp(np.minimum(ln - top, 60.0)) for ln in ln_irregular(data.counts, stay, model.born))
    variance = data.counts.total_variance(data.counts.total, stay) / data.counts.total**2
    noise = [float(variance[rows].mean() + ln_total[rows].var()) for rows, _ in classes]
    ratio, ratio_top = None, np.zeros(0)
    if model.offset_share > 0.0:
        ratio, ratio_top = likelihood(data.counts, model.turnover, stay, model.form.depression, None, growth)
    return Grid(values, top, wrong, born, factor_grid(largest, coarser), growth, classes, noise, ratio, ratio_top)


def grid_key(model: Model) -> tuple[object, ...]:
    """All that a grid depends on."""
    form = model.form
    size_laws = form.depends_on_size, form.has_size_law
    return model.turnover, model.sizes, model.born, model.offset_share > 0.0, form.depression, *size_laws


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
    rows = [np.zeros(data.neuron.size)]
    shares = [model.slab(sign).share for sign in model.signs]
    nothing = max(1.0 - sum(shares), 1e-6)
    for sign, share in zip(model.signs, shares, strict=True):
        log_odds = np.log(max(share, 1e-9) / nothing) + data.log_prior_odds[:, sign - 1]
        if data.covariates.shape[1]:
            log_odds = log_odds + data.towards(sign) @ np.asarray(model.covariate_weights)
        rows.append(np.where(data.is_control[data.neuron], -40.0, log_odds))
    ln = np.column_stack(rows)
    return np.exp(ln - logsumexp(ln, axis=1, keepdims=True))


def factor_prior(data: Data, model: Model, factor: Floats, of_another: bool = False) -> Floats:
    """Log prior of the factor, (n_neurons, n_factor); or `of_another` neuron of the same kind, of which nothing is known."""
    mean, sd = np.asarray(model.factor_mean)[data.kind], np.maximum(np.asarray(model.factor_sd)[data.kind], 0.02)
    expected = data.of_factor @ np.asarray(model.factor_weights)
    if of_another:
        sd = np.hypot(sd, expected.std())
    else:
        mean = mean + expected
    ln = -0.5 * ((factor - mean[:, None]) / sd[:, None]) ** 2
    normalised: Floats = ln - logsumexp(ln, axis=1, keepdims=True)
    return normalised


def kernels(model: Model, grid: Grid) -> list[Kernel]:
    """The kernel of each class of totals."""
    return [
        kernel(model, ln_total, grid.factor, noise)
        for (_, ln_total), noise in zip(grid.classes, grid.noise, strict=True)
    ]


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


def expect(data: Data, model: Model, grid: Grid, by_class: list[Kernel]) -> Posterior:
    """Posterior of the factors and of learning under a model."""
    given = _given(data, model, grid, [parts.weight for parts in by_class])
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
    ln_total = np.array([mean for _, mean in grid.classes])
    weights = densities(model, ln_total, grid.factor, np.array(grid.noise), grid.growth)[1]
    given = _given(data, model, grid, list(zip(*weights, strict=True)))
    ln = _ln_of_units(data, model, given.ln)
    if model.form.by_branch:
        ln = _ln_of_neurons(data, model, ln, grid.factor)
    return float(logsumexp(given.ln_factor + ln, axis=1).sum()) + given.log_factor


@dataclass(frozen=True)
class _Given:
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


def _by_factor(of_growth: Floats32, grid: Grid, weights: Sequence[Sequence[Floats]]) -> list[Floats32]:
    """Likelihoods by factor (n, n_factor) of each component, from those by growth."""
    each = [np.empty((len(of_growth), grid.factor.size), np.float32) for _ in weights[0]]
    for (rows, _), of_class in zip(grid.classes, weights, strict=True):
        own = of_growth[rows]
        for one, density in zip(each, of_class, strict=True):
            one[rows] = own @ density.astype(np.float32)
    return each


def _mixed(prior: Floats, each: list[Floats32]) -> Floats32:
    mixed: Floats32 = np.zeros_like(each[0])
    for j, one in enumerate(each):
        mixed += prior[:, j : j + 1].astype(np.float32) * one
    return mixed


def _given(data: Data, model: Model, grid: Grid, weights: Sequence[Sequence[Floats]]) -> _Given:
    prior = priors(data, model)
    each = _by_factor(grid.likelihood, grid, weights)
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
        alone = whole(_by_factor(grid.ratio, grid, weights), np.full(data.neuron.size, model.outliers))
        ln = counts[:, None] * ln + (1.0 - counts)[:, None] * np.log(alone)
        log_factor = counts * log_factor + (1.0 - counts) * grid.ratio_log_factor
    return _Given(each, total, ln, float(log_factor.sum()), elsewhere, prior, seen, good, ln_factor)


def _factors(
    data: Data, model: Model, ln_given: Floats, ln_prior: Floats, factor: Floats
) -> tuple[Floats, Floats, float, float]:
    """Posterior of the factors of branches (or neurons) and of neurons, mean square of the branches, log likelihood."""
    by_unit = _ln_of_units(data, model, ln_given)
    if not model.form.by_branch:
        ln = ln_prior + by_unit
        whole = logsumexp(ln, axis=1, keepdims=True)
        posterior = np.exp(ln - whole)
        return posterior, posterior, 0.0, float(whole.sum())
    seen, message, spread = _messages(model, by_unit, factor)
    ln = ln_prior + _ln_of_neurons(data, model, by_unit, factor)
    whole = logsumexp(ln, axis=1, keepdims=True)
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


def moments(grid: Grid, posterior: Posterior, by_class: list[Kernel]) -> tuple[Floats, Floats, Floats]:
    """Sums over synapses by component: of learning, of its square, and of the squared drift over its profile.

    Notes
    -----
    What a synapse's growth and factor say of its parts is the same for a class: the joint posterior of both is summed
    over the class first, by one matrix product per component.
    """
    sums = np.zeros((3, posterior.prior.shape[1]))
    for (rows, _), parts in zip(grid.classes, by_class, strict=True):
        for j, density in enumerate(parts.weight):
            weighted = posterior.weight[rows] * posterior.prior[rows, j : j + 1].astype(np.float32)
            joint = density * (grid.likelihood[rows].T @ weighted)
            sums[:, j] += [(joint * m[j]).sum() for m in (parts.learned, parts.learned2, parts.drift2)]
    return sums[0], sums[1], sums[2]


def maximise(
    data: Data, model: Model, grid: Grid, posterior: Posterior, by_class: list[Kernel], hold_drift: bool = False
) -> Model:
    """The hyper-parameters that the posterior asks for, with informative priors (40 pseudo-synapses of learning)."""
    learned, learned2, drift2 = moments(grid, posterior, by_class)
    count = posterior.member.sum(axis=0)
    if data.ln_threshold is not None:
        learned, learned2, drift2, count = _with_unseen(data, model, grid, learned, learned2, drift2, count)
    trained = float((~data.is_control[data.neuron]).sum()) * float(count.sum() / max(posterior.member.sum(), 1e-9))
    drift_sd = model.drift_sd
    if not hold_drift:
        found = np.sqrt((drift2.sum() + DRIFT_WEIGHT * DRIFT_SD**2) / (count.sum() + DRIFT_WEIGHT))
        drift_sd = float(drift_sd * (found / drift_sd) ** HASTE)
    shares, weights = None, np.zeros(data.covariates.shape[1])
    if model.signs and (weights.size or data.log_prior_odds.any()):
        shares, weights = _log_odds_step(data, model, posterior)
    slabs = {UP: Slab(), DOWN: Slab()}
    by_count = sorted(model.signs, key=lambda sign: -count[1 + model.signs.index(sign)])
    expected = Slab(0.0, EFFECT_MEAN, EFFECT_SD)
    for sign in by_count:
        j = 1 + model.signs.index(sign)
        direction, weight = (1.0 if sign == UP else -1.0), count[j] + EFFECT_WEIGHT
        mean = max((direction * learned[j] + EFFECT_WEIGHT * expected.mean) / weight, 0.2, 1.2 * drift_sd)
        square = learned2[j] - 2.0 * mean * direction * learned[j] + mean**2 * count[j]
        sd = np.sqrt((max(square, 0.0) + EFFECT_WEIGHT * expected.sd**2) / weight)
        share = (count[j] + 0.5) / (trained + 20.0) if shares is None else shares[j - 1]
        if sign == DOWN and UP in model.signs and model.form.depression == "label_blind_removal":
            # shows in the totals alone: the likelihood is all but flat, and would keep whatever it started with
            borrowed = DOWN_PER_UP * count[model.signs.index(UP) + 1] / max(trained, 1.0)
            share = (1.0 - BORROWED_SHARE) * share + BORROWED_SHARE * borrowed
        slabs[sign] = Slab(float(np.clip(share, 1e-6, 0.95)), float(mean), float(sd))
        expected = slabs[sign]  # the rarer sign borrows from the other
    ln_total = np.log(data.counts.total)
    mean, sd = list(model.factor_mean), list(model.factor_sd)
    factor_weights = _factor_weights(data, model, grid, posterior)
    by_known = data.of_factor @ factor_weights
    for kind in range(len(mean)):
        of_kind, known = posterior.of_neuron[data.kind == kind], by_known[data.kind == kind]
        if len(of_kind):
            rest = of_kind @ grid.factor - known
            mean[kind] = float(rest.mean())
            square = float((of_kind @ grid.factor**2 - (of_kind @ grid.factor) ** 2 + (rest - mean[kind]) ** 2).sum())
            sd[kind] = float(np.sqrt((square + 0.02) / (len(of_kind) + 1.0)))
    outliers = (posterior.outlier.sum() + 1.0) / (data.neuron.size + 500.0)
    return replace(
        model,
        factor_mean=tuple(mean),
        factor_sd=tuple(sd),
        branch_sd=float(np.sqrt(max(posterior.branch_var, 1e-4))) if model.form.by_branch else model.branch_sd,
        drift_sd=drift_sd,
        slabs=(slabs[UP], slabs[DOWN]),
        covariate_weights=tuple(float(w) for w in weights),
        factor_weights=tuple(float(w) for w in factor_weights),
        size_weight=_size_weight(model, grid, posterior, by_class),
        born=model.born.fitted(ln_total, posterior.born, Born.first(ln_total)),
        outliers=float(np.clip(outliers, LEAST_OUTLIERS, MOST_OUTLIERS)),
    )


def _factor_weights(data: Data, model: Model, grid: Grid, posterior: Posterior) -> Floats:
    """Ln factor per unit of what tells of it: regression of the factors within kinds of neurons, each as sure as it is."""
    sd = np.maximum(np.asarray(model.factor_sd)[data.kind], 0.02)
    x, y = data.of_factor / sd[:, None], posterior.of_neuron @ grid.factor / sd
    one = (data.kind[:, None] == np.arange(data.n_kinds)) / sd[:, None]
    design = np.hstack([x, one])
    precision = np.append(data.factor_widths**-2.0, np.full(data.n_kinds, 1e-6))
    found: Floats = np.linalg.solve(design.T @ design + np.diag(precision), design.T @ y)
    return found[: x.shape[1]]


def _size_weight(model: Model, grid: Grid, posterior: Posterior, by_class: list[Kernel]) -> float:
    """How much the odds of learning depend on the size at the pulse, by the mean size of what learned."""
    if not model.form.learns_by_size or not model.signs:
        return model.size_weight
    count = total = 0.0
    for (rows, ln_total), noise, parts in zip(grid.classes, grid.noise, by_class, strict=True):
        size = standard_size(model.sizes, ln_total - GROWTH)
        size = true_size(model.sizes, model.size_weight, size, noise)
        for j in range(1, len(parts.weight)):
            weighted = posterior.weight[rows] * posterior.prior[rows, j : j + 1].astype(np.float32)
            by_growth = (parts.weight[j] * (grid.likelihood[rows].T @ weighted)).sum(axis=1)
            count += float(by_growth.sum())
            total += float(by_growth @ size)
    return fitted_weight(model.sizes, model.size_weight, count, total / max(count, 1e-9))


def _with_unseen(
    data: Data, model: Model, grid: Grid, learned: Floats, learned2: Floats, drift2: Floats, count: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """The sums over synapses with those that are missing below the threshold, as far as the model expects them."""
    assert data.ln_threshold is not None
    growth, growth_var = _growth(data, model)
    near = np.exp(-0.5 * (grid.factor - growth) ** 2 / max(model.factor_sd) ** 2)
    chance = chances(data, model, grid.factor) @ (near / near.sum())
    missing = count * (1.0 - chance) / chance
    drift = unseen_drift(data.ln_threshold, model.sizes, growth, growth_var, model.drift_sd**2)
    scale = (count + missing) / np.maximum(count, 1e-9)
    return learned * scale, learned2 * scale, drift2 + missing * drift, count + missing


def _growth(data: Data, model: Model) -> tuple[float, float]:
    """Mean and variance of the growth of a synapse, learning aside."""
    of = np.bincount(data.kind, minlength=data.n_kinds) / data.kind.size
    return float(of @ model.factor_mean), float(of @ np.square(model.factor_sd)) + model.drift_sd**2


def _log_odds_step(data: Data, model: Model, posterior: Posterior) -> tuple[Floats, Floats]:
    """Shares at the middle of what else is known, one per sign, and the covariates' weights, by Newton steps on log odds.

    Notes
    -----
    Shares and weights are correlated: one step for each on its own creeps, and stops with too many learned.
    """
    trained = ~data.is_control[data.neuron]
    n_signs, m = len(model.signs), data.covariates.shape[1]
    # 20 pseudo-synapses of which nothing is known, half a one of each sign learned
    x = np.stack([np.vstack([data.towards(sign)[trained], np.zeros((1, m))]) for sign in model.signs])
    known = np.vstack([data.log_prior_odds[trained][:, np.array(model.signs) - 1], np.zeros(n_signs)])
    member = np.vstack([posterior.member[trained], np.append(20.0 - 0.5 * n_signs, np.full(n_signs, 0.5))])
    whole = member.sum(axis=1)
    share = np.clip([model.slab(sign).share for sign in model.signs], 1e-6, 0.95)
    theta = np.append(np.log(share / max(1.0 - share.sum(), 1e-6)), model.covariate_weights)
    precision = 1.0 / np.square(data.widths)
    for _ in range(NEWTON_STEPS):
        ln = np.column_stack([np.zeros(len(known)), theta[:n_signs] + known + (x @ theta[n_signs:]).T])
        prior = np.exp(ln - logsumexp(ln, axis=1, keepdims=True))[:, 1:]
        expected = whole[:, None] * prior
        missing = member[:, 1:] - expected
        mean = np.einsum("ns,snm->nm", prior, x)
        slope = np.append(missing.sum(axis=0), np.einsum("ns,snm->m", missing, x) - precision * theta[n_signs:])
        curve = np.empty((n_signs + m, n_signs + m))
        curve[:n_signs, :n_signs] = np.diag(expected.sum(axis=0)) - prior.T @ expected
        curve[:n_signs, n_signs:] = np.einsum("ns,snm->sm", expected, x - mean)
        curve[n_signs:, :n_signs] = curve[:n_signs, n_signs:].T
        within = np.einsum("ns,snm,snk->mk", expected, x, x) - (mean * whole[:, None]).T @ mean
        curve[n_signs:, n_signs:] = within + np.diag(precision)
        theta = theta + np.clip(np.linalg.solve(curve, slope), -1.0, 1.0)
    odds = np.exp(theta[:n_signs])
    return odds / (1.0 + odds.sum()), np.clip(theta[n_signs:], -5.0, 5.0)


def growth_moments(
    grid: Grid, posterior: Posterior, by_class: list[Kernel], if_null: bool = False
) -> tuple[Floats, Floats]:
    """Posterior mean and variance of each synapse's growth; those that it would have without learning `if_null`."""
    first, second = np.zeros(len(posterior.weight)), np.zeros(len(posterior.weight))
    for (rows, _), parts in zip(grid.classes, by_class, strict=True):
        density = grid.likelihood[rows] * sum(
            posterior.prior[rows, j : j + 1].astype(np.float32) * (posterior.weight[rows] @ weight.T.astype(np.float32))
            for j, weight in enumerate(parts.weight[:1] if if_null else parts.weight)
        )
        whole = np.maximum(density.sum(axis=1), 1e-300)
        first[rows], second[rows] = density @ GROWTH / whole, density @ GROWTH**2 / whole
    return first, np.maximum(second - first**2, 0.0)


def first_guess(data: Data, form: Form) -> Model:
    """Turnover and sizes from the pooled counts."""
    counts = data.counts
    turnover = float(np.log1p(counts.new.sum() / max(counts.old.sum(), 0.5)))
    ln_total = np.log(counts.total)
    return Model(
        form,
        turnover,
        Sizes.normal(float(ln_total.mean()), max(float(ln_total.std()), 0.1)),
        Born.first(ln_total),
        factor_sd=(0.2,) * data.n_kinds,
        factor_mean=(0.0,) * data.n_kinds,
        covariate_weights=(0.0,) * data.covariates.shape[1],
        factor_weights=(0.0,) * data.of_factor.shape[1],
    )


def fit(
    data: Data,
    start: Model,
    stay: float,
    largest: float,
    n_rounds: int = N_ROUNDS,
    hold_drift: bool = False,
    to_beat: float = -np.inf,
) -> tuple[Model, float]:
    """The model that explains the table best, from a first guess, and its log likelihood.

    One that is hopelessly behind the likelihood `to_beat` is given up.

    Notes
    -----
    The zero of the factor is a convention: turnover moves until the factors' mean (that of the controls, where there
    are any) is 0.
    """
    model, last = start, -np.inf
    for round_ in range(n_rounds):
        grid = make_grid(data, model, stay, largest)
        for step in range(N_STEPS):
            by_class = kernels(model, grid)
            posterior = expect(data, model, grid, by_class)
            done = abs(posterior.log_likelihood - last) < 0.1
            last = posterior.log_likelihood
            if done:
                break
            if step >= HOPELESS_STEPS and last < to_beat - HOPELESS:
                return model, last
            model = maximise(data, model, grid, posterior, by_class, hold_drift)
        if round_ < n_rounds - 1:
            model = recentre(data, model, grid, posterior, by_class, stay, largest)
    return model, last


def recentre(
    data: Data, model: Model, grid: Grid, posterior: Posterior, by_class: list[Kernel], stay: float, largest: float
) -> Model:
    """The model with its turnover, and the sizes before the window, estimated again.

    With reduced insertion the turnover and the zero of the factor cannot be told apart, and the factors' mean (that of
    the controls) is moved into it. Removal has a kink where synapses neither grow nor shrink: there the likelihood says.
    """
    # where the odds of learning depend on size, the sizes are those of what did not learn
    by_size = model.form.learns_by_size
    growth, spread = growth_moments(grid, posterior, by_class, if_null=by_size)
    regular = posterior.member[:, 0] if by_size else posterior.member.sum(axis=1)
    ln_start, noise = np.log(data.counts.total) - growth, 1.0 / data.counts.total
    if data.ln_threshold is not None:
        start, missing = unseen_sizes(data.ln_threshold, model.sizes, *_growth(data, model))
        ln_start, regular = np.append(ln_start, start), np.append(regular, missing * regular.sum())
        spread, noise = np.append(spread, np.zeros(start.size)), np.append(noise, np.zeros(start.size))
    if model.form.depression == "label_blind_removal":
        sizes = model.sizes.fitted(ln_start, spread, noise, regular)
        return _best_turnover(data, replace(model, sizes=sizes), stay, largest)
    zero = float(np.asarray(model.factor_mean)[data.kind[data.reference]].mean())
    sizes = model.sizes.fitted(ln_start + zero, spread, noise, regular)
    turnover = float(np.clip(model.turnover + zero, 0.02, 8.0))
    return replace(model, turnover=turnover, factor_mean=_shifted(model, -zero), sizes=sizes)


def _shifted(model: Model, by: float) -> tuple[float, ...]:
    """The means of the factors, moved."""
    return tuple(mean + by for mean in model.factor_mean)


def _best_turnover(data: Data, model: Model, stay: float, largest: float) -> Model:
    """One step along the likelihood's parabola in the turnover, the factors moving against it and the sizes with it."""

    def at(shift: float) -> tuple[Model, float]:
        turnover = max(model.turnover + shift, 0.02)
        sizes = model.sizes.moved(shift)
        moved = replace(model, turnover=turnover, factor_mean=_shifted(model, -shift), sizes=sizes)
        grid = make_grid(data, moved, stay, largest)
        return moved, expect(data, moved, grid, kernels(moved, grid)).log_likelihood

    step = TURNOVER_STEP
    below, here, above = (at(shift)[1] for shift in (-step, 0.0, step))
    curve = below - 2.0 * here + above
    shift = 0.5 * step * (below - above) / curve if curve < 0 else step * np.sign(above - below)
    return at(float(np.clip(shift, -3.0 * step, 3.0 * step)))[0]
