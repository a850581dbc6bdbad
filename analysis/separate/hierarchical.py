"""Empirical-Bayes mixture on the counts: learning, one factor per neuron and drift, with what they leave undecided.

The model and its working constants are those of `synimg.analysis.mixture`: conditional likelihood of the old share given
the total, sizes before the window, a factor per neuron summed over a grid, learning as a slab on either side of zero,
drift whose size may depend on the synapse's, all hyper-parameters pooled by EM, and models averaged by their evidence.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import threadpoolctl
from numpy.typing import NDArray
from scipy.special import logit

from synimg.analysis.controls import zero_of
from synimg.analysis.mixture.arrange import (
    arrange,
    has_branches,
    pre_rows,
    some_neurons,
    take,
    what_is_known,
)
from synimg.analysis.mixture.choose import Choice, choose, spread_out, weigh_signs
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.expect import priors
from synimg.analysis.mixture.model import DOWN, UP
from synimg.analysis.mixture.neighbours import LEAST_GAIN as LEAST_NEIGHBOUR_GAIN
from synimg.analysis.mixture.neighbours import REACH_UM, neighbour_pairs, neighbours_learned
from synimg.analysis.mixture.offsets import data_with, ln_offsets, ln_starts, model_with, share_between
from synimg.analysis.mixture.priors.protocol import Known
from synimg.analysis.mixture.result import Found, blocks_of, result_of
from synimg.analysis.mixture.rivals import Rival, rivals_of
from synimg.analysis.mixture.structure import LEAST_GAIN, Block, find_block
from synimg.analysis.mixture.summary import Parts, average, called_by, summaries
from synimg.analysis.mixture.whole_cell import whole_cells
from synimg.analysis.separate.protocol import Needs, Separation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
VERSION = "2"
SEARCH_SYNAPSES = 6_000
STRUCTURE_ROUNDS = 2
needs = Needs(
    what="a mixture on the counts, its model chosen by evidence",
    assumes=(
        "learning has a gamma law on either side of zero, drift is normal, both in ln receptors",
        "a synapse learned or did not: smaller changes by learning pass for drift, and intervals allow for a factor of 1.2",
        "sizes before the window differ between neurons in their mean at most",
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
    blocks: dict[int, Block] = {}
    pre = pre_rows(table, order)
    if pre is not None:
        data, choice, blocks = _with_structure(data, pre, choice, seed)
    data, choice, clustered = _with_neighbours(table, order, data, choice, seed)
    known |= clustered
    if clustered:
        rivals = [replace(rival, choice=_of_one_more(rival.choice)) for rival in rivals]
    choice = spread_out(some_neurons(data, SEARCH_SYNAPSES, seed), choice, data.neuron.size, seed)
    found = found_with(table, (data, order, ids), known, choice, rivals, seed)
    return result_of(replace(found, blocks=blocks), VERSION, needs.assumes, n_draws)


def found_with(
    table: pd.DataFrame,
    arranged: tuple[Data, Ints, Ints],
    known: dict[str, Known],
    choice: Choice,
    rivals: list[Rival],
    seed: int,
) -> Found:
    """What chosen models and their rivals find in a table, of which `arranged` and `known` are what its columns gave."""
    data, order, ids = arranged
    data, choice = _with_offsets(data, choice, seed)
    parts = _in_blocks(data, choice)
    readings = [parts, *(_in_blocks(data, rival.choice) for rival in rivals)]
    zero = zero_of(parts.factor, data.is_control)
    cells = whole_cells(parts.factor, parts.factor_var, data.is_control)
    return Found(table, data, order, ids, choice, readings, rivals, zero, cells, {}, known, seed)


def _with_structure(data: Data, pre: Ints, choice: Choice, seed: int) -> tuple[Data, Choice, dict[int, Block]]:
    """Data with the log odds of accepted blocks, models that follow, and the blocks by sign.

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
        parts = _in_blocks(data, choice)
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
    return data, choice, accepted


