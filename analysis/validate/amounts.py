"""Scores of what a separation states of amounts: factors, changes by each cause, shares of the causes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.robust import robust_sd
from synimg.analysis.shares import CAUSES, variance_shares
from synimg.analysis.validate.bootstrap import Rows, interval
from synimg.analysis.validate.scores import agreement

Floats = NDArray[np.float64]
NO_FACTOR = dict.fromkeys(
    ("rmse_ln", "rmse_ln_centred", "sd_ln_true", "r", "error_over_interval", "coverage_95", "coverage_common")
)


def factor_rows(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Neurons whose factor is stated and true: error of ln factor, the same centred per animal, and what interval holds.

    Parameters
    ----------
    found : DataFrame
        NEURON_RESULT.
    truth : DataFrame
        ``neuron_id``, ``scale_factor``, and ``animal_id`` where there are several.

    Returns
    -------
    DataFrame
        ``neuron_id``, ``animal_id``, ``ln``, ``ln_true``, ``error``, ``centred``, ``z``, ``holds``, ``holds_common``.

    Notes
    -----
    Without controls the zero of the factors is a convention, so the centred error is the one to compare. ``z`` is the
    error in units of the sd that the interval states.
    """
    truth = truth if "animal_id" in truth else truth.assign(animal_id="animal")
    both = found.merge(truth[["neuron_id", "animal_id", "scale_factor"]], on="neuron_id", suffixes=("", "_true"))
    both = both.dropna(subset=["scale_factor", "scale_factor_true"])
    true = both["scale_factor_true"].to_numpy(float)
    rows = both[["neuron_id", "animal_id"]].assign(
        ln=np.log(both["scale_factor"].to_numpy(float)), ln_true=np.log(true)
    )
    rows["error"] = rows["ln"] - rows["ln_true"]
    rows["centred"] = rows["error"] - rows.groupby("animal_id")["error"].transform("mean")
    low, high = (both[f"scale_factor_{end}"].to_numpy(float) for end in ("lo", "hi"))
    with np.errstate(divide="ignore", invalid="ignore"):
        rows["z"] = rows["error"] / ((np.log(high) - np.log(low)) / (2 * 1.96))
    rows["holds"] = (low <= true) & (true <= high)
    rows["holds_common"] = (both["common_lo"].to_numpy(float) <= true) & (true <= both["common_hi"].to_numpy(float))
    return rows


def rms(values: Floats) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def factor_scores(rows: pd.DataFrame, copies: Sequence[Rows] = ()) -> dict[str, Any]:
    """Error of ln factor, as it is and centred, against its own interval, and cover; intervals over the `copies` of the rows."""
    if rows.empty:
        return {"n": 0} | NO_FACTOR
    error, centred, z = (rows[name].to_numpy(float) for name in ("error", "centred", "z"))
    holds, common = (rows[name].to_numpy(bool) for name in ("holds", "holds_common"))
    scores: dict[str, Any] = {
        "n": len(rows),
        "rmse_ln": rms(error),
        "rmse_ln_centred": rms(centred),
        "sd_ln_true": float(rows["ln_true"].std(ddof=0)),
        "r": agreement(rows["ln"].to_numpy(float), rows["ln_true"].to_numpy(float))["r"],
        "error_over_interval": robust_sd(z[np.isfinite(z)]),
        "coverage_95": float(holds.mean()),
        "coverage_common": float(common.mean()),
    }
    if copies:
        scores["rmse_ln_95"] = interval(copies, lambda r: rms(error[r]))
        scores["rmse_ln_centred_95"] = interval(copies, lambda r: rms(centred[r]))
        scores["coverage_95_95"] = interval(copies, lambda r: float(holds[r].mean()))
    return scores


def delta_scores(synapses: pd.DataFrame, true: Floats, cause: str, copies: Sequence[Rows] = ()) -> dict[str, Any]:
    """R2, slope and cover of a stated change in receptors; nothing where the method does not state it.

    Parameters
    ----------
    synapses : DataFrame
        SEPARATION.
    true : (n,) ndarray [receptors]
        True change of its rows; NaN where it is not known.
    cause : str
        One of `CAUSES`.
    copies : sequence
        Of the rows, for intervals.
    """
    name, known = f"delta_{cause}", np.isfinite(true)
    found, low, high = (synapses[name + end].to_numpy(float) for end in ("", "_lo", "_hi"))
    if not known.any() or not np.isfinite(found[known]).all():
        return {}
    scores: dict[str, Any] = dict(agreement(found[known], true[known]))
    if np.isfinite(low[known]).all() and np.isfinite(high[known]).all():
        scores["coverage_95"] = float(((low <= true) & (true <= high))[known].mean())
    if copies:
        scores["r2_95"] = interval(copies, lambda r: agreement(found[r][known[r]], true[r][known[r]])["r2"])
    return scores


def share_scores(animals: pd.DataFrame, truth: pd.DataFrame, copies: Sequence[Rows]) -> dict[str, Any]:
    """Shares of the causes in the variance and share learned, stated and true, per animal.

    Parameters
    ----------
    animals : DataFrame
        ANIMAL_RESULT.
    truth : DataFrame
        Row per synapse: ``animal_id``, ``is_learned``, and the causes in receptors and as ``ln_*``, of which those given are
        scored.
    copies : sequence
        Of these rows, for the interval of the true share, which would be another with other neurons.

    Returns
    -------
    dict
        By animal: by name of a share: ``found``, ``found_95``, ``true``, ``true_95``, ``holds`` (the method's own interval).
    """
    found: dict[str, Any] = {}
    owner = truth["animal_id"].to_numpy(str)
    parts = {}
    for scale, prefix in (("var", "ln_"), ("lin", "")):
        if all(f"{prefix}{cause}" in truth for cause in CAUSES):
            parts[scale] = np.column_stack([truth[f"{prefix}{cause}"].to_numpy(float) for cause in CAUSES])
    learned = truth["is_learned"].to_numpy(bool)
    for row in animals.to_dict("records"):
        here = owner == str(row["animal_id"])
        if not here.any():
            continue
        mine = [rows[here[rows]] for rows in copies]
        true: dict[str, tuple[float, list[float] | None]] = {
            "share_learned": (
                float(learned[here].mean()),
                interval(mine, lambda r: learned[r].mean() if r.size else None),
            )
        }
        for scale, values in parts.items():
            good = np.isfinite(values).all(axis=1)
            shares = variance_shares(values[here & good])
            spread = np.array([variance_shares(values[r][good[r]]) for r in mine if good[r].sum() > 2])
            if not np.isfinite(shares).all():
                continue
            for k, cause in enumerate(CAUSES):
                ends = np.nanquantile(spread[:, k], [0.025, 0.975]).tolist() if np.isfinite(spread).any() else None
                true[f"{scale}_share_{cause}"] = float(shares[k]), ends
        found[str(row["animal_id"])] = {name: _share(row, name, value, ends) for name, (value, ends) in true.items()}
    return found


def _share(row: dict[Any, Any], name: str, true: float, true_95: list[float] | None) -> dict[str, Any]:
    stated, low, high = (row.get(name + end) for end in ("", "_lo", "_hi"))
    scores: dict[str, Any] = {"found": None, "found_95": None, "true": true, "true_95": true_95, "holds": None}
    if stated is not None and pd.notna(stated):
        scores["found"] = float(stated)
    if low is not None and high is not None and pd.notna(low) and pd.notna(high):
        scores |= {"found_95": [float(low), float(high)], "holds": bool(low <= true <= high)}
    return scores
