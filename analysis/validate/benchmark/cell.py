"""Scores of one method on one table, with bootstrap copies over animals and neurons."""

from typing import Any

from synimg.analysis.calls import called
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import CAUSES
from synimg.analysis.validate.amounts import delta_scores, factor_rows, factor_scores
from synimg.analysis.validate.bootstrap import copies_of
from synimg.analysis.validate.scores import FLAG, auroc, average_precision, calibration
from synimg.phantoms.scenarios.draw import Drawn
from synimg.phantoms.scenarios.scenario import Scenario
from synimg.streams import stream

NOMINAL = (0.05, 0.1)


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
    neuron, animal = (drawn.table[name].to_numpy() for name in ("neuron_id", "animal_id"))
    copies = copies_of(neuron, animal.astype(str), stream(seed, "benchmark", "bootstrap", scenario.name))
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
    scores |= _factors(result, scenario, drawn)
    for cause in CAUSES:
        scores |= _delta(result, drawn, cause)
    if "warnings" in result.info and result.neurons["scale_factor"].notna().any():  # else it cannot be expected to say
        scores["flagged"] = any(warning.startswith(FLAG) for warning in result.info["warnings"])
    return scores


def _factors(result: Separation, scenario: Scenario, drawn: Drawn) -> dict[str, Any]:
    """Error of the ln factor and cover of its intervals; where ids are shuffled there is none to find."""
    rows = factor_rows(result.neurons, drawn.neurons)
    if scenario.shuffled == "neurons" or rows.empty:
        return {}
    found = factor_scores(rows)
    return {
        "n_neurons": found["n"],
        "factor_rmse_ln": found["rmse_ln"],
        "factor_rmse_ln_centred": found["rmse_ln_centred"],
        "factor_cover": found["coverage_95"],
        "common_cover": found["coverage_common"],
    }


def _delta(result: Separation, drawn: Drawn, cause: str) -> dict[str, Any]:
    """Cover of a delta's interval, its R2 and slope; nothing where the method does not state it."""
    found = delta_scores(result.synapses, drawn.truth[cause].to_numpy(float), cause)
    names = {"r2": "r2", "slope": "slope", "coverage_95": "cover"}
    return {f"delta_{cause}_{short}": found[name] for name, short in names.items() if name in found}
