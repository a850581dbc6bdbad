"""Empirical-Bayes mixture on the counts: learning, one factor per neuron and drift, with what they leave undecided.

The model and its working constants are those of `synimg.analysis.mixture`: conditional likelihood of the old share given
the total, sizes before the window, a factor per neuron summed over a grid, learning as a slab on either side of zero,
drift whose size may depend on the synapse's, all hyper-parameters pooled by EM, and models averaged by their evidence.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from numpy.typing import NDArray
from scipy.special import logit

from synimg.analysis.controls import COMMON_LN, Zero, zero_of
from synimg.analysis.mixture.arrange import (
    arrange,
    has_branches,
    pre_rows,
    some_neurons,
    some_of_each,
    take,
    what_is_known,
)
from synimg.analysis.mixture.choose import Choice, choose, weigh_signs
from synimg.analysis.mixture.draws import draws
from synimg.analysis.mixture.fit import Data, priors
from synimg.analysis.mixture.model import DOWN, UP
from synimg.analysis.mixture.neighbours import LEAST_GAIN as LEAST_NEIGHBOUR_GAIN
from synimg.analysis.mixture.neighbours import REACH_UM, neighbour_pairs, neighbours_learned
from synimg.analysis.mixture.priors.protocol import Known
from synimg.analysis.mixture.rivals import Rival, rivals_of
from synimg.analysis.mixture.structure import LEAST_GAIN, Block, find_block
from synimg.analysis.mixture.summary import Parts, average, learning_interval, summarise
from synimg.analysis.mixture.whole_cell import WholeCell, whole_cells
from synimg.analysis.separate.protocol import Needs, Separation
from synimg.analysis.shares import CAUSES, animal_table_of_draws
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
VERSION = "1"
SEARCH_SYNAPSES = 6_000
BLOCK_SYNAPSES = 50_000
LEAST_GROUP_SHIFT = 0.05
SHARE_SYNAPSES, SHARE_DRAWS = 20_000, 40
STRUCTURE_ROUNDS = 2
SIGN_NAMES = {UP: "potentiated", DOWN: "depressed"}
needs = Needs(
    what="a mixture on the counts, its model chosen by evidence",
    assumes=(
        "learning is normal on either side of zero, drift is normal, both in ln receptors",
        "sizes before the window are the same in all neurons",
    ),
)


@threadpoolctl.threadpool_limits.wrap(limits=1)  # the number of threads would change the last digits
def hierarchical(table: pd.DataFrame, seed: int, n_draws: int = 0) -> Separation:
    """Separate a synapse table by the mixture on its counts; `n_draws` of the posterior come along."""
    known = what_is_known(table)
    data, order, ids = arrange(table, known)
    some = some_neurons(data, SEARCH_SYNAPSES, seed)
    choice = choose(some, has_branches(table))
    rivals = rivals_of(some, choice)
    parts = _in_blocks(data, choice)
    blocks: dict[int, Block] = {}
    pre = pre_rows(table, order)
    if pre is not None:
        data, choice, parts, blocks = _with_structure(data, pre, choice, parts, seed)
    data, choice, parts, clustered = _with_neighbours(table, order, data, choice, parts, seed)
    known |= clustered
    zero = zero_of(parts.factor, data.is_control)
    cells = whole_cells(parts.factor, parts.factor_var, data.is_control)
    readings = [parts, *(_in_blocks(data, rival.choice) for rival in rivals)]
    return _result(table, data, order, ids, choice, readings, rivals, zero, cells, blocks, known, seed, n_draws)


def _with_structure(
    data: Data, pre: Ints, choice: Choice, parts: Parts, seed: int
) -> tuple[Data, Choice, Parts, dict[int, Block]]:
    """Data with the log odds of accepted blocks, models and posterior that follow, and the blocks by sign.

    Notes
    -----
    Blocks are found in all synapses of trained neurons; the models are fitted again to those of the search. A block per
    sign, as one for both would take the rarer sign's away.
    """
    free = replace(data, log_prior_odds=np.zeros_like(data.log_prior_odds))
    rows = np.flatnonzero(~data.is_control[data.neuron])
    cells = np.unique(pre[rows], return_inverse=True)[1], np.unique(data.neuron[rows], return_inverse=True)[1]
    accepted: dict[int, Block] = {}
    for _ in range(STRUCTURE_ROUNDS):
        now, base = (_mean_prior(d, choice)[rows] for d in (data, free))
        found = {}
        for sign, p in ((UP, parts.up[rows]), (DOWN, parts.down[rows])):
            if base[:, sign].max() > 0:
                block = find_block(_log_odds(p) - _log_odds(now[:, sign]), _log_odds(base[:, sign]), *cells)
                if block.gain > LEAST_GAIN:
                    found[sign] = block
        if not found:
            break
        odds = np.zeros_like(data.log_prior_odds)
        for sign, block in found.items():
            odds[rows, sign - 1] = block.log_odds
        data, accepted = replace(data, log_prior_odds=odds), found
        choice = weigh_signs(some_neurons(data, SEARCH_SYNAPSES, seed), choice)
        parts = _in_blocks(data, choice)
    return data, choice, parts, accepted


def _with_neighbours(
    table: pd.DataFrame, order: Ints, data: Data, choice: Choice, parts: Parts, seed: int
) -> tuple[Data, Choice, Parts, dict[str, Known]]:
    """Data that know what the neighbours on the dendrite learned, models and posterior that follow, where they pay for it.

    Notes
    -----
    Blocks of partners come first. The models are fitted again to the neurons of the search.
    """
    near = neighbour_pairs(table, order)
    if near is None:
        return data, choice, parts, {}
    surplus = parts.up + parts.down - _mean_prior(data, choice)[:, 1:].sum(axis=1)
    column = neighbours_learned(*near, surplus, data.neuron)
    wider = replace(
        data,
        covariates=np.column_stack([data.covariates, column]),
        widths=np.append(data.widths, 1.0),
        signed=np.append(data.signed, False),
    )
    models = tuple(replace(m, covariate_weights=(*m.covariate_weights, 0.0)) for m in choice.models)
    again = weigh_signs(some_neurons(wider, SEARCH_SYNAPSES, seed), replace(choice, models=models))
    same = weigh_signs(some_neurons(data, SEARCH_SYNAPSES, seed), choice)  # a second fit climbs by itself
    gain = again.score - same.score
    best = again.models[int(np.argmax(again.weights))]
    if best.covariate_weights[-1] < 0:  # evidence of one moves the factor against its neighbours'
        gain = 0.0
    again.gains["neighbours"] = choice.gains["neighbours"] = gain
    if gain < LEAST_NEIGHBOUR_GAIN:
        return data, choice, parts, {}
    said = f"synapses learn together with neighbours within {REACH_UM:g} um on the dendrite (accepted by its evidence)"
    return wider, again, _in_blocks(wider, again), {"clustering": Known(column[:, None], 1.0, False, said)}


def _mean_prior(data: Data, choice: Choice) -> Floats:
    """Prior of no learning, of up and of down, (n, 3), over the models."""
    mean = np.zeros((data.neuron.size, 3))
    for model, weight in zip(choice.models, choice.weights, strict=True):
        mean[:, [0, *model.signs]] += weight * priors(data, model)
    return mean


def _log_odds(p: Floats) -> Floats:
    odds: Floats = logit(np.clip(p, 1e-12, 1.0 - 1e-12))
    return odds


def _blocks(data: Data) -> Iterator[NDArray[np.bool_]]:
    """Neurons, some after the other."""
    block = np.cumsum(np.bincount(data.neuron)) // BLOCK_SYNAPSES
    return (block == number for number in np.unique(block))


def _in_blocks(data: Data, choice: Choice) -> Parts:
    """Posterior of all synapses, some neurons after the other so that memory stays bounded."""
    found = []
    for chosen in _blocks(data):
        some = take(data, chosen)
        each = [summarise(some, model, choice.stay, choice.largest) for model in choice.models]
        found.append(average(each, choice.weights))
    return Parts(*(np.concatenate([getattr(part, name) for part in found]) for name in Parts.__dataclass_fields__))


def _result(
    table: pd.DataFrame,
    data: Data,
    order: Ints,
    ids: Ints,
    choice: Choice,
    readings: list[Parts],
    rivals: list[Rival],
    zero: Zero,
    cells: WholeCell,
    blocks: dict[int, Block],
    known: dict[str, Known],
    seed: int,
    n_draws: int,
) -> Separation:
    """Tables of the result; where several readings are alike, p is their mean and the lfdr that of the worst."""
    parts = readings[0]
    shift = np.where(cells.p_grown > 0, cells.p_grown * cells.shift, 0.0)[data.neuron]
    own = np.array([reading.up + reading.down for reading in readings])
    grown = cells.p_grown[data.neuron]
    p_each = 1.0 - (1.0 - own) * (1.0 - grown)
    p, lfdr = p_each.mean(axis=0), 1.0 - p_each.min(axis=0)
    up = np.mean([reading.up for reading in readings], axis=0)
    if cells.shift > 0:
        up = 1.0 - (1.0 - up) * (1.0 - grown)
    total = data.counts.total
    growth = parts.ln_parts.sum(axis=1)
    per_ln = total * np.where(np.abs(growth) < 1e-9, 1.0, -np.expm1(-growth) / np.where(growth == 0, 1.0, growth))
    moved = np.column_stack([shift, -shift, np.zeros_like(shift)])
    # with controls the zero is theirs; without, it is the mean of all: its error moves homeostasis against the rest
    linear = parts.linear_parts + moved * per_ln[:, None]
    low, high = (linear + side * 1.96 * np.sqrt(parts.linear_var) for side in (-1.0, 1.0))
    low[:, 0], high[:, 0] = learning_interval(parts)
    extra = np.sqrt(grown * (1.0 - grown)) * abs(cells.shift) * per_ln
    low[:, 0] += shift * per_ln - 1.96 * extra
    high[:, 0] += shift * per_ln + 1.96 * extra
    blur = 1.96 * (np.sqrt(parts.linear_var[:, 1] + (zero.se * per_ln) ** 2 + extra**2))
    groups = _group_shifts(data, parts)
    apart = groups[data.neuron] * per_ln
    low[:, 1] = linear[:, 1] - blur - np.maximum(apart, 0.0)
    high[:, 1] = linear[:, 1] + blur - np.minimum(apart, 0.0)
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    columns: dict[str, Any] = {
        "synapse_id": table["synapse_id"].to_numpy(),
        "p_learning": p[back],
        "lfdr": lfdr[back],
        "p_potentiated": np.minimum(up, p)[back],
        "p_depressed": np.maximum(p - up, 0.0)[back],
    }
    for k, cause in enumerate(("learning", "homeostasis", "drift")):
        columns |= {f"delta_{cause}{end}": v[:, k][back] for end, v in (("", linear), ("_lo", low), ("_hi", high))}
    neurons = _neuron_table(ids, data, parts, zero, cells, groups)
    has_errors = any(name in table and table[name].notna().any() for name in ("r_old_se", "r_new_se"))
    warnings = _warnings(data, choice, rivals, zero, cells, parts, has_errors)
    identifiable = zero.anchored and not rivals
    why = zero.why if not rivals else f"{rivals[0].why}; {zero.why}"
    animals = _animals(table, data, order, choice, cells, identifiable, why, seed)
    return Separation(
        pd.DataFrame(columns),
        neurons,
        animals,
        _info(data, choice, rivals, zero, cells, blocks, known, parts, warnings),
        draws=_draw_tables(table, data, order, choice, cells, n_draws, seed) if n_draws else None,
    )


def _animals(
    table: pd.DataFrame,
    data: Data,
    order: Ints,
    choice: Choice,
    cells: WholeCell,
    identifiable: bool,
    why: str,
    seed: int,
) -> pd.DataFrame:
    """Shares of the causes in every animal, from draws; of a large table those of some neurons of each."""
    of = pd.factorize(table["animal_id"], sort=True)[0].astype(np.int64)[order]
    chosen = some_of_each(data, of, SHARE_SYNAPSES, seed)
    some = take(data, chosen)
    their = replace(cells, p_grown=cells.p_grown[chosen])
    rows = table.iloc[order[chosen[data.neuron]]].reset_index(drop=True)
    rng = stream(seed, "separate", "hierarchical", "shares")
    each = ((draw.sign != 0, draw.ln, draw.linear) for draw in draws(some, choice, their, SHARE_DRAWS, rng))
    return animal_table_of_draws(rows, each, identifiable, why)


def _draw_tables(
    table: pd.DataFrame, data: Data, order: Ints, choice: Choice, cells: WholeCell, n_draws: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Posterior draws by `schema.DRAWS`, a frame per draw and block of neurons."""
    ids = table["synapse_id"].to_numpy(np.int64)[order]
    for number, chosen in enumerate(_blocks(data)):
        their = replace(cells, p_grown=cells.p_grown[chosen])
        rng = stream(seed, "separate", "hierarchical", "draws", number)
        rows = chosen[data.neuron]
        for i, draw in enumerate(draws(take(data, chosen), choice, their, n_draws, rng)):
            parts = {f"delta_{cause}": draw.linear[:, k] for k, cause in enumerate(CAUSES)}
            yield pd.DataFrame({"draw": i, "synapse_id": ids[rows], "learned": draw.sign.astype(np.int64)} | parts)


