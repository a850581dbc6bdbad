"""Was the image read right? Found synapses, places, counts and parents against the truth."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.match import match
from synimg.analysis.robust import robust_sd
from synimg.analysis.validate.scores import calibration

GATE_UM = {"lateral_um": 0.15, "axial_um": 0.4}
AXES = ["z_um", "y_um", "x_um"]


def match_truth(synapses: pd.DataFrame, truth: pd.DataFrame, background: pd.DataFrame | None = None) -> pd.DataFrame:
    """The measured table with its true partner: ``true_synapse_id``, ``is_background`` and the truth's columns.

    A row without either is a false positive.

    Parameters
    ----------
    synapses : DataFrame
        Measured synapse table.
    truth : DataFrame
        Imaged rows of the truth table.
    background : DataFrame, optional
        Places of synapses of other neurons in the image, which are there to be found as well.
    """
    places = [truth[AXES].to_numpy(float)] + ([] if background is None else [background[AXES].to_numpy(float)])
    found, true = match(synapses[AXES].to_numpy(float), np.vstack(places), **GATE_UM)
    of_network = true < len(truth)
    partner = truth.iloc[true[of_network]].add_suffix("_true")
    partner = partner.rename(columns=lambda name: name.replace("_true_true", "_true"))
    partner = partner.rename(columns={"synapse_id_true": "true_synapse_id"}).set_index(
        synapses.index[found[of_network]]
    )
    is_background = np.zeros(len(synapses), bool)
    is_background[found[~of_network]] = True
    return synapses.assign(is_background=is_background).join(partner)


def imaging_scores(
    matched: pd.DataFrame, truth: pd.DataFrame, detections: pd.DataFrame, background: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Precision and recall of all synapses in the image; errors of place and count, coverage, and parents of the network's.

    Parameters
    ----------
    matched : DataFrame
        From `match_truth`.
    truth : DataFrame
        Imaged rows of the truth table.
    detections : DataFrame
        Detections with the standard errors of the places, in the order of the synapse table.
    background : DataFrame, optional
        As in `match_truth`.
    """
    hit = matched["true_synapse_id"].notna().to_numpy()
    there = truth[AXES] if background is None else pd.concat([truth[AXES], background[AXES]])
    n_found, n_true, n_hit = len(matched), len(there), int(hit.sum())
    n_right = n_hit + int(matched["is_background"].sum())
    precision, recall = n_right / max(n_found, 1), n_right / max(n_true, 1)
    rows = matched[hit]
    scores: dict[str, Any] = {
        "gate_um": GATE_UM,
        "n_found": n_found,
        "n_true": n_true,
        "n_true_background": n_true - len(truth),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "chance_f1": _chance(matched, there),
        "place": {},
        "counts": {},
    }
    for axis in AXES:
        error = (rows[axis] - rows[f"{axis}_true"]).to_numpy(float)
        se = detections.loc[hit, f"{axis}_se"].to_numpy(float)
        scores["place"][axis] = {
            "rmse_um": float(np.sqrt(np.mean(error**2))) if n_hit else None,
            "error_over_se": robust_sd(error / se),
        }
    for name in ("r_old", "r_new"):
        scores["counts"][name] = _count_scores(rows, name)
    if "r_old_new_cov" in rows and len(known := rows.dropna(subset=["r_old_se", "r_new_se", "r_old_new_cov"])):
        scores["counts"]["correlation"] = _correlation(known)
    scores["parents"] = _parent_scores(rows, matched[matched["is_background"].to_numpy(bool)])
    return scores


def _parent_scores(network: pd.DataFrame, others: pd.DataFrame) -> dict[str, float | None]:
    """Parents of the network's synapses; one given to a synapse of others is wrong, and probabilities must allow for it."""
    known, not_theirs = (rows[rows["neuron_id"].notna()] for rows in (network, others))
    right = (known["neuron_id"] == known["post_id_true"]).to_numpy(bool)
    scores: dict[str, float | None] = {"accuracy": float(right.mean()) if right.size else None}
    if len(known) < len(network):
        scores["share_known"] = len(known) / len(network)
    if len(others):
        scores["share_of_others_named"] = len(not_theirs) / len(others)
    if right.size:
        probability = np.concatenate([rows["neuron_prob"].to_numpy(float) for rows in (known, not_theirs)])
        is_right = np.concatenate([right, np.zeros(len(not_theirs), bool)])
        scores["calibration_error"] = calibration(is_right, probability)["error"]
    return scores


def _count_scores(rows: pd.DataFrame, name: str) -> dict[str, float | None]:
    found, true = rows[name].to_numpy(float), rows[f"{name}_true"].to_numpy(float)
    z = (found - true) / rows[f"{name}_se"].to_numpy(float)
    return {
        "bias": float(np.median(found[true > 0] / true[true > 0])) if (true > 0).any() else None,
        "error_over_se": robust_sd(z),
        "coverage_95": float(np.mean(np.abs(z) < 1.96)) if z.size else None,
    }


def _correlation(rows: pd.DataFrame) -> dict[str, float]:
    """How both counts' errors are correlated: the mean of what is stated; what is seen, with its standard error.

    Notes
    -----
    Seen is the covariance of the errors in units of their standard errors, cut at three: a neighbour that was not told apart
    may be as bright as the synapse.
    """
    old, new = (
        ((rows[n] - rows[f"{n}_true"]) / rows[f"{n}_se"]).clip(-3, 3).to_numpy(float) for n in ("r_old", "r_new")
    )
    stated = (rows["r_old_new_cov"] / (rows["r_old_se"] * rows["r_new_se"])).mean()
    product = (old - old.mean()) * (new - new.mean())
    seen_se = float(product.std() / np.sqrt(len(rows)))
    return {"stated": float(stated), "seen": float(product.mean()), "seen_se": seen_se}


def _chance(matched: pd.DataFrame, truth: pd.DataFrame) -> float:
    """F1 of the same find shifted by 2 um along y and x, around the block's ends."""
    found, true = matched[AXES].to_numpy(float), truth[AXES].to_numpy(float)
    if not len(found) or not len(true):
        return 0.0
    top = np.maximum(found.max(axis=0), true.max(axis=0)) + 1e-6
    shifted: NDArray[np.float64] = (found + np.array([0.0, 2.0, 2.0])) % top
    return 2.0 * match(shifted, true, **GATE_UM)[0].size / (len(found) + len(true))
