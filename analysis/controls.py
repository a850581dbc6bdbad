"""Control animals: which neurons are theirs, and whether they fix the zero of the homeostatic factor."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import fdtrc

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CONTROL_GROUPS = ("yoked", "naive", "control")
LEAST_NEURONS = 3
COMMON_LN = (-0.75, 0.25)
"""What a component common to a neuron may hide, in ln factor: a doubling of the whole cell by learning on one side, the
shifted zero on the other."""


@dataclass(frozen=True)
class Zero:
    """Log turnover of a neuron whose factor is 1.

    value, se : float
    anchored : bool, whether control animals fix it
    why : str
    shift : float, mean of the trained neurons above it, where there are controls
    """

    value: float
    se: float
    anchored: bool
    why: str
    shift: float = 0.0


def control_neurons(table: pd.DataFrame, ids: NDArray[np.int64]) -> Bools:
    """Which of the neurons (their sorted ids) belong to control animals."""
    if "group" not in table:
        return np.zeros(ids.size, bool)
    group = table.groupby("neuron_id", sort=True)["group"].first()
    controls: Bools = group.str.strip().str.lower().isin(CONTROL_GROUPS).fillna(False).to_numpy(bool)
    return controls


def zero_of(level: Floats, control: Bools) -> Zero:
    """The zero of the factor, from levels of log turnover (n_neurons,).

    Controls anchor it only if the trained neurons spread no wider and the group means agree.
    """
    if control.sum() < LEAST_NEURONS or (~control).sum() < LEAST_NEURONS:
        reference = level[control] if control.any() else level
        spread = float(reference.std(ddof=1)) if reference.size > 1 else 0.5
        of = "" if control.all() or not control.any() else " of the controls"
        why = f"{controls_lack(control)}: the zero of the factor is a convention (mean ln factor{of} 0), and learning common to "
        why += "all synapses of a neuron cannot be told from it"
        return Zero(float(reference.mean()), float(spread / np.sqrt(reference.size)), False, why)
    trained, controls = level[~control], level[control]
    error = np.sqrt(trained.var(ddof=1) / trained.size + controls.var(ddof=1) / controls.size)
    shift = float(trained.mean() - controls.mean())
    wider, shifted = _f_test(trained, controls) < 0.1, abs(shift) > 2.0 * error
    value, se = float(controls.mean()), float(controls.std(ddof=1) / np.sqrt(controls.size))
    if wider or shifted:
        what = "spread wider than" if wider else "differ on average from"
        return Zero(value, se, False, f"trained neurons {what} the controls: homeostasis or whole-cell learning", shift)
    return Zero(value, se, True, "control animals anchor the factor: same mean and spread as the trained", shift)


def controls_lack(control: Bools) -> str:
    """Why the control neurons (n_neurons,) of a table are no reference for the others."""
    if not control.any():
        return "no control animals"
    if control.all():
        return "all animals are controls"
    n_controls, n_trained = int(control.sum()), int((~control).sum())
    few = f"{n_controls} neurons of control" if n_controls < LEAST_NEURONS else f"{n_trained} neurons of trained"
    return f"only {few} animals (it takes {LEAST_NEURONS})"


def factor_table(
    ids: NDArray[np.int64],
    ln_factor: tuple[Floats, Floats, Floats],
    n_synapses: NDArray[np.int64],
    anchored: bool,
    shift: float = 0.0,
) -> pd.DataFrame:
    """One row per neuron by `schema.NEURON_RESULT`.

    Parameters
    ----------
    ids, n_synapses : (n_neurons,) ndarray of int
    ln_factor : three (n_neurons,) ndarray, the factor and the ends of its interval
    anchored : bool
        Whether control animals fix the zero: if not, the common interval holds `COMMON_LN`.
    shift : float
        A shift of all neurons that the common interval holds, too.
    """
    mean, low, high = ln_factor
    below, above = (0.0, 0.0) if anchored else COMMON_LN
    return pd.DataFrame(
        {
            "neuron_id": ids,
            "scale_factor": np.exp(mean),
            "scale_factor_lo": np.exp(low),
            "scale_factor_hi": np.exp(high),
            "common_lo": np.exp(low + min(below, shift)),
            "common_hi": np.exp(high + max(above, shift)),
            "n_synapses": n_synapses,
        }
    )


def _f_test(trained: Floats, controls: Floats) -> float:
    """Probability that the trained neurons' variance exceeds the controls' this much by chance."""
    ratio = trained.var(ddof=1) / max(controls.var(ddof=1), 1e-12)
    return float(fdtrc(trained.size - 1, controls.size - 1, ratio))
