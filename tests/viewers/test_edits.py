"""Edits by hand become a run of their own, and the originals stay."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from synimg import schema
from synimg.analysis.look import Measured
from synimg.analysis.separation_files import separate_dataset
from synimg.analysis.validate import validate
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.edits import edits_of, save_edits
from synimg.viewers.synapse_map import read_synapse_map


@pytest.fixture
def opened(sample_copy):
    """The data set, and its synapses as a points layer has them: places and features."""
    dataset = Dataset.open(sample_copy)
    table = read_synapse_map(dataset)
    return dataset, table[PLACE].to_numpy(float, copy=True), table.drop(columns=PLACE).reset_index(drop=True)


def test_a_class_and_a_note_are_read_back_with_author_and_time(opened):
    dataset, places, features = opened
    features["class_by_hand"], features["note"] = "", ""
    features.loc[4, ["class_by_hand", "note"]] = ["potentiated", "on a shaft"]
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    run, _ = save_edits(dataset, "default", places, features, author="ada", time=when)
    again = Dataset.open(dataset.path)
    edit = again.index["stages"][f"{run}/measure"]["notes"]["edit"]
    assert (run, edit["author"], edit["time"], edit["of"]) == (
        "default-edit-1", "ada", "2026-01-02T03:04:05+00:00", "default",
    )  # fmt: skip
    table = read_synapse_map(again, run).set_index("synapse_id")
    assert table.loc[features["synapse_id"][4], ["class", "note"]].tolist() == ["potentiated", "on a shaft"]
    assert again.verify() == []


def test_points_added_moved_and_deleted_are_read_back_in_micrometres(opened):
    dataset, places, features = opened
    before = (dataset.run("default") / "synapses.parquet").read_bytes()
    psf = np.array(Measured.open(dataset).recording.channels[0].psf_sigma_um)
    moved_id, deleted_id = int(features["synapse_id"][0]), int(features["synapse_id"][1])
    places, features = np.delete(places, 1, axis=0), features.drop(index=1)
    places[0] += [0.0, 0.04, 0.0]
    # napari gives the new point the features of the one that was selected, its id too
    by_hand = np.array([[2.0, 3.0, 4.0]])
    places, features = np.vstack([places, by_hand]), pd.concat([features, features.iloc[[7]]], ignore_index=True)
    run, edits = save_edits(dataset, "default", places, features)
    assert edits.text == "1 added, 1 deleted, 1 moved, 0 with a class or a note by hand"
    table = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES).set_index("synapse_id")
    added = table[table["edited"] == "added"]
    assert (np.abs(added[PLACE].to_numpy(float) - by_hand) <= 1.01 * psf).all()
    assert added.index[0] > features["synapse_id"].max()
    assert table.loc[moved_id, "edited"] == "moved"
    assert deleted_id not in table.index
    assert (dataset.run("default") / "synapses.parquet").read_bytes() == before


def test_a_synapse_deleted_and_added_again_by_hand_has_the_receptors_that_were_measured(opened):
    dataset, places, features = opened
    apart = np.sort(np.linalg.norm(places[:, None] - places[None], axis=-1), axis=1)[:, 1]
    row = int(np.argmax(apart))
    measured = features.loc[row, ["r_old", "r_new"]].astype(float).to_numpy()
    features.loc[row, "synapse_id"] = -1
    places[row] += [0.05, 0.02, -0.02]  # nobody hits the very place
    run, edits = save_edits(dataset, "default", places, features)
    assert (len(edits.added_um), len(edits.deleted)) == (1, 1)
    table = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    added = table[table["edited"] == "added"][["r_old", "r_new"]].to_numpy(float)[0]
    assert added == pytest.approx(measured, rel=0.02)


@pytest.mark.usefixtures("short_budget")
def test_an_edited_run_is_separated_and_validated_like_any_other(opened):
    dataset, places, features = opened
    run, _ = save_edits(dataset, "default", places[1:], features[1:].reset_index(drop=True))
    separate_dataset(dataset, run, "neuron_median")
    assert validate(dataset, run)["imaging"]["n_found"] == len(places) - 1
    name, _ = save_edits(Dataset.open(dataset.path), run, places[2:], features[2:].reset_index(drop=True))
    assert name == "default-edit-2"


def test_nothing_changed_and_a_point_outside_are_refused_with_nothing_written(opened):
    dataset, places, features = opened
    with pytest.raises(SynimgError, match="nothing has been changed"):
        save_edits(dataset, "default", places, features)
    outside = np.vstack([places, [[1.0, 500.0, 1.0]]])
    with pytest.raises(SynimgError, match="lies outside the image"):
        save_edits(dataset, "default", outside, pd.concat([features, features.iloc[[0]]], ignore_index=True))
    assert not dataset.run("default-edit-1").exists()


def test_of_points_with_one_id_the_one_at_its_place_is_the_original():
    table = pd.DataFrame({"synapse_id": [1, 2], "z_um": 0.0, "y_um": [1.0, 2.0], "x_um": 0.0})
    places = np.array([[0, 9.0, 0], [0, 1.0, 0], [0, 2.0, 0], [0, 5.0, 0]])
    edits = edits_of(table, places, pd.DataFrame({"synapse_id": [1, 1, 2, 77]}))
    assert (edits.kept, edits.moved, edits.deleted) == ([1, 2], [], [])
    assert edits.added_um.tolist() == [[0, 9, 0], [0, 5, 0]]