def _with_neighbours(
    table: pd.DataFrame, order: Ints, data: Data, choice: Choice, seed: int
) -> tuple[Data, Choice, dict[str, Known]]:
    """Data that know what the neighbours on the dendrite learned, and models that follow, where they pay for it.

    Notes
    -----
    Blocks of partners come first. The models are fitted again to the neurons of the search.
    """
    near = neighbour_pairs(table, order)
    if near is None:
        return data, choice, {}
    parts = _in_blocks(data, choice)
    surplus = parts.up + parts.down - _mean_prior(data, choice)[:, 1:].sum(axis=1)
    column = neighbours_learned(*near, surplus, data.neuron)
    wider = replace(
        data,
        covariates=np.column_stack([data.covariates, column]),
        widths=np.append(data.widths, 1.0),
        signed=np.append(data.signed, False),
    )
    again = weigh_signs(some_neurons(wider, SEARCH_SYNAPSES, seed), _of_one_more(choice))
    same = weigh_signs(some_neurons(data, SEARCH_SYNAPSES, seed), choice)  # a second fit climbs by itself
    gain = again.score - same.score
    best = again.models[int(np.argmax(again.weights))]
    if best.covariate_weights[-1] < 0:  # evidence of one moves the factor against its neighbours'
        gain = 0.0
    again.gains["neighbours"] = choice.gains["neighbours"] = gain
    if gain < LEAST_NEIGHBOUR_GAIN:
        return data, choice, {}
    said = f"synapses learn together with neighbours within {REACH_UM:g} um on the dendrite (accepted by its evidence)"
    return wider, again, {"clustering": Known(column[:, None], 1.0, False, said)}


def _of_one_more(choice: Choice) -> Choice:
    """The same of data with one more covariate, which counts for nothing."""
    models = tuple(replace(m, covariate_weights=(*m.covariate_weights, 0.0)) for m in choice.models)
    return replace(choice, models=models)


def _with_offsets(data: Data, choice: Choice, seed: int) -> tuple[Data, Choice]:
    """Data and models that know of neurons whose synapses are larger than others', if there are any.

    Notes
    -----
    Sizes and growth are those of the models without; a table cut off at a threshold has no sizes to compare. Whether
    there are any is asked of the neurons of the search.
    """
    if data.ln_threshold is not None:
        return data, choice
    middle = replace(choice, models=choice.models[len(choice.models) // 2 :][:1], weights=np.ones(1))
    some = some_neurons(data, SEARCH_SYNAPSES, seed)
    parts = _in_blocks(some, middle)
    share = share_between(some, parts, middle.models[0])
    if not share:
        return data, choice
    ln_start = ln_starts(data, parts if some is data else _in_blocks(data, middle))
    offset = ln_offsets(ln_start, data.neuron, share, middle.models[0].sizes.sd ** 2)
    models = tuple(model_with(model, share) for model in choice.models)
    return data_with(data, offset), replace(choice, models=models)


def _mean_prior(data: Data, choice: Choice) -> Floats:
    """Prior of no learning, of up and of down, (n, 3), over the models."""
    mean = np.zeros((data.neuron.size, 3))
    for model, weight in zip(choice.models, choice.weights, strict=True):
        mean[:, [0, *model.signs]] += weight * priors(data, model)
    return mean


def _log_odds(p: Floats) -> Floats:
    odds: Floats = logit(np.clip(p, 1e-12, 1.0 - 1e-12))
    return odds


def _in_blocks(data: Data, choice: Choice) -> Parts:
    """Posterior of all synapses, some neurons after the other so that memory stays bounded."""
    found, learned = [], []
    for chosen in blocks_of(data):
        some = take(data, chosen)
        each = list(summaries(some, choice.models, choice.stay, choice.largest))
        found.append(average(each, choice.weights))
        learned.append(np.array([parts.up + parts.down for parts in each], np.float32))
    whole = Parts(*(np.concatenate([getattr(part, name) for part in found]) for name in Parts.__dataclass_fields__))
    return replace(whole, p_calls=called_by(np.concatenate(learned, axis=1), choice.weights))


part = hierarchical
