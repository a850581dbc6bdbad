"""Expectation maximisation: hyper-parameters pooled over all neurons, with every neuron's factor summed over a grid."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from synimg.analysis.mixture.counts import GROWTH, Counts, Floats, Floats32, Ints, Sizes, likelihood
from synimg.analysis.mixture.model import DOWN, UP, Form, Kernel, Model, Slab, factor_grid, kernel

N_CLASSES = 20
EFFECT_WEIGHT, EFFECT_MEAN, EFFECT_SD = 40.0, 0.5, 0.22
DRIFT_WEIGHT, DRIFT_SD = 20.0, 0.2
LEAST_OUTLIERS, MOST_OUTLIERS = 0.002, 0.1
N_ROUNDS, N_STEPS, NEWTON_STEPS = 4, 10, 3
TURNOVER_STEP = 0.03
HASTE = 1.6  # drift and learning trade off along a ridge, where plain steps creep


@dataclass(frozen=True)
class Data:
    """The synapses in the order of neurons and, within those, of branches.

    counts : Counts
    neuron : (n,) ndarray of int, row of the neuron, from 0, ascending
    branch : (n,) ndarray of int, row of the branch, from 0, ascending
    neuron_of_branch : (n_branches,) ndarray of int
    is_control : (n_neurons,) ndarray of bool, neurons of animals without learning
    parent : (n,) ndarray, probability that the neuron is the right one
    covariate : (n,) ndarray of mean 0 and sd 1, or None
    log_prior_odds : (n, 2) ndarray, what else is known of learning up and down, added to its log odds
    """

    counts: Counts
    neuron: Ints
    branch: Ints
    neuron_of_branch: Ints
    is_control: NDArray[np.bool_]
    parent: Floats
    covariate: Floats | None
    log_prior_odds: Floats

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.is_control.size


@dataclass(frozen=True)
class Grid:
    """Likelihoods of the counts on the grid of growths, and classes of like totals."""

    likelihood: Floats32
    log_factor: Floats
    factor: Floats
    classes: list[tuple[Ints, float]]


@dataclass(frozen=True)
class Posterior:
    """What an expectation step knows.

    factor : (n_branches or n_neurons, n_factor) ndarray, posterior of the factor where synapses take theirs from
    of_neuron : (n_neurons, n_factor) ndarray, posterior of the neuron's factor
    weight : (n, n_factor) ndarray, by which a synapse's likelihoods are summed over factors
    prior : (n, n_components) ndarray, probability of no learning, of each sign
    member : (n, n_components) ndarray, its posterior
    outlier : (n,) ndarray
    branch_var : float, mean square of the branches' deviation from their neuron
    log_likelihood : float
    """

    factor: Floats
    of_neuron: Floats
    weight: Floats
    prior: Floats
    member: Floats
    outlier: Floats
    branch_var: float
    log_likelihood: float


def make_grid(data: Data, model: Model, stay: float, largest: float) -> Grid:
    """Likelihoods under a model's turnover and sizes."""
    values, top = likelihood(data.counts, model.turnover, stay, model.form.depression, model.sizes)
    ln_total = np.log(data.counts.total)
    n = N_CLASSES if model.form.drift_exponent or model.form.has_size_law else 1
    order = np.argsort(ln_total, kind="stable")
    classes = [(rows, float(ln_total[rows].mean())) for rows in np.array_split(order, n) if rows.size]
    return Grid(values, top, factor_grid(largest), classes)


def priors(data: Data, model: Model) -> Floats:
    """Probability of no learning and of each sign, (n, n_components), before the counts are seen."""
    rows = [np.zeros(data.neuron.size)]
    shares = [model.slab(sign).share for sign in model.signs]
    nothing = max(1.0 - sum(shares), 1e-6)
    for sign, share in zip(model.signs, shares, strict=True):
        log_odds = np.log(max(share, 1e-9) / nothing) + data.log_prior_odds[:, sign - 1]
        if data.covariate is not None:
            log_odds = log_odds + model.covariate_weight * data.covariate
        rows.append(np.where(data.is_control[data.neuron], -40.0, log_odds))
    ln = np.column_stack(rows)
    return np.exp(ln - logsumexp(ln, axis=1, keepdims=True))


