"""Baseline: what stands out of the control animals' synapses is learning.

The field's commonest reading of a tag: a synapse counts as potentiated when its signal exceeds the mean of the control
distribution by two standard deviations (SEP-GluA1 enrichment in Zhang et al. 2015 and Roth et al. 2020; SynTagMA in
Perez-Alvarez et al. 2020 uses a fixed quantile of the same kind). Here the signal is log turnover.
"""

import numpy as np
import pandas as pd

from synimg.analysis.controls import LEAST_NEURONS, Zero, control_neurons
from synimg.analysis.residual import THRESHOLD_SD, Residuals, observed_turnover, residual_result
from synimg.analysis.separate.protocol import Needs, Separation

VERSION = "1"
needs = Needs(
    what="beyond mean + 2 sd of the control animals' log turnover",
    control_neurons=LEAST_NEURONS,
    assumes=(
        "trained animals differ from controls by learning alone: same turnover, no homeostasis",
        "log turnover of unchanged synapses is normal, with one sd for all sizes",
        "learning is growth: a synapse far below the controls is not called",
    ),
)


def threshold(table: pd.DataFrame, seed: int) -> Separation:
    """Separate a synapse table by the mean and sd of the control animals' log turnover."""
    y = observed_turnover(table)
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    control = control_neurons(table, ids)
    reference = y[control[row]]
    mean, sd = float(reference.mean()), max(float(reference.std(ddof=1)), 1e-6)
    score = np.maximum((y - mean) / sd, 0.0)
    excess, none = y - mean, np.zeros(y.size)
    learning = np.where(score > THRESHOLD_SD, excess, 0.0)
    se = sd / np.sqrt(reference.size)
    zero = Zero(mean, float(se), True, "homeostasis is assumed away; control animals give the zero")
    found = Residuals(
        score=score,
        ln_parts=np.column_stack([learning, none, excess - learning]),
        level=np.full(y.size, mean),
        ln_factor=np.zeros(ids.size),
        ln_factor_se=np.zeros(ids.size),
        zero=zero,
    )
    info = {
        "method": "threshold",
        "version": VERSION,
        "parameters": {"mean_controls": mean, "sd_controls": sd, "threshold": mean + THRESHOLD_SD * sd},
        "assumptions": list(needs.assumes),
        "diagnosis": {
            "n_control_neurons": int(control.sum()),
            "n_control_synapses": int(reference.size),
            "share_of_controls_called": float((reference > mean + THRESHOLD_SD * sd).mean()),
        },
    }
    return residual_result(table, found, seed, info)


part = threshold
