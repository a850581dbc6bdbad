"""What is averaged over a group: whether a synapse learned, and what its counts say beyond its neuron's level."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import CAUSES
from synimg.analysis.turnover import fano

Floats = NDArray[np.float64]
REMOVAL = "label_blind_removal"


def is_removal(result: Separation) -> bool:
    """Whether the separation found that depression takes old and new receptors alike."""
    return bool(result.info.get("parameters", {}).get("depression") == REMOVAL)


def changes(table: pd.DataFrame, result: Separation) -> dict[str, Floats]:
    r"""Per synapse, (n,) each: ``share_learned``, and where the separation has deltas ``change_ln``, ``change_receptors``.

    Notes
    -----
    The change is that of learning and drift together, straight from the counts and not drawn towards zero as a single
    synapse's posterior mean is. Drift has no direction, so that it averages out in a group and the mean change is learning's:

    .. math:: \ln\frac{P + N + c_A}{P + c_P} - kt - h, \qquad N - P\,(e^{kt + h} - 1)

    with half the variance over mean for ``c``, so that the logarithm of small counts is not biased. The level `kt + h` is
    the separation's: h its homeostasis of that synapse, kt what the sum of all old receptors then says. In receptors,
    drift adds half its variance times the synapse: the separation's sum of it is taken off. With label-blind
    removal a synapse that shrank shows nothing in P and N beyond turnover: there the posterior means have to do.
    """
    found = {"share_learned": result.synapses["p_learning"].to_numpy(np.float64)}
    deltas = result.synapses[[f"delta_{cause}" for cause in CAUSES]].to_numpy(np.float64)
    if not np.isfinite(deltas).all():
        return found
    old, new = (table[name].to_numpy(np.float64) for name in ("r_old", "r_new"))
    total = np.maximum(old + new, 0.5)
    change = deltas.sum(axis=1)
    start = np.maximum(total - change, 0.02 * total)
    growth = np.log(total / start)
    ln_parts = (
        deltas * np.where(np.abs(growth) < 1e-9, 1.0 / total, growth / np.where(change == 0, 1.0, change))[:, None]
    )
    if is_removal(result):
        return found | {"change_ln": ln_parts[:, 0] + ln_parts[:, 2], "change_receptors": deltas[:, 0] + deltas[:, 2]}
    turnover = np.log((total * np.exp(-growth)).sum() / max(old.sum(), 0.5))
    level = turnover + ln_parts[:, 1]
    errors = [table[name].to_numpy(np.float64) if name in table else None for name in ("r_old_se", "r_new_se")]
    noise = 0.5 * (1.0 + fano(old, errors[0])), 0.5 * (1.0 + fano(new, errors[1]))
    ratio = np.log((old + new + 0.5 * (noise[0] + noise[1])) / (old + noise[0]))
    drift = deltas[:, 2].sum() / start.sum() * start
    return found | {"change_ln": ratio - level, "change_receptors": new - old * np.expm1(level) - drift}
