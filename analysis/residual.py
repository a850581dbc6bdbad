"""Baselines that take what is left of log turnover for learning: one result from their residuals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from synimg.analysis.controls import Zero, factor_table
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import CAUSES, animal_table, per_ln
from synimg.analysis.turnover import excess_turnover, fano

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
THRESHOLD_SD = 2.0
LEAST_OLD = 0.5


@dataclass(frozen=True)
class Residuals:
    """How a baseline reads a table; n synapses of k neurons.

    score : (n,) ndarray, residual of log turnover in sd of the unchanged; called where beyond `THRESHOLD_SD`
    ln_parts : (n, 3) ndarray, change by learning, homeostasis and drift [ln receptors]
    level : (n,) ndarray, log turnover that is expected without learning
    ln_factor, ln_factor_se : (k,) ndarray, in the order of the sorted neuron ids
    zero : Zero, of the factor
    """

    score: Floats
    ln_parts: Floats
    level: Floats
    ln_factor: Floats
    ln_factor_se: Floats
    zero: Zero


def observed_turnover(table: pd.DataFrame) -> Floats:
    """Log turnover (n,) of each synapse, as the field computes it; fewer than half an old receptor count as half a one."""
    new = table["r_new"].to_numpy(float)
    y: Floats = np.log1p(new / np.maximum(table["r_old"].to_numpy(float), LEAST_OLD))
    return y


def without_logarithm(table: pd.DataFrame) -> list[str]:
    """How many synapses have their fewer than half an old receptor counted as half a one."""
    n = int((table["r_old"] < LEAST_OLD).sum())
    return (
        [f"{n} of {len(table)} synapses have an r_old below 0.5, which is taken for 0.5: 0 has no logarithm"]
        if n
        else []
    )


def pooled_sd(residual: Floats) -> float:
    """Sd of the unchanged synapses, pooled over all neurons: 1.4826 times the median absolute residual.

    Notes
    -----
    Not per neuron: a neuron's own scatter grows with what it learned.
    """
    return max(1.4826 * float(np.median(np.abs(residual))), 1e-6)


def residual_result(table: pd.DataFrame, found: Residuals, seed: int, info: dict[str, Any]) -> Separation:
    """Tables of the result.

    Notes
    -----
    The field calls a synapse or does not. `p_learning` is 0.5 at the threshold and rises with the score like a normal
    distribution of its width, so that it ranks; the share learned is the share beyond the threshold. Intervals hold the
    counting error and the factor's.
    """
    old, new = table["r_old"].to_numpy(float), table["r_new"].to_numpy(float)
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    p: Floats = ndtr(np.abs(found.score) - THRESHOLD_SD)
    up = np.where(found.score > 0, p, 0.0)
    change = found.ln_parts.sum(axis=1)
    scale = (old + new) * per_ln(change)
    linear = found.ln_parts * scale[:, None]
    errors = [table[name].to_numpy(float) if name in table else None for name in ("r_old_se", "r_new_se")]
    _, variance = excess_turnover(old, new, (fano(old, errors[0]), fano(new, errors[1])), np.maximum(found.level, 0.05))
    factor_var = found.ln_factor_se[row] ** 2
    ln_var = np.column_stack([variance + factor_var, factor_var, np.zeros(old.size)])
    half = 1.96 * np.sqrt(ln_var) * scale[:, None]
    synapses = pd.DataFrame({"synapse_id": table["synapse_id"], "p_learning": p, "lfdr": 1.0 - p})
    synapses["p_potentiated"], synapses["p_depressed"] = up, p - up
    for k, cause in enumerate(CAUSES):
        synapses[f"delta_{cause}"] = linear[:, k]
        synapses[f"delta_{cause}_lo"] = linear[:, k] - half[:, k]
        synapses[f"delta_{cause}_hi"] = linear[:, k] + half[:, k]
    called = (np.abs(found.score) > THRESHOLD_SD).astype(float)
    animals = animal_table(table, found.ln_parts, linear, called, found.zero.anchored, found.zero.why, seed)
    spread = 1.96 * found.ln_factor_se
    interval = (found.ln_factor, found.ln_factor - spread, found.ln_factor + spread)
    neurons = factor_table(ids, interval, np.bincount(row, minlength=ids.size), found.zero.anchored)
    warnings = [] if found.zero.anchored else [f"not identifiable in full: {found.zero.why}"]
    warnings += without_logarithm(table)
    warnings.append(f"'{info['method']}' is a baseline: its probabilities rank the synapses but are not calibrated")
    return Separation(synapses, neurons, animals, {**info, "warnings": warnings})