def factor_prior(model: Model, is_control: NDArray[np.bool_], factor: Floats) -> Floats:
    """Log prior of the factor, (n_neurons, n_factor)."""
    kind = is_control.astype(np.int64)
    mean, sd = np.asarray(model.factor_mean)[kind], np.maximum(np.asarray(model.factor_sd)[kind], 0.02)
    ln = -0.5 * ((factor - mean[:, None]) / sd[:, None]) ** 2
    normalised: Floats = ln - logsumexp(ln, axis=1, keepdims=True)
    return normalised


def kernels(model: Model, grid: Grid) -> list[Kernel]:
    """The kernel of each class of totals."""
    return [kernel(model, ln_total, grid.factor) for _, ln_total in grid.classes]


def expect(data: Data, model: Model, grid: Grid, by_class: list[Kernel]) -> Posterior:
    """Posterior of the factors and of learning under a model."""
    n, n_factor = data.neuron.size, grid.factor.size
    prior = priors(data, model)
    each = np.empty((prior.shape[1], n, n_factor), np.float32)
    for (rows, _), parts in zip(grid.classes, by_class, strict=True):
        for j, density in enumerate(parts.weight):
            each[j, rows] = grid.likelihood[rows] @ density.astype(np.float32)
    given = sum(prior[:, j : j + 1].astype(np.float32) * each[j] for j in range(len(each)))
    ln_prior = factor_prior(model, data.is_control, grid.factor)
    prior_factor = np.exp(ln_prior).astype(np.float32)[data.neuron]
    flat = grid.likelihood.mean(axis=1)
    elsewhere = (prior_factor * given).sum(axis=1)
    parent = data.parent.astype(np.float32)
    good = np.float32(1.0 - model.outliers)
    total = good * (parent[:, None] * given + ((1.0 - parent) * elsewhere)[:, None])
    total += np.maximum(np.float32(model.outliers) * flat, 1e-30)[:, None]
    unit, of_neuron, branch_var, log_likelihood = _factors(data, model, np.log(total), ln_prior, grid.factor)
    ratio = unit.astype(np.float32)[data.branch if model.form.by_branch else data.neuron] / total
    shared = ratio.sum(axis=1)
    weight = good * (parent[:, None] * ratio + ((1.0 - parent) * shared)[:, None] * prior_factor)
    member = np.column_stack([np.einsum("nc,nc->n", each[j], weight) * prior[:, j] for j in range(len(each))])
    return Posterior(
        factor=unit,
        of_neuron=of_neuron,
        weight=weight,
        prior=prior,
        member=member,
        outlier=model.outliers * flat * shared,
        branch_var=branch_var,
        log_likelihood=log_likelihood + float(grid.log_factor.sum()),
    )


