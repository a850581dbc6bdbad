"""The ceiling: what can be known of a scenario's table by somebody who knows its true parameters.

The posterior is integrated on grids, with the likelihood of the counts themselves: size at the pulse, growth,
the neuron's factor and the change by learning; dyes are summed over. Nothing is normal or linear but the measurement.

It is exact with three exceptions. `wrong_parents`: a row of another neuron is weighed by the animal's neurons on average.
`low_rank`: the block of cells is known, which no method can know, so the bound is above what can be reached.
`shuffled_neurons`: every synapse stands alone, as ids tell nothing (the true grouping, unknown, would add next to nothing).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import animal_table
from synimg.analysis.validate.count_grid import FACTOR_STEP, GROWTH_STEP, ROOT_STEP, Singles
from synimg.analysis.validate.grids import DOWN, NULL, UP, WHOLE, Grids
from synimg.analysis.validate.units import normalised, summed_logs
from synimg.phantoms.scenarios.draw import Drawn, drift_sd, scaling_law
from synimg.phantoms.scenarios.scenario import Scenario
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

N_DRAWS = 79
"""Posterior draws per synapse: the second lowest and the second highest hold 95 % between them."""
BLOCK = 250


@dataclass(frozen=True)
class Rows:
    """The rows of one turnover rate: dyes, weights of the slabs (n, V, slabs), P(parent right), unit of each."""

    old: Floats
    new: Floats
    weights: Floats
    sure: Floats
    unit: Ints

    def blocks(self) -> Iterator[Ints]:
        """Rows in blocks of like counts, so that few numbers of dyes need to be summed over."""
        order = np.argsort(self.new, kind="stable")
        yield from (order[i : i + BLOCK] for i in range(0, order.size, BLOCK))


@dataclass(frozen=True)
class Evidence:
    """Likelihood of every row (n, V, C): in all, learned, potentiated; and that of a new spine (n,)."""

    total: Floats
    learned: Floats
    potentiated: Floats
    born: Floats


def ceiling(scenario: Scenario, drawn: Drawn, seed: int = 0) -> Separation:
    """The posterior of a scenario's causes under its true parameters.

    Parameters
    ----------
    scenario : Scenario
        Whose parameters are known.
    drawn : Drawn
        Its table; of the truth only the prior probability of learning is read.
    seed : int
        Of the draws behind the intervals.

    Returns
    -------
    Separation
        As of a method; intervals of the deltas are those of posterior draws.
    """
    table = drawn.table
    group = table["group"].to_numpy(str)
    parts = []
    for turnover in sorted({scenario.turnover_of(g) for g in scenario.groups}):
        here = np.flatnonzero([scenario.turnover_of(g) == turnover for g in group])
        most = scenario.labelling * table[["r_old", "r_new"]].iloc[here].to_numpy().max()
        parts.append((here, _posterior(Grids(scenario, turnover, float(most)), drawn, here, seed)))
    order = np.argsort(np.concatenate([here for here, _ in parts]), kind="stable")
    synapses = pd.concat([result[0] for _, result in parts], ignore_index=True).iloc[order].reset_index(drop=True)
    neurons = pd.concat([result[1] for _, result in parts], ignore_index=True).sort_values("neuron_id")
    logs, linear = (np.concatenate([result[k] for _, result in parts])[order] for k in (2, 3))
    p_learning = synapses["p_learning"].to_numpy(float)
    animals = animal_table(table, logs, linear, p_learning, True, "the true parameters are known", seed)
    info = {"method": "ceiling", "version": "1", "parameters": {}, "diagnosis": {}, "warnings": []}
    info["assumptions"] = ["the scenario's parameters are known"]
    return Separation(synapses, neurons.reset_index(drop=True), animals, info)


def _posterior(grids: Grids, drawn: Drawn, here: Ints, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, Floats, Floats]:
    """Rows of SEPARATION and NEURON_RESULT, and the causes' means (n, 3) in ln receptors and in receptors."""
    scenario, table = grids.scenario, drawn.table.iloc[here]
    rows, units = _rows(grids, drawn, here)
    evidence = _evidence(grids, rows)
    prior = _unit_prior(grids, units)
    mixed, others = _mixed_parents(scenario, rows, evidence, prior, units)
    unit_posterior, neuron_ids, neuron_posterior = _units(grids, rows, mixed, prior, units)
    up, learned = (_share(rows, evidence, mixed, unit_posterior, others, what) for what in ("potentiated", "learned"))
    draws = _draws(grids, rows, evidence, unit_posterior, others, seed)
    synapses = pd.DataFrame({"synapse_id": table["synapse_id"].to_numpy(), "p_learning": learned})
    synapses["lfdr"], synapses["p_potentiated"], synapses["p_depressed"] = 1.0 - learned, up, learned - up
    ordered = np.sort(draws[1], axis=1)
    for k, cause in enumerate(("learning", "homeostasis", "drift")):
        synapses[f"delta_{cause}"] = draws[1][..., k].mean(axis=1)
        synapses[f"delta_{cause}_lo"], synapses[f"delta_{cause}_hi"] = ordered[:, 1, k], ordered[:, -2, k]
    neurons = _neuron_result(grids, neuron_ids, neuron_posterior)
    neurons["n_synapses"] = table.groupby("neuron_id").size().reindex(neuron_ids).to_numpy()
    return synapses, neurons, draws[0].mean(axis=1), draws[1].mean(axis=1)


