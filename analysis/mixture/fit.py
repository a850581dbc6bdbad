"""Expectation maximisation: hyper-parameters pooled over all neurons, with every neuron's factor summed over a grid."""

from dataclasses import replace

import numpy as np

from synimg.analysis.mixture.counts import Floats, Sizes
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.effect import as_if_seen, lent
from synimg.analysis.mixture.expect import (
    COARSER,
    Grid,
    Posterior,
    chances,
    densities_on,
    expect,
    log_likelihood_of,
    make_grid,
    probabilities,
)
from synimg.analysis.mixture.irregular import Born
from synimg.analysis.mixture.model import DOWN, UP, Densities, Form, Model, Slab
from synimg.analysis.mixture.preference import fitted_weight, true_size
from synimg.analysis.mixture.threshold import unseen_drift, unseen_sizes

DRIFT_WEIGHT, DRIFT_SD = 20.0, 0.2
"""Prior of drift: all synapses fluctuate, as if that many had been seen to; by how much more is not known."""
BORROWED_SHARE, DOWN_PER_UP = 0.2, 0.6
LEAST_OUTLIERS, MOST_OUTLIERS = 0.002, 0.005  # on images more would take what was learned for wrong counts
N_ROUNDS, N_STEPS, NEWTON_STEPS = 4, 10, 3
SURE_EVENTS = 1e5  # of sizes that are not seen but known
TURNOVER_STEP = 0.03
HOPELESS_STEPS, HOPELESS = 4, 60.0
HASTE = 1.6  # drift and learning trade off along a ridge, where plain steps creep


def moments(grid: Grid, posterior: Posterior, density: Densities) -> tuple[Floats, Floats, Floats]:
    """Sums over synapses by component: of learning, of its square, and of the squared drift over its profile.

    Notes
    -----
    What a synapse's growth and factor say of its parts is the same for a class: the joint posterior of both is summed
    over the class first.
    """
    sums = np.zeros((3, posterior.prior.shape[1]))
    moved = density.moved
    for j, parts in enumerate(density.parts):
        joint = np.empty((3, *moved.shape), np.float32)  # of growth and factor, times powers of what else moved
        for c, ((rows, _), likelihood) in enumerate(zip(grid.classes, grid.of_class, strict=True)):
            prior = posterior.prior[rows, j : j + 1].astype(np.float32)
            np.matmul(likelihood.T, posterior.weight[rows] * prior, out=joint[0, c])
        np.multiply(joint[0], moved, out=joint[1])
        np.multiply(joint[1], moved, out=joint[2])
        n, first, second = np.einsum("pcgf,kcgf->kpcg", parts.weight, joint).astype(float)
        mean, keep, spread = parts.mean[:, None, None], parts.keep, parts.spread
        second += mean * (mean * n - 2.0 * first)  # about the mean of each part
        first -= mean * n
        learned = mean * n + keep * first
        learned2 = mean * (learned + keep * first) + keep**2 * second + spread * n
        drift2 = ((1.0 - keep) ** 2 * second + spread * n) / density.profile
        sums[:, j] = learned.sum(), learned2.sum(), drift2.sum()
    return sums[0], sums[1], sums[2]


def maximise(
    data: Data, model: Model, grid: Grid, posterior: Posterior, density: Densities, hold_drift: bool = False
) -> Model:
    """The hyper-parameters that the posterior asks for, with informative priors (`effect`)."""
    learned, learned2, drift2 = moments(grid, posterior, density)
    count = posterior.member.sum(axis=0)
    if data.ln_threshold is not None:
        learned, learned2, drift2, count = _with_unseen(data, model, grid, learned, learned2, drift2, count)
    trained = float((~data.is_control[data.neuron]).sum()) * float(count.sum() / max(posterior.member.sum(), 1e-9))
    drift_sd = model.drift_sd
    if not hold_drift:
        weight = DRIFT_WEIGHT if drift2.sum() < DRIFT_SD**2 * count.sum() else 0.0  # a prior against small drift alone
        found = np.sqrt((drift2.sum() + weight * DRIFT_SD**2) / (count.sum() + weight))
        drift_sd = float(drift_sd * (found / drift_sd) ** HASTE)
    shares, weights = None, np.zeros(data.covariates.shape[1])
    if model.signs and (weights.size or data.log_prior_odds.any()):
        shares, weights = _log_odds_step(data, model, posterior)
    slabs = {UP: Slab(), DOWN: Slab()}
    by_count = sorted(model.signs, key=lambda sign: -count[1 + model.signs.index(sign)])
    expected = None
    for sign in by_count:
        expected = expected or as_if_seen(model.slab(sign).mean, model.slab(sign).sd)
        j = 1 + model.signs.index(sign)
        direction, weight = (1.0 if sign == UP else -1.0), count[j] + expected.weight
        mean = max((direction * learned[j] + expected.weight * expected.mean) / weight, 0.2, 1.2 * drift_sd)
        square = learned2[j] - 2.0 * mean * direction * learned[j] + mean**2 * count[j]
        sd = np.sqrt((max(square, 0.0) + expected.weight * expected.sd**2) / weight)
        share = (count[j] + 0.5) / (trained + 20.0) if shares is None else shares[j - 1]
        if sign == DOWN and UP in model.signs and model.form.depression == "label_blind_removal":
            # shows in the totals alone: the likelihood is all but flat, and would keep whatever it started with
            borrowed = DOWN_PER_UP * count[model.signs.index(UP) + 1] / max(trained, 1.0)
            share = (1.0 - BORROWED_SHARE) * share + BORROWED_SHARE * borrowed
        slabs[sign] = Slab(float(np.clip(share, 1e-6, 0.95)), float(mean), float(sd))
        expected = lent(float(mean), float(sd))
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
        size_weight=_size_weight(model, grid, posterior, density),
        born=model.born.fitted(ln_total, posterior.born, Born.first(ln_total)),
        outliers=0.0 if data.is_exact else float(np.clip(outliers, LEAST_OUTLIERS, MOST_OUTLIERS)),
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


