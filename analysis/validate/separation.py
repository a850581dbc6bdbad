"""Was learning told from the rest? Rankings, probabilities and amounts against the ledger."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.separate.neuron_mode import Seen, fit_mixtures
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import separate
from synimg.analysis.shares import CAUSES, variance_shares
from synimg.analysis.turnover import excess_turnover, fano
from synimg.analysis.validate.scores import (
    agreement,
    auroc,
    average_precision,
    bootstrap_interval,
    calibration,
    discovery,
)
from synimg.calibrate import receptors_of_dyes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
COMPARED = ("raw", "neuron_mode", "hierarchical")


def learned_of(matched: pd.DataFrame) -> Bools:
    """Class of every measured synapse: learned, or not; a false positive did not learn."""
    learned: Bools = matched["is_learned_true"].astype("boolean").fillna(False).to_numpy(bool)
    return learned


def separation_scores(result: Separation, matched: pd.DataFrame, neurons: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Every score of a separation of the measured table.

    Parameters
    ----------
    result : Separation
        Of the measured table.
    matched : DataFrame
        The measured table with the truth beside it (`imaging.match_truth`).
    neurons : DataFrame
        Truth about the neurons.
    seed : int
        Of the bootstrap.
    """
    learned, p_learning = learned_of(matched), result.synapses["p_learning"].to_numpy(float)
    lfdr = result.synapses["lfdr"].to_numpy(float)
    hit = matched["true_synapse_id"].notna().to_numpy()
    scores: dict[str, Any] = {
        "method": result.info["method"],
        "n": int(learned.size),
        "share_learned_true": float(learned.mean()),
        "average_precision": average_precision(learned, p_learning),
        "average_precision_95": bootstrap_interval(learned, p_learning, matched["neuron_id"].to_numpy(np.int64), seed),
        "auroc": auroc(learned, p_learning),
        "discovery": [discovery(learned, lfdr, nominal) for nominal in (0.05, 0.1, 0.2)],
        "calibration": calibration(learned, p_learning),
    }
    estimate = result.synapses["delta_learning"].to_numpy(float)[hit]
    if np.isfinite(estimate).all() and hit.any():
        scores["delta_learning"] = agreement(estimate, matched["learning_true"].to_numpy(float)[hit])
        scores["network"] = _edge_scores(matched[hit], estimate, p_learning[hit])
    scores["factor"] = factor_scores(result.neurons, neurons)
    scores["shares"] = _share_scores(result.animals, matched[hit])
    return scores