def _rows(grids: Grids, drawn: Drawn, here: Ints) -> tuple[Rows, pd.DataFrame]:
    """The rows in the units that share a factor: neurons, branches of neurons, or each synapse by itself."""
    scenario, table = grids.scenario, drawn.table.iloc[here]
    by = ["neuron_id", "branch_id"] if scenario.branch_sd_ln else ["neuron_id"]
    by = ["synapse_id"] if scenario.shuffled == "neurons" else by
    unit = table.groupby(by, sort=True).ngroup().to_numpy(np.int64)
    units = table.assign(unit=unit).groupby("unit", sort=True)[["neuron_id", "animal_id", "group"]].first()
    prior = drawn.truth["prior_learning"].to_numpy(float)[here]
    down = scenario.share_depressed
    by_slab = {NULL: 1.0 - prior, UP: prior * (1.0 - down), DOWN: prior * down, WHOLE: np.zeros(prior.size)}
    plain = np.stack([by_slab[slab] for slab in grids.slabs], axis=-1)
    whole = np.array([float(slab == WHOLE) for slab in grids.slabs])
    weights = np.stack(
        [np.broadcast_to(whole, plain.shape) if is_whole else plain for _, is_whole, _ in grids.kinds], 1
    )
    sure = table["neuron_prob"].to_numpy(float) if "neuron_prob" in table else np.ones(here.size)
    old, new = (scenario.labelling * table[name].to_numpy(float) for name in ("r_old", "r_new"))
    return Rows(old, new, weights, sure, unit.astype(np.int64)), units


def _by_size(grids: Grids, likelihood: Singles) -> Singles:
    """Likelihood summed over growth: (A, n, C, slabs)."""
    n_size, n_growth, n_factor, n_slab = grids.kernels.shape
    summed = np.matmul(likelihood, grids.kernels.reshape(n_size, n_growth, n_factor * n_slab))
    return summed.reshape(n_size, -1, n_factor, n_slab)


def _evidence(grids: Grids, rows: Rows) -> Evidence:
    """Likelihood of every row by kind of neuron and factor."""
    scenario, n = grids.scenario, rows.old.size
    total, learned, up = (np.zeros((n, len(grids.kinds), grids.factor.size)) for _ in range(3))
    for block in rows.blocks():
        by_size = _by_size(grids, grids.likelihood(rows.old[block], rows.new[block]))
        by_slab = np.einsum("ancl,av->nvcl", by_size, grids.size_prior, optimize=True)
        weighted = by_slab * rows.weights[block][:, :, None, :]
        total[block] = weighted.sum(axis=-1)
        learned[block] = weighted[..., [s != NULL for s in grids.slabs]].sum(axis=-1)
        up[block] = weighted[..., [s in (UP, WHOLE) for s in grids.slabs]].sum(axis=-1)
    born = np.zeros(n)
    if scenario.share_born:
        total, learned, up = ((1.0 - scenario.share_born) * part for part in (total, learned, up))
        born = scenario.share_born * grids.born(rows.old, rows.new)[0]
        total += born[:, None, None]
    if scenario.threshold_receptors:
        seen = np.einsum("cl,nvl->nvc", grids.seen, rows.weights)
        total, learned, up = total / seen, learned / seen, up / seen
    return Evidence(total, learned, up, born)


def _unit_prior(grids: Grids, units: pd.DataFrame) -> Floats:
    """Prior of kind and factor of every unit (U, V, C); neurons of controls do not learn as a whole."""
    sd = grids.scenario.factor_sd_ln
    density = norm.pdf(grids.factor, scale=np.hypot(sd, grids.scenario.branch_sd_ln)) if sd else np.ones(1)
    trained = (units["group"] == "trained").to_numpy()
    weight = np.array([weight for _, _, weight in grids.kinds])
    if grids.scenario.whole_cells:
        weights = np.where(trained[:, None], weight, [1.0, 0.0])
    else:
        weights = np.broadcast_to(weight, (trained.size, weight.size))
    prior: Floats = weights[:, :, None] * (density / density.sum())
    return prior


