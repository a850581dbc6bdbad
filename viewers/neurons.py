"""One neuron of a synapse map as a figure, with what its data set knows of it."""

from typing import Any

import numpy as np
import pandas as pd

from synimg import schema
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.dendrites import along, tree_files
from synimg.viewers.figures.neuron_card import baseline, neuron_card


def neuron_figure(
    table: pd.DataFrame, neuron_id: int, dataset: Dataset | None, run: str, selected: int | None = None
) -> Any:
    """The card of one neuron of a synapse map; without a data set or its separation, the histogram alone.

    Raises
    ------
    SynimgError
        If a file of the data set is damaged.
    """
    rows = table[table["neuron_id"] == neuron_id].reset_index(drop=True)
    neuron, base, true_factor = None, float(table["log_turnover"].median()), None
    if dataset is not None:
        files = tree_files(dataset.path / "truth" / "morphology")
        if neuron_id in files:
            on_dendrite = along(files[neuron_id], rows[PLACE].to_numpy(float))
            rows = rows.assign(path_um=on_dendrite["path_um"].to_numpy())
        if dataset.is_done(f"{run}/separate"):
            neurons = read_table(dataset.run(run) / "neurons.parquet", schema.NEURON_RESULT)
            if neurons["scale_factor"].notna().any():
                base = baseline(table, neurons)
                found = neurons[neurons["neuron_id"] == neuron_id]
                neuron = found.iloc[0] if len(found) else None
        true_file = dataset.path / "truth" / "neurons.parquet"
        if neuron is not None and true_file.is_file():
            truth = read_table(true_file, schema.TRUTH_NEURONS).set_index("neuron_id")["scale_factor"]
            if neuron_id in truth.index and np.isfinite(truth[neuron_id]):
                true_factor = float(truth[neuron_id])
    return neuron_card(rows, neuron, base, true_factor, selected)