def _factors(
    data: Data, model: Model, ln_given: Floats, ln_prior: Floats, factor: Floats
) -> tuple[Floats, Floats, float, float]:
    """Posterior of the factors of branches (or neurons) and of neurons, mean square of the branches, log likelihood."""
    if not model.form.by_branch:
        ln = ln_prior + _sum_by(data.neuron, ln_given)
        whole = logsumexp(ln, axis=1, keepdims=True)
        posterior = np.exp(ln - whole)
        return posterior, posterior, 0.0, float(whole.sum())
    by_branch = _sum_by(data.branch, ln_given)
    top = by_branch.max(axis=1, keepdims=True)
    seen = np.exp(by_branch - top)
    apart = factor[None, :] - factor[:, None]
    spread = np.exp(-0.5 * (apart / max(model.branch_sd, 0.02)) ** 2)
    spread /= spread.sum(axis=1, keepdims=True)
    message = seen @ spread.T
    ln = ln_prior + _sum_by(data.neuron_of_branch, np.log(np.maximum(message, 1e-300)) + top)
    whole = logsumexp(ln, axis=1, keepdims=True)
    of_neuron = np.exp(ln - whole)
    back = of_neuron[data.neuron_of_branch] / np.maximum(message, 1e-300)
    unit = seen * (back @ spread)
    square = seen * (back @ (spread * apart**2))
    return unit / unit.sum(axis=1, keepdims=True), of_neuron, float(square.sum() / len(unit)), float(whole.sum())


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
    trained = float((~data.is_control[data.neuron]).sum())
    drift_sd = model.drift_sd
    if not hold_drift:
        found = np.sqrt((drift2.sum() + DRIFT_WEIGHT * DRIFT_SD**2) / (count.sum() + DRIFT_WEIGHT))
        drift_sd = float(drift_sd * (found / drift_sd) ** HASTE)
    shares, covariate_weight = None, 0.0
    if model.signs and (data.covariate is not None or data.log_prior_odds.any()):
        shares, covariate_weight = _log_odds_step(data, model, posterior)
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
        slabs[sign] = Slab(float(np.clip(share, 1e-6, 0.95)), float(mean), float(sd))
        expected = slabs[sign]  # the rarer sign borrows from the other
    mean, sd = list(model.factor_mean), list(model.factor_sd)
    for kind in (0, 1):
        of_kind = posterior.of_neuron[data.is_control == bool(kind)]
        if len(of_kind):
            mean[kind] = float((of_kind @ grid.factor).mean())
            square = float((of_kind @ (grid.factor - mean[kind]) ** 2).sum())
            sd[kind] = float(np.sqrt((square + 0.02) / (len(of_kind) + 1.0)))
    outliers = (posterior.outlier.sum() + 1.0) / (data.neuron.size + 500.0)
    return replace(
        model,
        factor_mean=(mean[0], mean[1]),
        factor_sd=(sd[0], sd[1]),
        branch_sd=float(np.sqrt(max(posterior.branch_var, 1e-4))) if model.form.by_branch else model.branch_sd,
        drift_sd=drift_sd,
        slabs=(slabs[UP], slabs[DOWN]),
        covariate_weight=covariate_weight,
        outliers=float(np.clip(outliers, LEAST_OUTLIERS, MOST_OUTLIERS)),
    )


def _log_odds_step(data: Data, model: Model, posterior: Posterior) -> tuple[Floats, float]:
    """Shares at the middle of what else is known, one per sign, and the covariate's weight, by Newton steps on the log odds.

    Notes
    -----
    Shares and weight are correlated: one step for each on its own creeps, and stops with too many learned.
    """
    trained = ~data.is_control[data.neuron]
    n_signs = len(model.signs)
    x = np.zeros(data.neuron.size) if data.covariate is None else data.covariate
    # 20 pseudo-synapses of which nothing is known, half a one of each sign learned
    x = np.append(x[trained], 0.0)
    known = np.vstack([data.log_prior_odds[trained][:, np.array(model.signs) - 1], np.zeros(n_signs)])
    member = np.vstack([posterior.member[trained], np.append(20.0 - 0.5 * n_signs, np.full(n_signs, 0.5))])
    whole = member.sum(axis=1)
    share = np.clip([model.slab(sign).share for sign in model.signs], 1e-6, 0.95)
    theta = np.append(np.log(share / max(1.0 - share.sum(), 1e-6)), model.covariate_weight)
    for _ in range(NEWTON_STEPS):
        ln = np.column_stack([np.zeros(x.size), theta[:-1] + known + theta[-1] * x[:, None]])
        prior = np.exp(ln - logsumexp(ln, axis=1, keepdims=True))
        expected = whole[:, None] * prior[:, 1:]
        missing = member[:, 1:] - expected
        nothing = prior[:, 0]
        slope = np.append(missing.sum(axis=0), x @ missing.sum(axis=1) - theta[-1])
        curve = np.empty((n_signs + 1, n_signs + 1))
        curve[:-1, :-1] = np.diag(expected.sum(axis=0)) - prior[:, 1:].T @ expected
        curve[:-1, -1] = curve[-1, :-1] = (x * nothing) @ expected
        curve[-1, -1] = (x**2 * nothing) @ expected.sum(axis=1) + 1.0
        theta = theta + np.clip(np.linalg.solve(curve, slope), -1.0, 1.0)
    odds = np.exp(theta[:-1])
    return odds / (1.0 + odds.sum()), float(np.clip(theta[-1], -5.0, 5.0))


