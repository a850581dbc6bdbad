"""A synapse table as the mixture takes it: sorted by neurons and branches, with what it knows beside the counts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import family
from synimg.analysis.controls import control_neurons
from synimg.analysis.mixture.counts import Counts, Ints
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.priors.group import kinds
from synimg.analysis.mixture.priors.protocol import Known, Prior
from synimg.analysis.mixture.structure import has_structure
from synimg.analysis.mixture.threshold import find_threshold
from synimg.streams import stream

PRIORS = "synimg.analysis.mixture.priors"
LEAST_PER_BRANCH = 4.0


def arrange(table: pd.DataFrame, known: dict[str, Known]) -> tuple[Data, Ints, Ints]:
    """The table, and what is known beside it, in the order of neurons and branches; that order; the neurons' ids."""
    neuron_id = table["neuron_id"].to_numpy(np.int64)
    branch_id = table["branch_id"].fillna(-1).to_numpy(np.int64) if "branch_id" in table else np.zeros(len(table))
    order = np.lexsort((branch_id, neuron_id))
    ids, neuron = np.unique(neuron_id[order], return_inverse=True)
    is_new = np.r_[True, (np.diff(neuron) != 0) | (np.diff(branch_id[order]) != 0)]
    branch = np.cumsum(is_new) - 1
    old, new = table["r_old"].to_numpy(float)[order], table["r_new"].to_numpy(float)[order]
    is_control = control_neurons(table, ids)
    priors = [prior for prior in known.values() if prior.about == "learning"]
    of_neuron = [prior for prior in known.values() if prior.about == "factor"]
    first = np.flatnonzero(np.r_[True, np.diff(neuron) > 0])
    kind = kinds(table, _rows_of_controls(table))[order][first]
    kind = np.unique(kind, return_inverse=True)[1]
    errors = [table[name].to_numpy(float)[order] if name in table else None for name in ("r_old_se", "r_new_se")]
    parent = table["neuron_prob"].fillna(1.0).to_numpy(float)[order] if "neuron_prob" in table else np.ones(len(table))
    data = Data(
        counts=Counts.measured(old, new, errors[0], errors[1]),
        neuron=neuron,
        branch=branch,
        neuron_of_branch=neuron[is_new],
        is_control=is_control,
        kind=kind,
        n_kinds=int(kind.max()) + 1,
        parent=np.clip(parent, 0.0, 1.0),
        covariates=np.column_stack([np.zeros((len(table), 0)), *(prior.columns[order] for prior in priors)]),
        widths=np.concatenate([np.zeros(0), *(np.full(p.columns.shape[1], p.width) for p in priors)]),
        signed=np.concatenate([np.zeros(0, bool), *(np.full(p.columns.shape[1], p.signed) for p in priors)]),
        ln_threshold=find_threshold(np.maximum(old + new, 0.0)),
        log_prior_odds=np.zeros((len(table), 2)),
        of_factor=np.column_stack([np.zeros((ids.size, 0)), *(prior.columns[order[first]] for prior in of_neuron)]),
        factor_widths=np.concatenate([np.zeros(0), *(np.full(p.columns.shape[1], p.width) for p in of_neuron)]),
        is_exact=all(error is not None and not error.any() for error in errors),
    )
    return data, order, ids


def what_is_known(table: pd.DataFrame) -> dict[str, Known]:
    """What the table knows beside the counts, by the name of the prior."""
    is_control = _rows_of_controls(table)
    priors: dict[str, Prior] = {name: family.part(PRIORS, name) for name in family.names(PRIORS)}
    found = {name: prior(table, is_control) for name, prior in priors.items()}
    return {name: known for name, known in found.items() if known is not None}


def _rows_of_controls(table: pd.DataFrame) -> NDArray[np.bool_]:
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    rows: NDArray[np.bool_] = control_neurons(table, ids)[row]
    return rows


def pre_rows(table: pd.DataFrame, order: Ints) -> Ints | None:
    """Row of each synapse's presynaptic cell, one of its own where that is not known; None where they hardly repeat."""
    if "pre_id" not in table:
        return None
    seen = table["pre_id"].notna().to_numpy()[order]
    pre = np.arange(order.size)
    pre[seen] = np.unique(table["pre_id"].to_numpy()[order][seen].astype(np.int64), return_inverse=True)[1]
    pre[~seen] = pre[seen].max(initial=-1) + 1 + np.arange((~seen).sum())
    return pre if has_structure(pre[seen]) else None


def has_branches(table: pd.DataFrame) -> bool:
    """Whether branches are told apart, with enough synapses on each for a factor of its own."""
    if "branch_id" not in table or table["branch_id"].isna().any():
        return False
    per_branch = table.groupby(["neuron_id", "branch_id"]).size()
    several = per_branch.groupby("neuron_id").size().median() >= 2
    return bool(several and per_branch.median() >= LEAST_PER_BRANCH)


def some_neurons(data: Data, n_synapses: int, seed: int) -> Data:
    """Whole neurons with about that many synapses, of trained and of control animals in their proportion."""
    if data.neuron.size <= n_synapses:
        return data
    lot = stream(seed, "separate", "hierarchical", "neurons").permutation(data.n_neurons)
    return take(data, first_of_lot(np.bincount(data.neuron), lot, n_synapses))


def first_of_lot(sizes: Ints, lot: Ints, n_synapses: int) -> NDArray[np.bool_]:
    """Which neurons (n_neurons,), of such sizes, come first in a lot and have that many synapses at most; the first in any case."""
    chosen = np.zeros(sizes.size, bool)
    chosen[lot[np.cumsum(sizes[lot]) <= n_synapses]] = True
    chosen[lot[0]] = True
    return chosen


def some_of_each(data: Data, animal: Ints, n_synapses: int, seed: int) -> NDArray[np.bool_]:
    """Which neurons make about that many synapses, as many of each animal; `animal` (n,) is each synapse's."""
    if data.neuron.size <= n_synapses:
        return np.ones(data.n_neurons, bool)
    first = np.flatnonzero(np.r_[True, np.diff(data.neuron) > 0])
    of, sizes = animal[first], np.bincount(data.neuron)
    lot = stream(seed, "separate", "hierarchical", "animals").permutation(data.n_neurons)
    quota = n_synapses / np.unique(of).size
    chosen = np.zeros(data.n_neurons, bool)
    for one in np.unique(of):
        own = lot[of[lot] == one]
        chosen[own[np.cumsum(sizes[own]) - sizes[own] < quota]] = True
    return chosen


def take(data: Data, chosen: NDArray[np.bool_]) -> Data:
    """The data of some neurons."""
    rows = np.flatnonzero(chosen[data.neuron])
    _, neuron = np.unique(data.neuron[rows], return_inverse=True)
    _, first, branch = np.unique(data.branch[rows], return_index=True, return_inverse=True)
    return Data(
        counts=data.counts.take(rows),
        neuron=neuron,
        branch=branch,
        neuron_of_branch=neuron[first],
        is_control=data.is_control[chosen],
        kind=data.kind[chosen],
        n_kinds=data.n_kinds,
        parent=data.parent[rows],
        covariates=data.covariates[rows],
        widths=data.widths,
        signed=data.signed,
        ln_threshold=data.ln_threshold,
        log_prior_odds=data.log_prior_odds[rows],
        of_factor=data.of_factor[chosen],
        factor_widths=data.factor_widths,
        is_exact=data.is_exact,
    )