def _mixed_parents(
    scenario: Scenario, rows: Rows, evidence: Evidence, prior: Floats, units: pd.DataFrame
) -> tuple[Floats, Floats]:
    """Likelihood of the rows given the factor of the *stated* parent (n, V, C), and of the other neurons (n, V, C).

    The other neurons enter by their mean posterior within the animal, found twice over.
    """
    others = prior[rows.unit]
    if not scenario.wrong_parents:
        return evidence.total, others
    animal = units["animal_id"].to_numpy(str)
    for _ in range(2):
        elsewhere = (others * evidence.total).sum(axis=(1, 2))
        mixed = rows.sure[:, None, None] * evidence.total + ((1.0 - rows.sure) * elsewhere)[:, None, None]
        posterior = normalised(summed_logs(mixed, rows.unit, len(units)), prior)
        mean = {a: posterior[animal == a].sum(axis=0) for a in np.unique(animal)}
        spread = np.stack([(mean[a] - posterior[i]) / ((animal == a).sum() - 1) for i, a in enumerate(animal)])
        others = spread[rows.unit]
    elsewhere = (others * evidence.total).sum(axis=(1, 2))
    return rows.sure[:, None, None] * evidence.total + ((1.0 - rows.sure) * elsewhere)[:, None, None], others


def _units(grids: Grids, rows: Rows, mixed: Floats, prior: Floats, units: pd.DataFrame) -> tuple[Floats, Ints, Floats]:
    """Posterior of every unit (U, V, C), neurons' ids and the posterior of their ln factors (N, C)."""
    scenario, ids = grids.scenario, units["neuron_id"].to_numpy(np.int64)
    logs = summed_logs(mixed, rows.unit, len(units))
    neurons, of = np.unique(ids, return_inverse=True)
    if not scenario.branch_sd_ln:
        posterior = normalised(logs, prior)
        if scenario.shuffled == "neurons":  # an id tells nothing about the neuron's factor
            return posterior, neurons, np.repeat(prior[:1].sum(axis=1), neurons.size, axis=0)
        return posterior, neurons, posterior.sum(axis=1)
    # branches around their neuron: factor of the neuron (rows) to factor of the branch (columns)
    step = norm.pdf(grids.factor[:, None] - grids.factor, scale=scenario.branch_sd_ln)
    step /= step.sum(axis=1, keepdims=True)
    branch = np.exp(logs[:, 0] - logs[:, 0].max(axis=1, keepdims=True))
    message = np.log(np.maximum(branch @ step.T, 1e-300))
    own = np.log(np.maximum(norm.pdf(grids.factor, scale=scenario.factor_sd_ln), 1e-300))
    total = np.tile(own, (neurons.size, 1))
    np.add.at(total, of, message)
    cavity = total[of] - message
    cavity = np.exp(cavity - cavity.max(axis=1, keepdims=True))
    posterior = branch * (cavity @ step)
    whole = np.exp(total - total.max(axis=1, keepdims=True))
    return (
        (posterior / posterior.sum(axis=1, keepdims=True))[:, None],
        neurons,
        whole / whole.sum(axis=1, keepdims=True),
    )


def _share(rows: Rows, evidence: Evidence, mixed: Floats, posterior: Floats, others: Floats, what: str) -> Floats:
    """Posterior probability (n,) of what the evidence is called."""
    part = getattr(evidence, what)
    of = posterior[rows.unit] / np.maximum(mixed, 1e-300)
    elsewhere = (others * part).sum(axis=(1, 2)) * (1.0 - rows.sure)
    probability = (of * (rows.sure[:, None, None] * part + elsewhere[:, None, None])).sum(axis=(1, 2))
    return np.clip(probability, 0.0, 1.0)


