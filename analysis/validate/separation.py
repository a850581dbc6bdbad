"""Was learning told from the rest? Rankings, probabilities and amounts against the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.calls import called
from synimg.analysis.mixture.arrange import first_of_lot
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import separate
from synimg.analysis.shares import CAUSES
from synimg.analysis.validate.amounts import delta_scores, factor_rows, factor_scores, share_scores
from synimg.analysis.validate.bootstrap import Rows, copies_of, interval
from synimg.analysis.validate.network_ceiling import (
    Known,
    Labels,
    Sheet,
    exact_sheets,
    laws_of,
    measured_sheet,
    network_ceiling,
)
from synimg.analysis.validate.scores import agreement, auroc, average_precision, calibration, discovery
from synimg.calibrate import receptors_of_dyes
from synimg.errors import SynimgError
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
COMPARED = ("raw", "neuron_mode", "hierarchical")
NOMINAL = (0.05, 0.1, 0.2)
MEASURED = "measured"
MOST_CEILING_ROWS = 20_000
"""A ceiling takes a second per thousand rows; of more synapses, so many are drawn."""


def learned_of(matched: pd.DataFrame) -> Bools:
    """Class of every measured synapse: learned, or not; a false positive did not learn."""
    learned: Bools = matched["is_learned_true"].astype("boolean").fillna(False).to_numpy(bool)
    return learned


def truth_of(matched: pd.DataFrame) -> pd.DataFrame:
    """The truth about every row of a measured table: `separation_scores` takes it.

    Parameters
    ----------
    matched : DataFrame
        The measured table with the truth beside it (`imaging.match_truth`).
    """
    columns = [name for name in matched if str(name).endswith("_true")]
    truth = matched[columns].rename(columns=lambda name: name.removesuffix("_true"))
    truth = truth.assign(is_learned=learned_of(matched), is_there=matched["true_synapse_id"].notna().to_numpy())
    return truth.assign(neuron_id=matched["neuron_id"], animal_id=matched["animal_id"])


def copies_for(truth: pd.DataFrame, seed: int) -> list[Rows]:
    """Bootstrap copies of the rows of `truth_of`."""
    neuron, animal = truth["neuron_id"].to_numpy(), truth["animal_id"].to_numpy(str)
    return copies_of(neuron, animal, stream(seed, "validate", "bootstrap"))


def separation_scores(
    result: Separation, truth: pd.DataFrame, neurons: pd.DataFrame | None, seed: int
) -> dict[str, Any]:
    """Every score of a separation, with bootstrap intervals over neurons and animals.

    Parameters
    ----------
    result : Separation
    truth : DataFrame
        A row per synapse of the result: ``is_learned``, ``neuron_id``, ``animal_id``; what there is of the causes in
        receptors and as ``ln_*``, and of ``pre_id`` and ``post_id``, is scored as well. ``is_there`` is False where no
        synapse lies behind the row: it has a class, and no amounts.
    neurons : DataFrame, optional
        Truth about the neurons.
    seed : int
        Of the bootstrap.
    """
    learned, p_learning = truth["is_learned"].to_numpy(bool), result.synapses["p_learning"].to_numpy(float)
    copies = copies_for(truth, seed)
    scores: dict[str, Any] = {
        "method": result.info["method"],
        "n": int(learned.size),
        "share_learned_true": float(learned.mean()),
    } | ranking_scores(learned, p_learning, result.synapses["lfdr"].to_numpy(float), copies)
    there = truth["is_there"].to_numpy(bool) if "is_there" in truth else np.ones(learned.size, bool)
    for cause in CAUSES:
        if cause in truth:
            true = np.where(there, truth[cause].to_numpy(float), np.nan)
            scores |= {
                f"delta_{cause}": found for found in [delta_scores(result.synapses, true, cause, copies)] if found
            }
    estimate = result.synapses["delta_learning"].to_numpy(float)
    if {"pre_id", "post_id", "learning"} <= set(truth) and there.any() and np.isfinite(estimate[there]).all():
        scores["network"] = _edge_scores(truth[there], estimate[there], p_learning[there])
    rows = factor_rows(result.neurons, neurons) if neurons is not None else pd.DataFrame()
    if neurons is not None:
        own = stream(seed, "validate", "bootstrap", "factors")
        scores["factor"] = factor_scores(rows, copies_of(*_ids(rows), own) if len(rows) else ())
    within = np.cumsum(there) - 1
    among = [within[r[there[r]]] for r in copies]
    scores["shares"] = share_scores(result.animals, truth[there], among) if there.any() else {}
    return scores


def _ids(rows: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    return rows["neuron_id"].to_numpy(), rows["animal_id"].to_numpy(str)


def ranking_scores(learned: Bools, p_learning: Floats, lfdr: Floats, copies: Sequence[Rows]) -> dict[str, Any]:
    """Average precision, AUROC, discoveries and calibration; calls are those made on the whole table."""
    found = []
    for nominal in NOMINAL:
        chosen = called(lfdr, nominal)

        def rate(rows: Rows, chosen: Bools = chosen) -> float | None:
            return float((~learned[rows][chosen[rows]]).mean()) if chosen[rows].any() else None

        found.append(discovery(learned, lfdr, nominal) | {"realised_fdr_95": interval(copies, rate)})
    stated = calibration(learned, p_learning)
    stated["error_95"] = interval(copies, lambda rows: calibration(learned[rows], p_learning[rows])["error"])
    return {
        "average_precision": average_precision(learned, p_learning),
        "average_precision_95": interval(copies, lambda rows: average_precision(learned[rows], p_learning[rows])),
        "auroc": auroc(learned, p_learning),
        "discovery": found,
        "calibration": stated,
    }


def _edge_scores(truth: pd.DataFrame, estimate: Floats, p_learning: Floats) -> dict[str, Any]:
    """Recovered v true change of every connection, and F1 of the connections called changed at p >= 0.5."""
    edges = pd.DataFrame(
        {
            "pre": truth["pre_id"],
            "post": truth["post_id"],
            "found": estimate,
            "true": truth["learning"].to_numpy(float),
            "called": p_learning >= 0.5,
            "learned": truth["is_learned"].to_numpy(bool),
        }
    ).groupby(["pre", "post"])
    sums, flags = edges[["found", "true"]].sum(), edges[["called", "learned"]].any()
    n_both = int((flags["called"] & flags["learned"]).sum())
    total = int(flags["called"].sum() + flags["learned"].sum())
    change = agreement(sums["found"].to_numpy(float), sums["true"].to_numpy(float))
    return {"n_edges": len(sums), "change_r": change["r"], "edge_f1": 2 * n_both / total if total else None}


def budget_tables(
    truth: pd.DataFrame, matched: pd.DataFrame, tag: dict[str, Any]
) -> dict[str, tuple[pd.DataFrame, Bools]]:
    """Synapse tables that carry more and more of the measurement's errors, each with its labels.

    The true receptors; receptors calibrated from the dyes that were really there; the measured counts with the true
    parents; the measured table.
    """
    learned = truth["is_learned"].to_numpy(bool)
    base = pd.DataFrame({"synapse_id": truth["synapse_id"], "neuron_id": truth["post_id"]})
    exact = base.assign(
        r_old=truth["r_old_true"].astype(float), r_new=truth["r_new_true"].astype(float), r_old_se=0.0, r_new_se=0.0
    )
    old, new, exactly = (
        truth["labelled_old"].to_numpy(float),
        truth["labelled_new"].to_numpy(float),
        np.zeros(len(truth)),
    )
    r_old, r_old_se, r_new, r_new_se, _ = receptors_of_dyes(old, new, exactly, exactly, tag)
    labelled = base.assign(r_old=r_old, r_old_se=r_old_se, r_new=r_new, r_new_se=r_new_se)
    columns = ["synapse_id", "neuron_id", "neuron_prob", "r_old", "r_old_se", "r_new", "r_new_se"]
    measured = matched[columns]
    hit = matched["true_synapse_id"].notna()
    parents = matched["post_id_true"].where(hit, matched["neuron_id"]).astype("int64")
    return {
        "true receptors": (exact, learned),
        "labelled receptors": (labelled, learned),
        "measured, true parents": (measured.assign(neuron_id=parents, neuron_prob=1.0), learned_of(matched)),
        "measured": (measured, learned_of(matched)),
    }


@dataclass(frozen=True)
class Ceiling:
    """What can be known of `rows` of a table (`network_ceiling`)."""

    rows: Ints
    known: Known


@dataclass(frozen=True)
class World:
    """What somebody knows who knows everything but the synapses: the truth about all contacts and neurons of an animal.

    truth, neurons : DataFrame
    labels : Labels
    turnover : float, k t
    depression : str
    seed : int, of what is drawn where there is too much of it
    """

    truth: pd.DataFrame
    neurons: pd.DataFrame
    labels: Labels
    turnover: float
    depression: str
    seed: int


def labels_of(tag: dict[str, Any]) -> Labels:
    """Shares with a dye from efficiencies."""
    pulse, blocking, chase = (float(tag[f"{name}_efficiency"]) for name in ("pulse", "blocking", "chase"))
    return Labels(pulse, chase, (1.0 - pulse) * (1.0 - blocking) * chase)


def ceilings(world: World, imaged: pd.DataFrame, matched: pd.DataFrame) -> dict[str, Ceiling]:
    """The ceiling of each of `budget_tables`, of those that have one.

    Parameters
    ----------
    world : World
    imaged : DataFrame
        Truth about the synapses in the image.
    matched : DataFrame
        The measured table with the truth beside it.
    """
    laws = laws_of(world.truth, world.neurons, world.seed)
    if laws is None or imaged.empty:
        return {}
    sheets: dict[str, Sheet | None] = {**exact_sheets(imaged, world.labels)}
    for stage, true_parents in (("measured, true parents", True), (MEASURED, False)):
        sheets[stage] = measured_sheet(matched, imaged, world.labels, true_parents)
    found = {}
    for stage, sheet in sheets.items():
        if sheet is None:
            continue
        rows = rows_of_some_neurons(sheet.neuron_id, world.seed)
        known = network_ceiling(laws, world.neurons, sheet.some(rows), world.turnover, world.depression)
        if known is not None:
            found[stage] = Ceiling(rows, known)
    return found


def rows_of_some_neurons(neuron_id: Ints, seed: int) -> Ints:
    """Rows of neurons drawn at random, `MOST_CEILING_ROWS` at most but for the first one's; all if they are not more."""
    if neuron_id.size <= MOST_CEILING_ROWS:
        return np.arange(neuron_id.size)
    _, neuron, sizes = np.unique(neuron_id, return_inverse=True, return_counts=True)
    lot = stream(seed, "validate", "ceiling").permutation(sizes.size)
    return np.flatnonzero(first_of_lot(sizes, lot, MOST_CEILING_ROWS)[neuron])


