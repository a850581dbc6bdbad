"""What a table looks like before any method is run: how neurons differ, what their synapses share, what else is known."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from synimg.analysis.controls import control_neurons
from synimg.analysis.robust import robust_sd
from synimg.analysis.turnover import excess_turnover, fano
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_PER_NEURON = 5
LEAST_NEURONS = 5
TWO_HUMPS = 5.0 / 9.0
"""Bimodality coefficient of an even distribution; two humps lie above, a normal one has a third."""
NEAR_SES = 2.0
MOST_FACTORS, N_SHUFFLES = 5, 3
CUT_SDS = 3.0
LEAST_PER_PRE = 2.0


def diagnose(table: pd.DataFrame, seed: int = 0) -> dict[str, Any]:
    """Numbers about a synapse table, JSON-ready; None where there is too little to say.

    Parameters
    ----------
    table : DataFrame
        Checked synapse table.
    seed : int
        Of the shuffles that the rank is compared with.

    Returns
    -------
    dict
        ``n_synapses``, ``n_neurons``, ``synapses_per_neuron`` (median), ``n_control_neurons``; of the neurons' median log
        turnover: ``level_sd``, ``level_sd_noise`` (what the scatter of synapses alone would give), ``level_skew``,
        ``level_bimodality``; ``controls_shift_ln``, their mean below the others'; ``share_near_mode``;
        ``mode_below_median_ln``; ``residual_rank`` of the neuron x presynaptic cell matrix.

    Notes
    -----
    Levels are of neurons of five synapses and more. The bimodality coefficient is ``(g^2 + 1) / (k + 3 (n - 1)^2 /
    ((n - 2)(n - 3)))`` with the bias-corrected skewness g and excess kurtosis k (Pfister et al. 2013, Front Psychol
    4:700): above 5/9 for two humps, but also for one that is very skew. A neuron's mode is the middle of the shortest
    half of its log turnovers (Rousseeuw 1984, J Am Stat Assoc 79:871); a synapse is near it within two standard
    errors of its counts, drift left out. The rank is the number of singular values of the residuals from the neurons'
    medians, cut at three robust sd, that lie above the largest with the residuals of each neuron dealt out anew (parallel
    analysis, Horn 1965, Psychometrika 30:179).
    """
    old, new = (np.maximum(table[f"r_{name}"].to_numpy(float), 0.0) for name in ("old", "new"))
    ids, neuron = np.unique(table["neuron_id"].to_numpy(), return_inverse=True)
    count = np.bincount(neuron)
    controls = control_neurons(table, ids)
    found: dict[str, Any] = {
        "n_synapses": int(neuron.size),
        "n_neurons": int(ids.size),
        "synapses_per_neuron": float(np.median(count)),
        "n_control_neurons": int(controls.sum()),
    }
    y = np.log1p((new + 0.5) / (old + 0.5))
    order = np.lexsort((y, neuron))
    first = np.cumsum(count) - count
    ordered = y[order]
    median = 0.5 * (ordered[first + (count - 1) // 2] + ordered[first + count // 2])
    enough = count >= LEAST_PER_NEURON
    residual = y - median[neuron]
    scatter = robust_sd(residual[enough[neuron]]) or 0.0
    found |= _of_levels(median[enough], count[enough], controls[enough], scatter)
    found |= _of_modes(table, (old, new), ordered, (first, count, neuron), median)
    found["residual_rank"] = _rank(table, neuron, residual, scatter, seed) if enough.any() else None
    return found


def _of_levels(level: Floats, count: Ints, controls: NDArray[np.bool_], scatter: float) -> dict[str, float | None]:
    """Spread, skewness and modality of the neurons' levels."""
    names = ("level_sd", "level_sd_noise", "level_skew", "level_bimodality", "controls_shift_ln")
    found: dict[str, float | None] = dict.fromkeys(names)
    n = level.size
    if n < LEAST_NEURONS:
        return found
    found["level_sd"] = float(level.std(ddof=1))
    # the variance of a median is pi / 2 times that of a mean
    found["level_sd_noise"] = float(scatter * np.sqrt(np.pi / 2.0 * np.mean(1.0 / count)))
    centred = level - level.mean()
    variance = float((centred**2).mean())
    if variance > 1e-12:
        skew = float((centred**3).mean() / variance**1.5) * np.sqrt(n * (n - 1.0)) / (n - 2.0)
        kurtosis = float((centred**4).mean() / variance**2) - 3.0
        kurtosis = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * kurtosis + 6.0)
        found["level_skew"] = float(skew)
        found["level_bimodality"] = float((skew**2 + 1.0) / (kurtosis + 3.0 * (n - 1.0) ** 2 / ((n - 2.0) * (n - 3.0))))
    if controls.any() and not controls.all():
        found["controls_shift_ln"] = float(level[~controls].mean() - level[controls].mean())
    return found


