"""Baseline: the factor of a neuron from its sorted amplitudes against a reference's, the rest is learning.

Turrigiano et al. 1998 (Nature 391:892) sort the amplitudes of scaled and of control cells, plot one against the other and
take the slope for the scaling factor. A detection threshold distorts that (what was scaled up across it appears in one
distribution only); Kim, Tsien and Alger 2012 (PLoS ONE 7:e37364) scale by a trial factor first, discard what then lies
below the threshold in either, compare by Kolmogorov-Smirnov, and take the factor that fits best.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.controls import LEAST_NEURONS, Zero, control_neurons, controls_lack
from synimg.analysis.residual import Residuals, observed_turnover, pooled_sd, residual_result
from synimg.analysis.separate.protocol import Needs, Separation

Floats = NDArray[np.float64]
VERSION = "1"
TRIAL_LN = np.arange(-1.5, 1.5001, 0.02)
LEAST_KEPT = 0.5
"""Share of a neuron's synapses that must lie above the threshold for a trial factor to count."""
needs = Needs(
    what="a neuron's sorted amplitudes against those of the reference",
    synapses_per_neuron=8,
    assumes=(
        "sizes before the window are the same in all neurons, so that sorted amplitudes differ by the factor alone",
        "homeostasis multiplies all synapses of a neuron by one factor; too few learned to move its distribution",
        "the smallest amplitude of the table is the detection threshold",
        "what is left is learning; drift and counting noise have one sd for all sizes",
    ),
)


def rank_order_slope(amplitudes: Floats, reference: Floats) -> float:
    """Slope of the sorted `amplitudes` (n,) over the sorted `reference` (m,) at the same ranks (least squares).

    Notes
    -----
    Turrigiano et al. 1998, figure 3: a line with an intercept. The few largest synapses set it.
    """
    ranks = (np.arange(amplitudes.size) + 0.5) / amplitudes.size
    quantiles = np.interp(ranks, (np.arange(reference.size) + 0.5) / reference.size, reference)
    centred = quantiles - quantiles.mean()
    return float(centred @ np.sort(amplitudes) / max(centred @ centred, 1e-12))


def corrected_ln_factor(amplitudes: Floats, reference: Floats, threshold: float) -> float:
    """ln factor by which `amplitudes` (n,) exceed the sorted `reference` (m,), nothing below `threshold` having been seen.

    Notes
    -----
    Kim, Tsien and Alger 2012. For a trial factor f, amplitudes over f and the reference are compared above
    ``max(threshold, threshold / f)``, where both were seen. The Kolmogorov-Smirnov distance times the root of the effective
    sample size falls as its p-value rises; the centre of the best trials is taken, as the distance has steps.
    """
    amplitudes = np.sort(amplitudes)
    scaled = amplitudes / np.exp(TRIAL_LN)[:, None]
    cut = threshold * np.maximum(1.0, np.exp(-TRIAL_LN)) * (1.0 - 1e-9)
    first = (scaled < cut[:, None]).sum(axis=1)
    kept = amplitudes.size - first
    below = np.searchsorted(reference, cut)
    left = reference.size - below
    place = np.arange(amplitudes.size)
    expected = (np.searchsorted(reference, scaled, side="right") - below[:, None]) / np.maximum(left, 1)[:, None]
    before = (np.searchsorted(reference, scaled, side="left") - below[:, None]) / np.maximum(left, 1)[:, None]
    rank = (place - first[:, None]) / np.maximum(kept, 1)[:, None]
    step = 1.0 / np.maximum(kept, 1)[:, None]
    apart = np.maximum(rank + step - expected, before - rank)
    distance = np.where(place >= first[:, None], apart, 0.0).max(axis=1)
    score = distance * np.sqrt(kept * left / np.maximum(kept + left, 1))
    score[(kept < LEAST_KEPT * amplitudes.size) | (left < 2)] = np.inf
    best = TRIAL_LN[score <= score.min() + 0.02]
    return float(best.mean())


def rank_order(table: pd.DataFrame, seed: int) -> Separation:
    """Separate a synapse table by one rank-order factor per neuron; the reference is the controls, or else all neurons."""
    y = observed_turnover(table)
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    control = control_neurons(table, ids)
    total = (table["r_old"] + table["r_new"]).to_numpy(float)
    anchored = int(control.sum()) >= LEAST_NEURONS
    is_reference = control[row] if anchored else np.ones(y.size, bool)
    reference, smallest = np.sort(total[is_reference]), float(total.min())
    members = np.split(np.argsort(row, kind="stable"), np.cumsum(np.bincount(row))[:-1])
    ln_factor = np.array([corrected_ln_factor(total[who], reference, smallest) for who in members])
    slope = np.array([rank_order_slope(total[who], reference) for who in members])
    turnover = float(np.median((y - ln_factor[row])[is_reference]))
    residual = y - turnover - ln_factor[row]
    sd, none = pooled_sd(residual), np.zeros(y.size)
    why = "control animals are the reference of the factor"
    if not anchored:
        why = f"{controls_lack(control)}: all neurons together are the reference, so the zero of the factor is a convention, "
        why += "and learning common to all synapses of a neuron cannot be told from it"
    # a quantile-quantile shift of n values has about the error of a mean of ln sizes
    se = np.log(np.maximum(total, 0.5)).std() / np.sqrt(np.bincount(row))
    found = Residuals(
        score=residual / sd,
        ln_parts=np.column_stack([residual, ln_factor[row], none]),
        level=turnover + ln_factor[row],
        ln_factor=ln_factor,
        ln_factor_se=se,
        zero=Zero(turnover, float(se.mean() / np.sqrt(ids.size)), anchored, why),
    )
    info = {
        "method": "rank_order",
        "version": VERSION,
        "parameters": {"sd_unchanged_ln": sd, "turnover": turnover, "detection_threshold_receptors": smallest},
        "assumptions": list(needs.assumes),
        "diagnosis": {
            "n_neurons": int(ids.size),
            "n_control_neurons": int(control.sum()),
            "sd_ln_factor": float(ln_factor.std()),
            "slope_uncorrected_median": float(np.median(slope)),
            "sd_slope_uncorrected": float(slope.std()),
        },
    }
    return residual_result(table, found, seed, info)


part = rank_order
