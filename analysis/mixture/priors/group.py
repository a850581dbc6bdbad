"""Groups of animals: not all of them may have learned as much."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.mixture.priors.protocol import Known

LEAST_NEURONS, MOST_GROUPS = 5, 8


def group(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
    """Contrasts between the groups that are no controls, as far as they have neurons enough."""
    kind = kinds(table, is_control)
    n = int(kind[~is_control].max(initial=0)) + 1
    if n == 1:
        return None
    contrasts = np.vstack([np.eye(n) - 1.0 / n, np.zeros(n)])[:, 1:]
    return Known(contrasts[kind], 2.0, False, "groups of animals may differ in the share of synapses that learned")


def kinds(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of every row's group (n,) from 0, that of the controls being the last; too small groups are one of them."""
    kind = np.zeros(len(table), np.int64)
    if "group" in table:
        group = table["group"].fillna("").to_numpy(str)
        neurons = pd.Series(table["neuron_id"].to_numpy()[~is_control]).groupby(group[~is_control]).nunique()
        names = np.sort(neurons.index[neurons >= LEAST_NEURONS].to_numpy(str))
        if 1 < names.size <= MOST_GROUPS:
            kind = np.searchsorted(names, group).clip(max=names.size - 1)
            kind[names[kind] != group] = 0
    kind[is_control] = kind[~is_control].max(initial=-1) + 1
    return kind


part = group