def _size_weight(model: Model, grid: Grid, posterior: Posterior, density: Densities) -> float:
    """How much the odds of learning depend on the size at the pulse, by the mean size of what learned."""
    if not model.form.learns_by_size or not model.signs:
        return model.size_weight
    count = total = 0.0
    ln_total = np.array([mean for _, mean in grid.classes])
    sizes = true_size(model.sizes, model.size_weight, ln_total, grid.growth, np.array(grid.noise))
    for (rows, _), size, likelihood, of_class in zip(grid.classes, sizes, grid.of_class, density.weight, strict=True):
        for j in range(1, posterior.prior.shape[1]):
            weighted = posterior.weight[rows] * posterior.prior[rows, j : j + 1].astype(np.float32)
            by_growth = (of_class[:, j] * (likelihood.T @ weighted)).sum(axis=1)
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
        prior = probabilities(theta[:n_signs] + known + (x @ theta[n_signs:]).T)[:, 1:]
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
    grid: Grid, posterior: Posterior, density: Densities, if_null: bool = False
) -> tuple[Floats, Floats]:
    """Posterior mean and variance of each synapse's growth; those that it would have without learning `if_null`."""
    first, second = np.zeros(len(posterior.weight)), np.zeros(len(posterior.weight))
    components = range(1 if if_null else posterior.prior.shape[1])
    for (rows, _), likelihood, of_class in zip(grid.classes, grid.of_class, density.weight, strict=True):
        found = likelihood * sum(
            posterior.prior[rows, j : j + 1].astype(np.float32) * (posterior.weight[rows] @ of_class[:, j].T)
            for j in components
        )
        whole = np.maximum(found.sum(axis=1), np.finfo(np.float32).tiny)
        first[rows], second[rows] = found @ grid.growth / whole, found @ grid.growth**2 / whole
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
        outliers=0.0 if data.is_exact else LEAST_OUTLIERS,
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
        grid = make_grid(data, model, stay, largest, COARSER)
        for step in range(N_STEPS):
            density = densities_on(grid, model)
            posterior = expect(data, model, grid, density)
            done = abs(posterior.log_likelihood - last) < 0.1
            last = posterior.log_likelihood
            if done:
                break
            if step >= HOPELESS_STEPS and last < to_beat - HOPELESS:
                return model, last
            model = maximise(data, model, grid, posterior, density, hold_drift)
        if round_ < n_rounds - 1:
            model = recentre(data, model, grid, posterior, density, stay, largest)
    return model, last


def recentre(
    data: Data, model: Model, grid: Grid, posterior: Posterior, density: Densities, stay: float, largest: float
) -> Model:
    """The model with its turnover, and the sizes before the window, estimated again.

    With reduced insertion the turnover and the zero of the factor cannot be told apart, and the factors' mean (that of
    the controls) is moved into it. Removal has a kink where synapses neither grow nor shrink: there the likelihood says.
    """
    # where the odds of learning depend on size, the sizes are those of what did not learn
    by_size = model.form.learns_by_size
    growth, spread = growth_moments(grid, posterior, density, if_null=by_size)
    regular = posterior.member[:, 0] if by_size else posterior.member.sum(axis=1)
    ln_start, events = np.log(data.counts.total) - growth, data.counts.events(stay)
    if data.ln_threshold is not None:
        start, missing = unseen_sizes(data.ln_threshold, model.sizes, *_growth(data, model))
        ln_start, regular = np.append(ln_start, start), np.append(regular, missing * regular.sum())
        spread, events = np.append(spread, np.zeros(start.size)), np.append(events, np.full(start.size, SURE_EVENTS))
    if model.form.depression == "label_blind_removal":
        sizes = model.sizes.fitted(ln_start, spread, events, regular)
        return _best_turnover(data, replace(model, sizes=sizes), stay, largest)
    zero = float(np.asarray(model.factor_mean)[data.kind[data.reference]].mean())
    sizes = model.sizes.fitted(ln_start + zero, spread, events, regular)
    turnover = float(np.clip(model.turnover + zero, 0.02, 8.0))
    return replace(model, turnover=turnover, factor_mean=_shifted(model, -zero), sizes=sizes)


def _shifted(model: Model, by: float) -> tuple[float, ...]:
    """The means of the factors, moved."""
    return tuple(mean + by for mean in model.factor_mean)


def _best_turnover(data: Data, model: Model, stay: float, largest: float) -> Model:
    """One step along the likelihood's parabola in the turnover, the factors moving against it and the sizes with it."""

    def at(shift: float) -> Model:
        turnover = max(model.turnover + shift, 0.02)
        return replace(model, turnover=turnover, factor_mean=_shifted(model, -shift), sizes=model.sizes.moved(shift))

    step = TURNOVER_STEP
    there = [at(shift) for shift in (-step, 0.0, step)]
    below, here, above = (log_likelihood_of(data, one, stay, largest) for one in there)
    curve = below - 2.0 * here + above
    shift = 0.5 * step * (below - above) / curve if curve < 0 else step * np.sign(above - below)
    return at(float(np.clip(shift, -3.0 * step, 3.0 * step)))
