"""Predictions of a simulation come to the rows of a table by their id, to those of an image by their place."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.predictions import with_predictions
from synimg.analysis.separation_files import separate_table
from synimg.errors import SynimgError

TABLE = pd.DataFrame({"synapse_id": [7, 8, 9], "z_um": 0.0, "y_um": 1.0, "x_um": [1.0, 2.0, 3.0]})


@pytest.fixture
def file(tmp_path):
    """A file of predictions: ids in another order, one synapse that the table lacks; places a little off."""
    frame = pd.DataFrame({"synapse_id": [9, 1, 8], "z_um": 0.1, "y_um": 1.05, "x_um": [1.0, 2.05, 50.0]})
    frame.assign(predicted_ln=[0.9, 0.1, 0.8]).to_csv(tmp_path / "predicted.csv", index=False)
    return tmp_path / "predicted.csv"


def test_they_come_by_id_or_by_place(file):
    by_id, said = with_predictions(TABLE, file)
    assert by_id["predicted_ln"].fillna(0.0).tolist() == [0.0, 0.8, 0.9]
    assert said == "2 of 3 synapses have a prediction of predicted.csv"
    by_place, _ = with_predictions(TABLE.assign(predicted_ln=np.nan), file, by_place=True)  # as a measured table has it
    assert by_place["predicted_ln"].fillna(0.0).tolist() == [0.9, 0.1, 0.0]


@pytest.mark.parametrize("by_place", [False, True])
def test_predictions_of_another_network_are_refused(file, by_place):
    with pytest.raises(SynimgError, match=r"predicted.csv: no synapse of the table .* of another network"):
        with_predictions(TABLE.assign(synapse_id=[70, 80, 90], y_um=5.0), file, by_place)


def test_a_table_that_has_predictions_takes_no_others(file):
    with pytest.raises(SynimgError, match="has a column predicted_ln"):
        with_predictions(TABLE.assign(predicted_ln=1.0), file)


def test_a_file_without_places_is_refused_for_an_image(file):
    pd.read_csv(file).drop(columns="x_um").to_csv(file, index=False)
    with pytest.raises(SynimgError, match="'x_um' is missing"):
        with_predictions(TABLE, file, by_place=True)


def test_a_separation_says_how_many_have_one_and_weighs_them(tmp_path, short_chain):
    rng = np.random.default_rng(1)
    n = 400
    predicted = np.where(rng.random(n) < 0.2, 1.0, 0.0)
    table = pd.DataFrame({"synapse_id": np.arange(n), "neuron_id": np.arange(n) % 10, "r_old": 100.0})
    table["r_new"] = np.rint(100.0 * np.exp(0.2 * rng.standard_normal(n) + predicted))
    table.to_csv(tmp_path / "table.csv", index=False)
    table[["synapse_id"]].assign(predicted_ln=predicted).to_csv(tmp_path / "predicted.csv", index=False)
    call = {"table": tmp_path / "table.csv", "out": tmp_path / "out", "predicted": tmp_path / "predicted.csv"}
    result, _ = separate_table(method="hierarchical", **call)
    assert "400 of 400 synapses have a prediction of predicted.csv" in result.info["warnings"]
    assert result.info["parameters"]["prior_weights"]["resimulate"][0] > 0
    with pytest.raises(SynimgError, match="'raw' makes no use of --predicted"):
        separate_table(method="raw", **call)
