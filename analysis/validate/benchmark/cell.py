"""Scores of one method on one table, with bootstrap copies over animals and neurons."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import CAUSES
from synimg.analysis.validate.scores import agreement, auroc, average_precision, calibration, called
from synimg.phantoms.scenarios.draw import Drawn
from synimg.phantoms.scenarios.scenario import Scenario
from synimg.streams import stream

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOMINAL = (0.05, 0.1)
N_BOOTSTRAP = 200
FLAG = "not identifiable:"
"""How a warning starts which says that the table has another reading; `not identifiable in full` is none, it says that the
zero of the factors is a convention."""


def score_cell(result: Separation, scenario: Scenario, drawn: Drawn, seed: int) -> dict[str, Any]:
    """All scores of a result, JSON-ready.

    Notes
    -----
    The bootstrap draws animals, and neurons within them, with replacement: the same draws for every method, so that ratios
    of two methods' copies are paired. Calls are those made on the whole table.
    """
    truth, synapses = drawn.truth, result.synapses
    learned = truth["is_learned"].to_numpy(bool)
    p_learning, lfdr = (synapses[name].to_numpy(float) for name in ("p_learning", "lfdr"))
    copies = _bootstrap(drawn, seed, scenario.name)
    scores: dict[str, Any] = {
        "n": learned.size,
        "n_learned": int(learned.sum()),
        "average_precision": average_precision(learned, p_learning),
        "auroc": auroc(learned, p_learning),
        "calibration_error": calibration(learned, p_learning)["error"],
    }
    if learned.any():
        scores["average_precision_copies"] = [average_precision(learned[rows], p_learning[rows]) for rows in copies]
    for nominal in NOMINAL:
        chosen = called(lfdr, nominal)
        name = f"{round(100 * nominal):02d}"
        scores[f"called_{name}"], scores[f"false_{name}"] = int(chosen.sum()), int((chosen & ~learned).sum())
        scores[f"called_{name}_copies"] = [int(chosen[rows].sum()) for rows in copies]
        scores[f"false_{name}_copies"] = [int((chosen & ~learned)[rows].sum()) for rows in copies]
    scores |= _factor_scores(result, scenario, drawn)
    for cause in CAUSES:
        scores |= _delta_scores(result, drawn, cause)
    if "warnings" in result.info and result.neurons["scale_factor"].notna().any():  # else it cannot be expected to say
        scores["flagged"] = any(warning.startswith(FLAG) for warning in result.info["warnings"])
    return scores


def _bootstrap(drawn: Drawn, seed: int, name: str) -> list[NDArray[np.intp]]:
    """Rows of the bootstrap copies."""
    neuron = drawn.table["neuron_id"].to_numpy()
    order = np.argsort(neuron, kind="stable")
    ids, first = np.unique(neuron[order], return_index=True)
    rows = dict(zip(ids.tolist(), np.split(order, first[1:]), strict=True))
    of_animal = drawn.table.groupby("animal_id", sort=True)["neuron_id"].unique()
    members = [[rows[i] for i in neurons.tolist()] for neurons in of_animal]
    rng = stream(seed, "benchmark", "bootstrap", name)
    copies = []
    for _ in range(N_BOOTSTRAP):
        animals = [members[i] for i in rng.integers(0, len(members), len(members))]
        copies.append(np.concatenate([a[i] for a in animals for i in rng.integers(0, len(a), len(a))]))
    return copies


def _factor_scores(result: Separation, scenario: Scenario, drawn: Drawn) -> dict[str, Any]:
    """Error of the ln factor and cover of its intervals; where ids are shuffled there is none to find."""
    both = result.neurons.merge(
        drawn.neurons[["neuron_id", "animal_id", "scale_factor"]], on="neuron_id", suffixes=("", "_true")
    ).dropna(subset=["scale_factor"])
    if scenario.shuffled == "neurons" or both.empty:
        return {}
    true = both["scale_factor_true"].to_numpy(float)
    error = np.log(both["scale_factor"].to_numpy(float)) - np.log(true)
    centred = error - both.assign(error=error).groupby("animal_id")["error"].transform("mean").to_numpy()

    def cover(low: str, high: str) -> float:
        return float(((both[low].to_numpy(float) <= true) & (true <= both[high].to_numpy(float))).mean())

    return {
        "n_neurons": len(both),
        "factor_rmse_ln": float(np.sqrt(np.mean(error**2))),
        "factor_rmse_ln_centred": float(np.sqrt(np.mean(centred**2))),
        "factor_cover": cover("scale_factor_lo", "scale_factor_hi"),
        "common_cover": cover("common_lo", "common_hi"),
    }


def _delta_scores(result: Separation, drawn: Drawn, cause: str) -> dict[str, Any]:
    """Cover of a delta's interval, its R2 and slope; nothing where the method does not state it."""
    name = f"delta_{cause}"
    true = drawn.truth[cause].to_numpy(float)
    found, low, high = (result.synapses[name + end].to_numpy(float) for end in ("", "_lo", "_hi"))
    if not np.isfinite(found).all():
        return {}
    fit = agreement(found, true)
    scores: dict[str, Any] = {f"{name}_r2": fit["r2"], f"{name}_slope": fit["slope"]}
    if np.isfinite(low).all() and np.isfinite(high).all():
        scores[f"{name}_cover"] = float(((low <= true) & (true <= high)).mean())
    return scores