def _draws(
    grids: Grids, rows: Rows, evidence: Evidence, posterior: Floats, others: Floats, seed: int
) -> tuple[Singles, Singles]:
    """Posterior draws of the causes (n, N_DRAWS, 3): in ln receptors, and in receptors."""
    rng = stream(seed, "ceiling", "draws")
    n, n_factor = rows.old.size, grids.factor.size
    shape = (n, N_DRAWS)
    flat = posterior.reshape(len(posterior), -1)
    state = _pick(np.broadcast_to(flat[:, None], (len(flat), N_DRAWS, flat.shape[1])), rng)[rows.unit]
    if grids.scenario.wrong_parents:
        total = evidence.total.reshape(n, -1)
        elsewhere = others.reshape(n, -1) * total
        own = rows.sure[:, None] * np.take_along_axis(total, state, 1)
        wrong = rng.random(shape) * (own + ((1.0 - rows.sure) * elsewhere.sum(axis=1))[:, None]) > own
        who = np.flatnonzero(wrong.any(axis=1))
        other = _pick(np.broadcast_to(elsewhere[who, None], (who.size, N_DRAWS, elsewhere.shape[1])), rng)
        state[who] = np.where(wrong[who], other, state[who])
    kind, place = state // n_factor, state % n_factor
    logs, linear = np.zeros((*shape, 3), np.float32), np.zeros((*shape, 3), np.float32)
    for block in rows.blocks():
        logs[block], linear[block] = _draw_block(grids, rows, block, kind[block], place[block], rng)
    if grids.scenario.share_born:
        total = evidence.total.reshape(n, -1)
        born = rng.random(shape) * np.take_along_axis(total, state, 1) < evidence.born[:, None]
        by_size = grids.born(rows.old, rows.new)[1]
        size = grids.size[_pick(np.broadcast_to(by_size[:, None], (n, N_DRAWS, by_size.shape[1])), rng)]
        logs[born], linear[born] = 0.0, 0.0
        linear[..., 2] = np.where(born, size, linear[..., 2])
    return logs, linear


def _draw_block(
    grids: Grids, rows: Rows, block: Ints, kind: Ints, place: Ints, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draws of a block given each draw's kind of neuron and place on the factor's grid (b, N_DRAWS)."""
    likelihood = grids.likelihood(rows.old[block], rows.new[block])
    by_size = _by_size(grids, likelihood)
    row = np.arange(block.size)[:, None]
    by_size = by_size[:, row, place].transpose(1, 2, 0, 3)
    weight = by_size * grids.size_prior.T[kind][..., None] * rows.weights[block][row, kind][:, :, None, :]
    found = _pick(weight.reshape(*kind.shape, -1), rng)
    size, slab = found // len(grids.slabs), found % len(grids.slabs)
    growing = _pick(likelihood[size, row] * grids.kernels[size, :, place, slab], rng)

    def jitter(step: float) -> Floats:
        return step * (rng.random(kind.shape) - 0.5)

    a_start = np.maximum(np.sqrt(grids.size[size]) + jitter(ROOT_STEP), 0.1) ** 2
    step = FACTOR_STEP if grids.factor.size > 1 else 0.0
    factor = grids.factor[place] + jitter(step)
    homeostasis = factor * scaling_law(grids.scenario, a_start)
    rest = grids.growth[growing] - homeostasis
    learning = np.zeros(kind.shape)
    for i, which in enumerate(grids.slabs[1:], start=1):
        effect, prior = grids.effects(which)
        at = slab == i
        apart = (rest[at][:, None] - effect) / drift_sd(grids.scenario, a_start[at])[:, None]
        log_weight = np.log(prior + 1e-300) - 0.5 * apart**2
        chosen = _pick(np.exp(log_weight - log_weight.max(axis=1, keepdims=True)), rng)
        learning[at] = effect[chosen] + (0.0 if effect.size == 1 else jitter(effect[1] - effect[0])[at])
    logs = np.stack([learning, homeostasis, rest + jitter(GROWTH_STEP) - learning], axis=-1)
    change = logs.sum(axis=-1)
    mean = a_start * np.where(np.abs(change) < 1e-9, 1.0, np.expm1(change) / np.where(change == 0, 1.0, change))
    return logs, logs * mean[..., None]


def _pick(weight: NDArray[np.floating], rng: np.random.Generator) -> Ints:
    """An index along the last axis with the probability of its weight."""
    total = np.cumsum(weight, axis=-1, dtype=np.float64)
    threshold = rng.random(total.shape[:-1]) * total[..., -1]
    found: Ints = (total < threshold[..., None]).sum(axis=-1)
    return np.minimum(found, total.shape[-1] - 1)


def _neuron_result(grids: Grids, ids: Ints, posterior: Floats) -> pd.DataFrame:
    """Median and 95 % interval of every factor; the common component is known here."""
    edges = np.append(grids.factor - FACTOR_STEP / 2, grids.factor[-1] + FACTOR_STEP / 2)
    if grids.factor.size == 1:
        edges = np.array([-1e-6, 1e-6])
    cumulated = np.concatenate([np.zeros((len(posterior), 1)), np.cumsum(posterior, axis=1)], axis=1)
    middle, low, high = (np.exp([np.interp(q, row, edges) for row in cumulated]) for q in (0.5, 0.025, 0.975))
    return pd.DataFrame(
        {
            "neuron_id": ids,
            "scale_factor": middle,
            "scale_factor_lo": low,
            "scale_factor_hi": high,
            "common_lo": low,
            "common_hi": high,
        }
    )
