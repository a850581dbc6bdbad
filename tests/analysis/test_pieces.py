"""A table too large for the memory is separated in pieces: the same result but for chance, in the order of its rows."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synimg import schema
from synimg.analysis import pieces
from synimg.analysis.separation import separate
from synimg.analysis.separation_files import read_separation, separate_table
from synimg.analysis.validate.scores import average_precision
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario
from synimg.store.tables import write_table

pytestmark = pytest.mark.usefixtures("short_chains")


@pytest.fixture(scope="module")
def large(tmp_path_factory, short_chains):
    """2000 rows in no order, in two pieces."""
    folder = tmp_path_factory.mktemp("large")
    drawn = draw(scenario("sparse_with_controls").model_copy(update={"n_neurons": 25}), 1)
    order = np.random.default_rng(1).permutation(len(drawn.table))
    table = drawn.table.iloc[order].reset_index(drop=True)
    write_table(folder / "table.parquet", table, schema.SYNAPSES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "MOST_IN_MEMORY", 1000)
        patch.setattr(pieces, "PIECE_SYNAPSES", 1000)
        patch.setattr(pieces, "BATCH_ROWS", 300)
        whole, out = separate_table(folder / "table.parquet", folder / "out")
    return table, drawn.truth["is_learned"].to_numpy()[order], whole, out


def test_every_row_has_its_answer_in_its_place(large):
    table, learned, _, out = large
    result = read_separation(out)
    assert (result.synapses["synapse_id"] == table["synapse_id"]).all()
    assert set(result.neurons["neuron_id"]) == set(table["neuron_id"])
    assert sorted(result.animals["animal_id"]) == sorted(table["animal_id"].unique())
    # a row in another's place would rank no better than chance
    at_once = separate(table, "hierarchical").synapses["p_learning"].to_numpy()
    found = result.synapses["p_learning"].to_numpy(float)
    assert average_precision(learned, found) > average_precision(learned, at_once) - 0.08
    assert np.corrcoef(found, at_once)[0, 1] > 0.9


def test_what_is_said_is_of_the_whole_table(large):
    table, _, whole, out = large
    info = read_separation(out).info
    assert info["diagnosis"]["n_synapses"] == whole.n_synapses == len(table)
    assert info["diagnosis"]["n_neurons"] == table["neuron_id"].nunique()
    assert "in 2 parts" in info["warnings"][-1]
    of_table = info["diagnosis"]["table"]  # of the first part, a sample
    assert of_table["n_synapses"] < of_table["sample_of"] == len(table)
    assert info["warnings"][0].startswith("auto chose 'hierarchical'")


def test_nothing_is_left_on_the_way(large):
    names = {path.name for path in large[3].iterdir()}
    assert names == {"separation.parquet", "neurons.parquet", "animals.parquet", "result.json"}


def test_synapses_without_a_parent_are_left_out_and_change_no_other(large, tmp_path, monkeypatch):
    for name, value in (("MOST_IN_MEMORY", 1000), ("PIECE_SYNAPSES", 1000), ("BATCH_ROWS", 300)):
        monkeypatch.setattr(pieces, name, value)
    table, _, _, out = large
    orphans = table.iloc[::7].assign(synapse_id=lambda frame: frame["synapse_id"] + 1_000_000, neuron_id=pd.NA)
    at = np.argsort(np.r_[np.arange(len(table)), orphans.index.to_numpy() - 0.5], kind="stable")
    mixed = pd.concat([table, orphans]).iloc[at]
    file = pa.Table.from_pandas(mixed.drop(columns="neuron_id"), preserve_index=False)
    neuron = mixed["neuron_id"].to_numpy(float, na_value=np.nan)
    # null or NaN, as other programs write it
    file = file.append_column("neuron_id", pa.array(neuron, mask=np.isnan(neuron) & (np.arange(neuron.size) % 2 == 0)))
    pq.write_table(file, tmp_path / "mixed.parquet")
    found, path = separate_table(tmp_path / "mixed.parquet", tmp_path / "out")
    n = len(orphans)
    assert read_separation(path).info["warnings"][0] == (
        f"{n} of {len(table) + n} synapses have no parent (neuron_id) and are left out"
    )
    assert found.n_synapses == len(table)
    pd.testing.assert_frame_equal(read_separation(path).synapses, read_separation(out).synapses)


@pytest.mark.parametrize(
    ("column", "values", "sentence"),
    [
        ("synapse_id", [1, 2, 3, 2], "synapse_id 2 occurs more than once"),
        ("synapse_id", [1, None, 2, 3], "'synapse_id' is empty in 1 rows; every synapse has an id"),
        ("neuron_id", [None] * 4, "'neuron_id' is empty in every row"),
        ("r_old", [1.0, -2.0, 1.0, 1.0], "r_old"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path, monkeypatch, column, values, sentence):
    monkeypatch.setattr(pieces, "MOST_IN_MEMORY", 3)
    frame = pd.DataFrame({"synapse_id": [1, 2, 3, 4], "neuron_id": [1, 1, 2, 2], "r_old": 5.0, "r_new": 5.0})
    frame.assign(**{column: values}).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(SynimgError, match=sentence):
        separate_table(tmp_path / "table.parquet", tmp_path / "out")
    assert not (tmp_path / "out" / "result.json").exists()