def _studied(data: Data) -> NDArray[np.bool_]:
    """Neurons that are no controls; all, if there are none else."""
    return data.is_control if data.is_control.all() else ~data.is_control


def _group_shifts(data: Data, parts: Parts) -> Floats:
    """By how much the mean ln factor of a neuron's group differs from that of all: (n_neurons,).

    Notes
    -----
    A group whose receptors turn over faster looks like one that was scaled up. Without controls the intervals hold both.
    """
    if data.is_control.any() or data.n_kinds == 1:
        return np.zeros(data.n_neurons)
    count = np.bincount(data.kind, minlength=data.n_kinds)
    mean = np.bincount(data.kind, parts.factor, data.n_kinds) / np.maximum(count, 1)
    shift: Floats = mean[data.kind] - parts.factor.mean()
    return shift


def _neuron_table(ids: Ints, data: Data, parts: Parts, zero: Zero, cells: WholeCell, groups: Floats) -> pd.DataFrame:
    mean = parts.factor - zero.value - cells.p_grown * cells.shift
    spread = cells.p_grown * (1.0 - cells.p_grown) * cells.shift**2
    sd = np.sqrt(parts.factor_var + zero.se**2 + spread)
    below, above = (0.0, 0.0) if zero.anchored else COMMON_LN
    below, above = min(below, zero.shift), max(above, zero.shift)
    low = mean - 1.96 * sd - np.maximum(groups, 0.0)
    high = mean + 1.96 * sd - np.minimum(groups, 0.0)
    return pd.DataFrame(
        {
            "neuron_id": ids,
            "scale_factor": np.exp(mean),
            "scale_factor_lo": np.exp(low),
            "scale_factor_hi": np.exp(high),
            "common_lo": np.exp(low + below),
            "common_hi": np.exp(high + above),
            "n_synapses": np.bincount(data.neuron, minlength=ids.size),
        }
    )


