"""What a simulation of the rule predicts, brought to the rows of a synapse table."""

from pathlib import Path

import numpy as np
import pandas as pd

from synimg import schema
from synimg.analysis.match import match
from synimg.errors import SynimgError
from synimg.store.tables import read_table


def with_predictions(table: pd.DataFrame, path: Path, by_place: bool = False) -> tuple[pd.DataFrame, str]:
    """A synapse table with the column ``predicted_ln`` from a file by `schema.PREDICTIONS`, and a sentence on how many have one.

    Parameters
    ----------
    table : DataFrame
        Synapse table.
    path : Path
        Such as `synimg.resimulate` writes, or with ``synapse_id`` and ``predicted_ln`` from any simulator.
    by_place : bool
        Find each synapse by its place, not by its id: the synapses of a measured image are numbered as they were found.

    Raises
    ------
    SynimgError
        If the table has such a column, the file is none of predictions, or no synapse occurs in both.
    """
    if "predicted_ln" in table and table["predicted_ln"].notna().any():
        raise SynimgError(f"{path}: the synapse table has a column predicted_ln; leave --predicted or the column out")
    predicted = read_table(path, schema.PREDICTIONS)
    if by_place:
        absent = [name for name in schema.PLACE if name not in predicted]
        if absent:
            raise SynimgError(
                f"{path}: column '{absent[0]}' is missing; a data set's synapses are found by their place in um"
            )
        values = _by_place(table, predicted)
    else:
        values = table["synapse_id"].map(predicted.set_index("synapse_id")["predicted_ln"])
    n = int(values.notna().sum())
    if not n:
        how = "lies where a predicted one does" if by_place else "occurs there by its synapse_id"
        raise SynimgError(f"{path}: no synapse of the table {how}; the predictions are of another network")
    return table.assign(predicted_ln=values), f"{n} of {len(table)} synapses have a prediction of {path.name}"


def _by_place(table: pd.DataFrame, predicted: pd.DataFrame) -> pd.Series:
    there = predicted.dropna(subset=schema.PLACE)
    found, of = match(table[schema.PLACE].to_numpy(float), there[schema.PLACE].to_numpy(float))
    values = np.full(len(table), np.nan)
    values[found] = there["predicted_ln"].to_numpy(float)[of]
    return pd.Series(values, table.index)