def _of_modes(
    table: pd.DataFrame,
    counts: tuple[Floats, Floats],
    ordered: Floats,
    owners: tuple[Ints, Ints, Ints],
    median: Floats,
) -> dict[str, float | None]:
    """How many synapses agree with their neuron's mode, and where the mode lies.

    Parameters
    ----------
    table : DataFrame
    counts : (n,), (n,) ndarray
        Old and new receptors.
    ordered : (n,) ndarray
        Log turnover, neuron after neuron, ascending.
    owners : (n_neurons,), (n_neurons,), (n,) ndarray
        First place and number of each neuron's synapses, neuron of each row of the table.
    median : (n_neurons,) ndarray
    """
    first, count, neuron = owners
    enough = count >= LEAST_PER_NEURON
    if not enough.any():
        return {"share_near_mode": None, "mode_below_median_ln": None}
    half = count // 2  # the shortest half reaches so many places further
    row_half = np.repeat(half, count)
    place = np.arange(ordered.size)
    fits = place + row_half < np.repeat(first + count, count)
    last = np.minimum(place + row_half, ordered.size - 1)
    width = np.where(fits, ordered[last] - ordered, np.inf)
    shortest = np.minimum.reduceat(width, first)
    start = np.minimum.reduceat(np.where(width <= np.repeat(shortest, count), place, ordered.size), first)
    mode = 0.5 * (ordered[start] + ordered[start + half])
    noise = [
        fano(c, table[f"r_{name}_se"].to_numpy(float) if f"r_{name}_se" in table else None)
        for c, name in zip(counts, ("old", "new"), strict=True)
    ]
    excess, variance = excess_turnover(*counts, (noise[0], noise[1]), np.maximum(mode, 1e-3)[neuron])
    near = np.abs(excess) <= NEAR_SES * np.sqrt(variance)
    return {
        "share_near_mode": float(near[enough[neuron]].mean()),
        "mode_below_median_ln": float((median - mode)[enough].mean()),
    }


def _rank(table: pd.DataFrame, neuron: Ints, residual: Floats, scatter: float, seed: int) -> int | None:
    """Singular values of the neuron x presynaptic matrix above chance; None without partners that recur."""
    if "pre_id" not in table or scatter == 0.0:
        return None
    known = table["pre_id"].notna().to_numpy()
    if not known.any():
        return None
    partners, pre = np.unique(table["pre_id"].to_numpy()[known].astype(np.int64), return_inverse=True)
    row, value = neuron[known], np.clip(residual[known], -CUT_SDS * scatter, CUT_SDS * scatter)
    shape = (int(neuron.max()) + 1, partners.size)
    k = min(MOST_FACTORS, min(shape) - 1)
    if k < 1 or pre.size < LEAST_PER_PRE * partners.size:
        return None

    def largest(values: Floats, k: int) -> Floats:
        matrix = csr_matrix((values, (row, pre)), shape)
        found: Floats = np.sort(svds(matrix, k=k, v0=np.ones(min(shape)), return_singular_vectors=False))[::-1]
        return found

    rng = stream(seed, "separate", "diagnosis")
    chance = 0.0
    for _ in range(N_SHUFFLES):
        shuffled = np.empty_like(value)
        shuffled[np.argsort(row, kind="stable")] = value[np.lexsort((rng.random(row.size), row))]
        chance = max(chance, float(largest(shuffled, 1)[0]))
    return int((largest(value, k) > chance).sum())


def diagnosis_lines(found: dict[str, Any]) -> list[str]:
    """The diagnosis in a few lines of text, each with what it bears on."""
    whole = found.get("sample_of")
    lines = [
        (f"of {whole} synapses a sample: " if whole else "")
        + f"{found['n_synapses']} synapses on {found['n_neurons']} neurons, {found['synapses_per_neuron']:g} per neuron (median), "
        + (f"{found['n_control_neurons']} of the neurons are controls" if found["n_control_neurons"] else "no controls")
    ]
    sd, noise, skew, humps = (found[f"level_{name}"] for name in ("sd", "sd_noise", "skew", "bimodality"))
    if sd is not None:
        line = f"neurons' medians: sd {sd:.2f} in ln where the scatter of synapses gives {noise:.2f}"
        if skew is not None:
            kind = "two humps" if humps > TWO_HUMPS else "one hump; two lie above .56"
            line += f", skewness {skew:.1f}, bimodality {humps:.2f} ({kind})"
        lines.append(line)
    if found["controls_shift_ln"] is not None:
        lines.append(f"neurons that are no controls lie {found['controls_shift_ln']:+.2f} in ln from the controls")
    if found["share_near_mode"] is not None:
        below = found["mode_below_median_ln"]
        lines.append(
            f"{found['share_near_mode']:.0%} of the synapses agree with their neuron's mode within the error of their counts; "
            f"modes lie {abs(below):.2f} in ln {'below' if below >= 0 else 'above'} medians"
        )
    if found["residual_rank"] is not None:
        at_most = " (or more)" if found["residual_rank"] == MOST_FACTORS else ""
        lines.append(f"neurons x presynaptic cells: {found['residual_rank']}{at_most} factors above chance")
    return lines