def _warnings(
    data: Data,
    choice: Choice,
    rivals: list[Rival],
    zero: Zero,
    cells: WholeCell,
    parts: Parts,
    has_errors: bool,
) -> list[str]:
    found = []
    if not zero.anchored:
        found.append(f"not identifiable in full: {zero.why}")
    found += [f"not identifiable: {rival.why}" for rival in rivals]
    if choice.gains["learning"] < 0:
        found.append(
            "the table does not pay for any learning: its probabilities are those of a model that may have none"
        )
    if data.is_control.all():
        found.append("all animals are controls, of which it is taken that nothing learned: there is nothing to find")
    if not has_errors:
        found.append("the table has no standard errors: counts are taken to be free of measurement error")
    groups = _group_shifts(data, parts)
    if np.ptp(groups) > 2.0 * zero.se + LEAST_GROUP_SHIFT:
        found.append(
            f"factors of one group of animals are {np.exp(np.ptp(groups)):.2f} times another's: scaled, or turned over faster "
            "(the table cannot tell; intervals hold both)"
        )
    best = choice.models[int(np.argmax(choice.weights))]
    if max(best.factor_sd) < 0.06 and data.n_neurons >= 10 and best.drift_sd > 0.25:
        found.append("factors hardly vary between neurons, and drift is wide: neuron ids may carry nothing")
    if cells.p_two_kinds > 0.5:
        found.append(
            f"two kinds of trained neurons (probability {cells.p_two_kinds:.2f}): the inputs of {cells.share:.0%} of "
            f"them changed as a whole by a factor {np.exp(cells.shift):.2f} that control neurons do not show"
        )
    if choice.form.depression == "reduced_insertion" and not choice.form.down:
        found.append("depression by removal of old and new alike shows only in totals: none was looked for here")
    return found


