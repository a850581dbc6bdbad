"""What a table of inhibitory synapses says of the neurons that they lie on."""

from pathlib import Path

import numpy as np
import pandas as pd

from synimg import schema
from synimg.errors import SynimgError
from synimg.store.tables import read_table

LEAST_SYNAPSES = 3


def with_inhibition(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """A synapse table with the column ``inhibition_ln`` from a table of inhibitory synapses, and a sentence on how many have one.

    Parameters
    ----------
    table : DataFrame
        Synapse table, of excitatory synapses.
    path : Path
        Synapse table of the inhibitory synapses on the same neurons: old and new GABA-A receptors by a tag of their own (or
        gephyrin), by the same ``neuron_id``.

    Raises
    ------
    SynimgError
        If the table has such a column, the file is no synapse table, or too few neurons occur in both.
    """
    if "inhibition_ln" in table and table["inhibition_ln"].notna().any():
        raise SynimgError(f"{path}: the synapse table has a column inhibition_ln; leave --inhibition or the column out")
    changed = change_of_inhibition(read_table(path, schema.SYNAPSES))
    values = table["neuron_id"].map(changed).astype("float64")
    known = table.loc[values.notna(), "neuron_id"].nunique()
    if not known:
        raise SynimgError(
            f"{path}: no neuron of the table has {LEAST_SYNAPSES} or more inhibitory synapses there; both tables name "
            "neurons by the same neuron_id"
        )
    n = table["neuron_id"].nunique()
    return table.assign(inhibition_ln=values), f"{known} of {n} neurons have inhibitory synapses in {path.name}"


def change_of_inhibition(synapses: pd.DataFrame) -> pd.Series:
    """By neuron, how its inhibitory `synapses` changed in ln, up to a constant that all neurons share.

    Notes
    -----
    Mean of their log turnover, ``ln((old + new) / old)``: turnover is common to all neurons and drops out, as the prior takes
    no zero from it. Half a receptor is added to each count, so that a synapse without old receptors has one. Neurons with
    fewer than three inhibitory synapses have none.
    """
    known = synapses.dropna(subset=["neuron_id"])
    old, new = (known[name].to_numpy(float) for name in ("r_old", "r_new"))
    by_neuron = pd.Series(np.log((old + new + 1.0) / (old + 0.5))).groupby(known["neuron_id"].to_numpy(np.int64))
    return by_neuron.mean()[by_neuron.size() >= LEAST_SYNAPSES]
