"""Inhibition as a mirror: what scaling gives to a neuron's excitatory synapses it takes from its inhibitory ones."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.mixture.priors.protocol import Known
from synimg.errors import SynimgError

LEAST_NEURONS = 10


def inhibitory_mirror(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
    """The column `inhibition_ln`, from the mean of the neurons.

    Raises
    ------
    SynimgError
        If a neuron has more than one value.

    Notes
    -----
    Kilman, van Rossum and Turrigiano (2002, J Neurosci 22:1328) saw reciprocal scaling under TTX: a weight of -1. How far
    it goes here, and how far a measured change can be trusted, is found from the table: a mirror that is none weighs 0. Its
    zero is not used, for turnover is not known apart from the factors' mean.
    """
    if "inhibition_ln" not in table:
        return None
    by_neuron = table.groupby("neuron_id")["inhibition_ln"]
    spread = by_neuron.max() - by_neuron.min()
    if (spread > 1e-9).any():
        neuron = spread.index[spread > 1e-9][0]
        values = table.loc[table["neuron_id"] == neuron, "inhibition_ln"]
        raise SynimgError(
            f"synapse table: neuron_id {neuron} has inhibition_ln {values.min():g} and {values.max():g}; all rows of a "
            "neuron take the mean change of its inhibitory synapses"
        )
    of_neuron = by_neuron.first()
    if of_neuron.notna().sum() < LEAST_NEURONS or of_neuron.std() == 0:
        return None
    values = table["neuron_id"].map(of_neuron - of_neuron.mean()).fillna(0.0).to_numpy(float)
    said = "ln factors are linear in the change of the neuron's inhibitory synapses (weight found from the table)"
    return Known(values[:, None], 1.0, False, said, about="factor")


part = inhibitory_mirror