def _info(
    data: Data,
    choice: Choice,
    rivals: list[Rival],
    zero: Zero,
    cells: WholeCell,
    blocks: dict[int, Block],
    known: dict[str, Known],
    parts: Parts,
    warnings: list[str],
) -> dict[str, Any]:
    best, form = choice.models[int(np.argmax(choice.weights))], choice.form
    scaling = "one factor per neuron"
    if form.slope:
        scaling = f"a factor per neuron that {'grows' if form.slope > 0 else 'shrinks'} with synapse size"
    if form.spared_above < 1:
        scaling = f"a factor per neuron that spares the largest {1 - form.spared_above:.0%} of the synapses"
    if form.by_branch:
        scaling += ", and one per branch"
    names = [name for name, prior in known.items() for _ in range(prior.columns.shape[1])]
    weights = {
        name: [float(w) for n, w in zip(names, best.covariate_weights, strict=True) if n == name] for name in known
    }
    has_learning = [w for m, w in zip(choice.models, choice.weights, strict=True) if m.signs]
    return {
        "method": "hierarchical",
        "version": VERSION,
        "parameters": {
            "depression": form.depression,
            "turnover": best.turnover,
            "factor_sd_ln": float(np.sqrt(np.square(best.factor_sd)[data.kind[_studied(data)]].mean())),
            "drift_sd_ln": best.drift_sd,
            "drift_exponent": form.drift_exponent,
            "scaling_slope": form.slope,
            "spared_above": form.spared_above,
            "branch_sd_ln": best.branch_sd if form.by_branch else 0.0,
            **{
                f"{name}_{what}": float(
                    sum(w * getattr(m.slabs[k], what) for m, w in zip(choice.models, choice.weights, strict=True))
                )
                for k, name in enumerate(("potentiated", "depressed"))
                for what in ("share", "mean", "sd")
            },
            "covariate_weight": weights.get("eligibility", [0.0])[0],
            "prior_weights": weights,
            "share_outliers": best.outliers,
        },
        "assumptions": [
            f"homeostasis is {scaling} (chosen by evidence)",
            "a synapse shrinks by "
            + (
                "less insertion: old receptors stay"
                if form.depression == "reduced_insertion"
                else "removal of old and new receptors alike"
            )
            + " (chosen by evidence)",
            *needs.assumes,
            *(prior.said for prior in known.values()),
            *(
                f"{SIGN_NAMES[sign]} synapses are more frequent where {block.share_pre:.0%} of the presynaptic cells meet "
                f"{block.share_post:.0%} of the neurons (accepted by its gain without a synapse's own evidence)"
                for sign, block in blocks.items()
            ),
        ],
        "diagnosis": {
            "n_neurons": data.n_neurons,
            "n_synapses": int(data.neuron.size),
            "synapses_per_neuron_median": float(np.median(np.bincount(data.neuron))),
            "n_control_neurons": int(data.is_control.sum()),
            "sd_ln_factor": float(parts.factor.std()),
            "probability_of_learning": float(sum(has_learning)),
            "probability_of_two_kinds_of_neurons": cells.p_two_kinds,
            "rival_readings": len(rivals),
            "gains_ln_likelihood": choice.gains,
            "turnover_controls_shift": zero.shift,
            "structure": {
                SIGN_NAMES[sign]: {
                    "gain_nats": block.gain,
                    "share_active_pre": block.share_pre,
                    "share_learning_post": block.share_post,
                }
                for sign, block in blocks.items()
            },
            "structure_gain_nats": float(sum(block.gain for block in blocks.values())),
        },
        "warnings": warnings,
    }


part = hierarchical
