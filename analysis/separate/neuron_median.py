"""Baseline: the factor of a neuron is the median of its log turnover, the rest is learning.

Dividing every synapse by its neuron's (or its region's) typical value is how homeostasis is commonly taken out; the
synapses that lie two pooled standard deviations off are called.
"""

import numpy as np
import pandas as pd

from synimg.analysis.controls import control_neurons, zero_of
from synimg.analysis.residual import Residuals, observed_turnover, pooled_sd, residual_result
from synimg.analysis.separate.protocol import Needs, Separation

VERSION = "1"
needs = Needs(
    what="the median of every neuron's log turnover, and 2 pooled sd",
    synapses_per_neuron=3,
    assumes=(
        "the synapse in the middle of a neuron did not learn",
        "homeostasis multiplies all synapses of a neuron by one factor",
        "what is left is learning; drift and counting noise have one sd for all sizes",
    ),
)


def neuron_median(table: pd.DataFrame, seed: int) -> Separation:
    """Separate a synapse table by the median of every neuron's log turnover."""
    y = observed_turnover(table)
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    level = np.asarray(pd.Series(y).groupby(row).median(), np.float64)
    residual = y - level[row]
    sd = pooled_sd(residual)
    zero = zero_of(level, control_neurons(table, ids))
    ln_factor, none = level - zero.value, np.zeros(y.size)
    found = Residuals(
        score=residual / sd,
        ln_parts=np.column_stack([residual, ln_factor[row], none]),
        level=level[row],
        ln_factor=ln_factor,
        # the median of n normal values has the variance pi / 2n
        ln_factor_se=np.hypot(sd * np.sqrt(np.pi / 2.0 / np.bincount(row)), zero.se),
        zero=zero,
    )
    info = {
        "method": "neuron_median",
        "version": VERSION,
        "parameters": {"sd_unchanged_ln": sd},
        "assumptions": list(needs.assumes),
        "diagnosis": {"n_neurons": int(ids.size), "sd_ln_factor": float(level.std()), "turnover_zero": zero.value},
    }
    return residual_result(table, found, seed, info)


part = neuron_median
