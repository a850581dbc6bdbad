"""The naive reading: every new receptor is learning."""

import numpy as np
import pandas as pd

from synimg.analysis.residual import observed_turnover, without_logarithm
from synimg.analysis.separate.protocol import Needs, Separation
from synimg.analysis.shares import animal_table

VERSION = "1"
needs = Needs(
    what="every new receptor is learning",
    assumes=("every new receptor is learning: no turnover, no homeostasis, no drift",),
)


def raw(table: pd.DataFrame, seed: int) -> Separation:
    """Every receptor that arrived in the window is put down to learning; the factor of every neuron is 1.

    The share of new receptors ranks the synapses and passes for a probability.
    """
    old, new = table["r_old"].to_numpy(float), table["r_new"].to_numpy(float)
    total = np.maximum(old + new, 1e-12)
    share_new = new / total
    synapses = pd.DataFrame({"synapse_id": table["synapse_id"], "p_learning": share_new, "lfdr": 1.0 - share_new})
    synapses["p_potentiated"], synapses["p_depressed"] = share_new, 0.0
    error = table["r_new_se"].fillna(0.0).to_numpy(float) if "r_new_se" in table else np.zeros(len(table))
    synapses["delta_learning"] = new
    synapses["delta_learning_lo"], synapses["delta_learning_hi"] = new - 1.96 * error, new + 1.96 * error
    for cause in ("homeostasis", "drift"):
        for end in ("", "_lo", "_hi"):
            synapses[f"delta_{cause}{end}"] = 0.0
    n_synapses = table.groupby("neuron_id").size()
    neurons = pd.DataFrame({"neuron_id": n_synapses.index.to_numpy(), "n_synapses": n_synapses.to_numpy()})
    for name in ("scale_factor", "scale_factor_lo", "scale_factor_hi", "common_lo", "common_hi"):
        neurons[name] = 1.0
    log_parts = np.zeros((len(table), 3))
    log_parts[:, 0] = observed_turnover(table)
    linear_parts = np.column_stack([new, np.zeros((len(table), 2))])
    why = "homeostasis, drift and constitutive turnover are assumed away"
    animals = animal_table(table, log_parts, linear_parts, share_new, False, why, seed)
    info = {
        "method": "raw",
        "version": VERSION,
        "parameters": {},
        "assumptions": list(needs.assumes),
        "diagnosis": {},
        "warnings": [
            "'raw' is the naive reading, a baseline: its probabilities are not calibrated",
            *without_logarithm(table),
        ],
    }
    return Separation(synapses, neurons, animals, info)


part = raw