def growth_moments(grid: Grid, posterior: Posterior, by_class: list[Kernel]) -> tuple[Floats, Floats]:
    """Posterior mean and variance of each synapse's growth."""
    first, second = np.zeros(len(posterior.weight)), np.zeros(len(posterior.weight))
    for (rows, _), parts in zip(grid.classes, by_class, strict=True):
        density = grid.likelihood[rows] * sum(
            posterior.prior[rows, j : j + 1].astype(np.float32) * (posterior.weight[rows] @ weight.T.astype(np.float32))
            for j, weight in enumerate(parts.weight)
        )
        whole = np.maximum(density.sum(axis=1), 1e-300)
        first[rows], second[rows] = density @ GROWTH / whole, density @ GROWTH**2 / whole
    return first, np.maximum(second - first**2, 0.0)


def first_guess(data: Data, form: Form) -> Model:
    """Turnover and sizes from the pooled counts."""
    counts = data.counts
    turnover = float(np.log1p(counts.new.sum() / max(counts.old.sum(), 0.5)))
    ln_total = np.log(counts.total)
    return Model(form, turnover, Sizes.normal(float(ln_total.mean()), max(float(ln_total.std()), 0.1)))


def fit(
    data: Data, start: Model, stay: float, largest: float, n_rounds: int = N_ROUNDS, hold_drift: bool = False
) -> tuple[Model, float]:
    """The model that explains the table best, from a first guess, and its log likelihood.

    Notes
    -----
    The zero of the factor is a convention: turnover moves until the factors' mean (that of the controls, where there
    are any) is 0.
    """
    model, last = start, -np.inf
    for round_ in range(n_rounds):
        grid = make_grid(data, model, stay, largest)
        for _ in range(N_STEPS):
            by_class = kernels(model, grid)
            posterior = expect(data, model, grid, by_class)
            done = abs(posterior.log_likelihood - last) < 0.1
            last = posterior.log_likelihood
            if done:
                break
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
    growth, spread = growth_moments(grid, posterior, by_class)
    ln_start = np.log(data.counts.total) - growth
    if model.form.depression == "label_blind_removal":
        sizes = model.sizes.fitted(ln_start, spread, 1.0 / data.counts.total)
        return _best_turnover(data, replace(model, sizes=sizes), stay, largest)
    zero = model.factor_mean[1 if data.is_control.any() else 0]
    sizes = model.sizes.fitted(ln_start + zero, spread, 1.0 / data.counts.total)
    turnover = float(np.clip(model.turnover + zero, 0.02, 8.0))
    mean = (model.factor_mean[0] - zero, model.factor_mean[1] - zero)
    return replace(model, turnover=turnover, factor_mean=mean, sizes=sizes)


def _best_turnover(data: Data, model: Model, stay: float, largest: float) -> Model:
    """One step along the likelihood's parabola in the turnover, the factors moving against it."""

    def at(shift: float) -> tuple[Model, float]:
        mean = (model.factor_mean[0] - shift, model.factor_mean[1] - shift)
        moved = replace(model, turnover=max(model.turnover + shift, 0.02), factor_mean=mean)
        grid = make_grid(data, moved, stay, largest)
        return moved, expect(data, moved, grid, kernels(moved, grid)).log_likelihood

    step = TURNOVER_STEP
    below, here, above = (at(shift)[1] for shift in (-step, 0.0, step))
    curve = below - 2.0 * here + above
    shift = 0.5 * step * (below - above) / curve if curve < 0 else step * np.sign(above - below)
    return at(float(np.clip(shift, -3.0 * step, 3.0 * step)))[0]
