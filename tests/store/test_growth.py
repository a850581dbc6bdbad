"""The growth of the map: every snapshot is what the ledger had then."""

import shutil

import numpy as np
import pytest

import synimg
from synimg import config, schema
from synimg.errors import SynimgError
from synimg.family import part
from synimg.phantoms.network import train
from synimg.store.checkpoint import load_checkpoint
from synimg.store.dataset import Dataset
from synimg.store.growth import growth, read_growth
from synimg.store.tables import read_table

TINY = config.preset("tiny")
SINGLE = 4e-7  # three causes in single precision, each within e^2


def with_turnover(**training):
    quick = TINY.training.model_copy(update={"n_updates": 30, "counterfactuals": False, "window_days": 6.0} | training)
    turnover = part("synimg.phantoms.turnover", "clustered")()
    return TINY.model_copy(update={"training": quick, "turnover": turnover})


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    """A data set in which synapses form and vanish."""
    return synimg.generate(with_turnover(), tmp_path_factory.mktemp("growing") / "mouse")


def test_the_last_snapshot_is_the_truth_at_death_and_the_first_that_at_the_pulse(growing):
    truth = read_table(growing.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    grown = read_growth(growing)
    np.testing.assert_allclose(grown.receptors[-1], truth["a_end"], rtol=SINGLE)
    np.testing.assert_allclose(grown.receptors[0], truth["a_start"], rtol=1e-12)
    np.testing.assert_allclose(grown.ln_learning[-1], truth["ln_learning"], rtol=1e-7)
    assert (grown.ln_learning[0] == 0).all()
    assert grown.day[-1] == pytest.approx(6.0)


def test_a_synapse_is_there_from_its_formation_to_its_death(growing):
    truth = read_table(growing.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    grown = read_growth(growing)
    born, died = truth["formed_day"].fillna(0.0).to_numpy(), truth["eliminated_day"].fillna(np.inf).to_numpy()
    day = grown.day[:, None] + 1e-9
    np.testing.assert_array_equal(grown.is_there, (born <= day) & (died > day))
    assert truth["formed"].sum() > 10
    assert (truth["formed"] & truth["eliminated"]).any()
    assert (grown.receptors[~grown.is_there] == 0).all()
    assert (grown.receptors[grown.is_there] > 0).all()


def test_a_snapshot_in_between_is_the_state_that_a_stopped_run_has_saved(growing, tmp_path):
    def stop(update, score):
        if update == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(growing.config, growing.config.seed, report=stop, checkpoint=tmp_path / "state")
    state = load_checkpoint(tmp_path / "state")
    grown = read_growth(growing)
    k = int(np.flatnonzero(np.isclose(grown.day, state.update * 6.0 / 30))[0])
    there = state.ledger.is_alive
    assert there.sum() == grown.is_there[k].sum()  # the truth table leaves out places where nothing ever formed
    np.testing.assert_allclose(state.ledger.a[there], grown.receptors[k][grown.is_there[k]], rtol=SINGLE)


def test_every_contact_that_vanished_from_an_imaged_neuron_has_a_place(growing):
    truth = read_table(growing.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    imaged = truth["post_id"].isin(truth.loc[truth["is_imaged"], "post_id"])
    gone = imaged & truth["eliminated"]
    assert gone.sum() > 5
    assert truth.loc[gone, "z_um"].notna().all()
    assert truth.loc[~imaged, "z_um"].isna().all()


def test_events_at_the_end_of_an_update_are_seen_at_the_next_snapshot():
    history = {
        "snapshot": np.array([0, 2, 4]),
        "event_update": np.array([1, 2, 3]),
        "event_is_birth": np.array([True, False, False]),
        "event_synapse_id": np.array([1, 1, 2]),
        **{f"ln_{cause}": np.full((3, 2), 0.1, np.float32) for cause in ("learning", "homeostasis", "drift")},
    }
    grown = growth(history, np.array([10.0, 20.0]), days_per_update=0.5)
    np.testing.assert_array_equal(grown.is_there, [[False, True], [True, True], [False, False]])
    np.testing.assert_allclose(grown.receptors[1], np.array([10.0, 20.0]) * np.exp(0.3), rtol=SINGLE)
    np.testing.assert_array_equal(grown.day, [0.0, 1.0, 2.0])
    assert grown.captions(np.array([True, True]))[1:] == [
        "day 1: 2 synapses, 1 new, 0 gone",
        "day 2: 0 synapses, 0 new, 1 gone",
    ]


def test_without_a_history_it_is_said_why(growing, tmp_path):
    shutil.copytree(growing.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/truth/history.zarr")
    with pytest.raises(SynimgError, match="no history to play back"):
        read_growth(Dataset.open(tmp_path / "copy"))