def ceiling_scores(top: Ceiling, result: Separation, truth: pd.DataFrame, seed: int) -> dict[str, Any]:
    """The ceiling's own scores, and the method's average precision as a share of it, with its interval.

    Parameters
    ----------
    top : Ceiling
        Of the measured table.
    result : Separation
        Of the same table.
    truth : DataFrame
        From `truth_of`.
    seed : int
        Of the bootstrap, whose copies are paired.
    """
    part = truth.iloc[top.rows]
    learned, best = part["is_learned"].to_numpy(bool), top.known.p_learning
    p_learning = result.synapses["p_learning"].to_numpy(float)[top.rows]

    def share(rows: Rows) -> float | None:
        above, own = (average_precision(learned[rows], p[rows]) for p in (best, p_learning))
        return None if above is None or own is None else own / above

    copies = copies_for(part, seed)
    scores = {"n": int(learned.size)} | ranking_scores(learned, best, 1.0 - best, copies)
    scores |= {"share": share(np.arange(learned.size)), "share_95": interval(copies, share)}
    there = part["is_there"].to_numpy(bool)
    for k, cause in enumerate(CAUSES):
        scores[f"delta_{cause}"] = agreement(top.known.deltas[there, k], part[cause].to_numpy(float)[there])
    return scores


def compare(
    tables: dict[str, tuple[pd.DataFrame, Bools]], tops: dict[str, Ceiling], validated: tuple[str, str, Floats]
) -> dict[str, dict[str, float | None]]:
    """Average precision of `COMPARED` methods, of the validated one and of the ceiling on each of `budget_tables`.

    Parameters
    ----------
    tables : dict
        From `budget_tables`.
    tops : dict of Ceiling
        By stage.
    validated : str, str, (n,) ndarray
        The validated method: its name, how it is called, and its P(learning) of the measured rows. A stage on which it
        refuses, or fails, has None.
    """
    name, call, p_validated = validated
    out: dict[str, dict[str, float | None]] = {}
    for stage, (table, learned) in tables.items():
        if table.empty:
            continue
        row: dict[str, float | None] = {}
        for method in dict.fromkeys((*COMPARED, name)):
            if stage == MEASURED and method == name:  # what it really had, with every column that was measured
                row[name] = average_precision(learned, p_validated)
                continue
            try:
                p_learning = separate(table, call if method == name else method).synapses["p_learning"].to_numpy(float)
            except SynimgError:
                row[method] = None
                continue
            row[method] = average_precision(learned, p_learning)
        top = tops.get(stage)
        row["ceiling"] = None if top is None else average_precision(learned[top.rows], top.known.p_learning)
        out[stage] = row
    return out
