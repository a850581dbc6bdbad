"""The rule, run again: it predicts what is learned, and knows nothing but the network at the start."""

import h5py
import numpy as np
import pytest

import synimg
from synimg import config, schema
from synimg.phantoms.resimulate import AT_THE_START, read_start
from synimg.phantoms.wiring import build_wiring
from synimg.store.dataset import Dataset
from synimg.store.tables import read_columns, read_notes, read_table, write_table

QUICK = {"runs": 1, "seed": 5}


@pytest.fixture(scope="module")
def predicted(tiny_path):
    return synimg.resimulate(tiny_path, **QUICK)


@pytest.fixture
def short(tmp_path, settings):
    """A data set of two updates."""

    def make(**sections):
        path = tmp_path / "mouse"
        return synimg.generate(config.Config.parse(settings.model_dump() | sections, "test"), path).path

    return make


def test_the_rule_run_again_predicts_what_was_learned(tiny_path, predicted):
    truth = read_table(tiny_path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    assert predicted["synapse_id"].tolist() == truth["synapse_id"].tolist()
    assert np.corrcoef(predicted["predicted_ln"], truth["ln_learning"])[0, 1] > 0.8
    assert not np.allclose(predicted["predicted_ln"], truth["ln_learning"], atol=0.05)  # other trials, not the same run
    schema.check(predicted, schema.PREDICTIONS, "predictions")


def test_the_network_at_the_start_is_the_one_that_was_drawn(tiny_path):
    start, _ = read_start(Dataset.open(tiny_path))
    drawn = build_wiring(config.preset("tiny"), 1)
    for name in ("pre", "post", "contact_edge", "along", "inhibitory_weight", "w_in", "leak", "position"):
        np.testing.assert_array_equal(getattr(start.wiring, name), getattr(drawn, name), name)
    np.testing.assert_allclose(start.wiring.a_first, drawn.a_first, rtol=1e-14)  # went through the ledger's logarithm


def test_nothing_of_what_the_window_did_is_read(tiny_copy, predicted):
    with h5py.File(tiny_copy / "truth/network.h5", "r+") as file:
        for name in ("nodes/units/0", "edges/excitatory/0", "synimg"):
            for forbidden in set(file[name]) - AT_THE_START:
                del file[name][forbidden]
    table = tiny_copy / "truth/synapses.parquet"
    places = read_columns(table, ["synapse_id", *schema.PLACE])
    for path in tiny_copy.rglob("*"):
        if path.is_file() and path.name not in {"dataset.json", "network.h5"}:
            path.unlink()
    write_table(table, places)
    assert synimg.resimulate(tiny_copy, **QUICK).equals(predicted)


def test_runs_are_averaged_and_their_scatter_is_the_error(short, tmp_path):
    path, out = short(), tmp_path / "predicted.parquet"
    two = synimg.resimulate(path, out, runs=2, seed=3)
    one = synimg.resimulate(path, runs=1, seed=3)["predicted_ln"]
    error = two["predicted_ln_se"]
    np.testing.assert_allclose(np.abs(two["predicted_ln"] - one), error, atol=1e-12)  # of two runs, the half difference
    assert error.max() > 0
    assert read_table(out, schema.PREDICTIONS)["predicted_ln"].tolist() == two["predicted_ln"].tolist()
    assert read_notes(out)["runs"] == 2


def test_contacts_that_formed_in_the_window_are_not_predicted(short):
    path = short(turnover={"kind": "size_hazard"}, training={"n_updates": 4, "window_days": 30.0})
    truth = read_table(path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    assert truth["formed"].any()
    predicted = synimg.resimulate(path, **QUICK)
    assert predicted["synapse_id"].tolist() == truth.loc[~truth["formed"].astype(bool), "synapse_id"].tolist()
    assert (predicted["predicted_ln"] != 0).any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"rule": "ebrop"}, "eprop"),
        ({"rule": "readout_only"}, "moves no synapse"),
        ({"runs": 0}, "it takes 1 or more"),
        ({"out": "predicted.txt"}, "ends in .parquet or .csv"),
    ],
)
def test_what_cannot_be_run_again_is_refused(call, says, short):
    with pytest.raises(synimg.SynimgError, match=says):
        synimg.resimulate(short(), **{"runs": 1} | call)


def test_a_stopped_call_leaves_no_file(short, tmp_path):
    def stop(what, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synimg.resimulate(short(), tmp_path / "predicted.parquet", runs=2, report=stop)
    assert not list(tmp_path.glob("*predicted*"))