def factor_scores(found: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """Error of ln factor, as it is and centred (its zero is a convention without controls), and coverage."""
    both = found.merge(truth[["neuron_id", "scale_factor"]], on="neuron_id", suffixes=("", "_true"))
    both = both.dropna(subset=["scale_factor"])
    if both.empty:
        return {
            "n": 0,
            "rmse_ln": None,
            "rmse_ln_centred": None,
            "r": None,
            "coverage_95": None,
            "coverage_common": None,
        }
    found_ln, true_ln = np.log(both["scale_factor"].to_numpy(float)), np.log(both["scale_factor_true"].to_numpy(float))
    error = found_ln - true_ln
    true = both["scale_factor_true"].to_numpy(float)

    def coverage(low: str, high: str) -> float:
        return float(((both[low].to_numpy(float) <= true) & (true <= both[high].to_numpy(float))).mean())

    return {
        "n": len(both),
        "rmse_ln": float(np.sqrt(np.mean(error**2))),
        "rmse_ln_centred": float(error.std()),
        "sd_ln_true": float(true_ln.std()),
        "r": agreement(found_ln, true_ln)["r"],
        "coverage_95": coverage("scale_factor_lo", "scale_factor_hi"),
        "coverage_common": coverage("common_lo", "common_hi"),
    }


def _edge_scores(matched: pd.DataFrame, estimate: Floats, p_learning: Floats) -> dict[str, Any]:
    """Recovered v true change of every connection, and F1 of the connections called changed at p >= 0.5."""
    edges = pd.DataFrame(
        {
            "pre": matched["pre_id_true"],
            "post": matched["post_id_true"],
            "found": estimate,
            "true": matched["learning_true"].to_numpy(float),
            "called": p_learning >= 0.5,
            "learned": learned_of(matched),
        }
    ).groupby(["pre", "post"])
    sums, flags = edges[["found", "true"]].sum(), edges[["called", "learned"]].any()
    n_both = int((flags["called"] & flags["learned"]).sum())
    total = int(flags["called"].sum() + flags["learned"].sum())
    change = agreement(sums["found"].to_numpy(float), sums["true"].to_numpy(float))
    return {"n_edges": len(sums), "change_r": change["r"], "edge_f1": 2 * n_both / total if total else None}


def _share_scores(animals: pd.DataFrame, matched: pd.DataFrame) -> dict[str, Any]:
    """Shares of the causes in the variance, estimated and true, in log units and in receptors."""
    scores: dict[str, Any] = {}
    if animals.empty or matched.empty:
        return scores
    for scale, prefix in (("var", "ln_"), ("lin", "")):
        parts = np.column_stack([matched[f"{prefix}{cause}_true"].to_numpy(float) for cause in CAUSES])
        for cause, true in zip(CAUSES, variance_shares(parts), strict=True):
            name = f"{scale}_share_{cause}"
            found = animals[name].iloc[0] if name in animals else None
            scores[name] = {"found": None if found is None or pd.isna(found) else float(found), "true": float(true)}
    return scores


def oracle_p(table: pd.DataFrame, level: Floats) -> Floats:
    """P(learning) of `neuron_mode`'s mixture when every synapse's log turnover without learning (n,) is known."""
    old, new = table["r_old"].to_numpy(float), table["r_new"].to_numpy(float)
    noise = tuple(
        fano(counts, table[f"{name}_se"].to_numpy(float) if f"{name}_se" in table else None)
        for name, counts in (("r_old", old), ("r_new", new))
    )
    excess, variance = excess_turnover(old, new, (noise[0], noise[1]), level)
    seen = Seen(excess, variance, level, np.zeros(len(table)), 0.0)
    total = np.zeros(len(table))
    for weight, mixture in fit_mixtures(seen):
        density = mixture.densities(seen)
        total += weight * density[:, 1:3].sum(axis=1) / density.sum(axis=1)
    return total


def true_level(neuron_id: NDArray[Any], neurons: pd.DataFrame, turnover: float) -> Floats:
    """Log turnover without learning and drift, ``k t + ln factor``, of the given neurons (n,)."""
    factor = neurons.set_index("neuron_id")["scale_factor"]
    return turnover + np.log(factor.reindex(neuron_id).fillna(1.0).to_numpy(float))


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


def compare(
    truth: pd.DataFrame, matched: pd.DataFrame, neurons: pd.DataFrame, tag: dict[str, Any], turnover: float
) -> dict[str, dict[str, float | None]]:
    """Average precision of `COMPARED` methods and of the oracle factor on each of `budget_tables`."""
    out: dict[str, dict[str, float | None]] = {}
    for stage, (table, learned) in budget_tables(truth, matched, tag).items():
        if table.empty:
            continue
        row: dict[str, float | None] = {}
        for method in COMPARED:
            p_learning = separate(table, method).synapses["p_learning"].to_numpy(float)
            row[method] = average_precision(learned, p_learning)
        if stage == "measured":  # the oracle knows the true parent as well
            row["oracle factor"] = out["measured, true parents"]["oracle factor"]
        else:
            level = true_level(table["neuron_id"].to_numpy(), neurons, turnover)
            row["oracle factor"] = average_precision(learned, oracle_p(table, level))
        out[stage] = row
    return out
