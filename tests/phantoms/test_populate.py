"""From a data set to a population on disk: whole or absent, the same for the same seed, fit to be separated."""

import hashlib

import numpy as np
import pytest

import synimg
from synimg import schema
from synimg.analysis.separation_files import separate_table
from synimg.analysis.validate import validate_elsewhere
from synimg.errors import SynimgError
from synimg.phantoms import populate as module
from synimg.phantoms import population as drawing
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.populate import law_of
from synimg.phantoms.population import Population
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table


@pytest.fixture(scope="module")
def made(tiny_path, tmp_path_factory):
    """A population of 8000 synapses from the network of the preset `tiny`."""
    out = tmp_path_factory.mktemp("population") / "many"
    facts = synimg.population(tiny_path, out, 8e3, seed=5)
    return out, facts


def test_the_same_seed_gives_the_same_bytes(made, tiny_path, tmp_path):
    out, _ = made
    synimg.population(tiny_path, tmp_path / "again", 8000, seed=5)
    files = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert [str(f) for f in files] == [
        "population.json", "synapses.parquet", "truth/neurons.parquet", "truth/synapses.parquet",
    ]  # fmt: skip
    for file in files:
        sums = [hashlib.sha256((folder / file).read_bytes()).hexdigest() for folder in (out, tmp_path / "again")]
        assert sums[0] == sums[1]


def test_the_tables_are_those_of_a_data_set_and_can_be_separated_and_scored(made, tmp_path):
    out, facts = made
    truth = read_table(out / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)
    neurons = read_table(out / "truth" / "neurons.parquet", schema.TRUTH_NEURONS)
    assert len(truth) == facts["n_synapses"] == 8000
    assert truth["synapse_id"].tolist() == list(range(1, 8001))
    assert set(truth["post_id"]) <= set(neurons["neuron_id"])
    assert len(neurons) == facts["n_neurons"]
    separate_table(out / "synapses.parquet", tmp_path / "result")
    scores = validate_elsewhere(tmp_path / "result", out / "truth")
    assert scores["average_precision"] > 1.3 * scores["share_learned_true"]
    assert scores["factor"]["r"] > 0.6


def test_counts_are_right_on_average(made):
    out, _ = made
    truth = read_table(out / "truth" / "synapses.parquet")
    seen = read_table(out / "synapses.parquet", schema.SYNAPSES)
    both = seen.merge(truth, on="synapse_id")
    for name in ("old", "new"):
        error = (both[f"r_{name}"] - both[f"r_{name}_true"]).astype(float)
        z = error / both[f"r_{name}_se"].where(both[f"r_{name}_se"] > 0)
        assert error.mean() == pytest.approx(0.0, abs=0.3)  # receptors; new ones are cut off at 0
        assert z.std() == pytest.approx(1.0, abs=0.1)
    assert 0.99 < len(seen) / len(truth) <= 1.0  # the smallest may have no photon


@pytest.mark.parametrize("cause", CAUSES)
def test_shares_in_receptors_agree_with_the_ledger_that_booked_every_step(tiny_path, cause):
    law, _ = law_of(tiny_path)
    truth = read_table(tiny_path / "truth" / "synapses.parquet")
    ln = truth[[f"ln_{c}" for c in CAUSES]].to_numpy(float).T
    fixed = {name: np.full(len(truth), -1) for name in ("formed_update", "formed_cause", "eliminated_update")}
    fixed["eliminated_cause"] = fixed["formed_cause"]
    _, _, linear = drawing._in_receptors(ln, np.log(truth["a_start"].to_numpy(float)), fixed, law.course)
    booked, found = truth[cause].to_numpy(float), linear[CAUSES.index(cause)]
    # drift wanders: a part of what it booked is known from none of the ends
    assert np.corrcoef(booked, found)[0, 1] > (0.95 if cause == "drift" else 0.98)
    straight = drawing._in_receptors(ln, np.log(truth["a_start"].to_numpy(float)), fixed, np.tile([0.0, 1.0], (3, 1)))[
        2
    ][CAUSES.index(cause)]
    # the course of the causes is worth knowing
    assert np.abs(found - booked).mean() < np.abs(straight - booked).mean()


def test_an_interrupted_call_leaves_nothing(tiny_path, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measured_frame", stop)
    with pytest.raises(KeyboardInterrupt):
        synimg.population(tiny_path, tmp_path / "many", 10_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("n_synapses", "n_neurons", "sentence"),
    [
        (5, None, "fewer than the 2. that one neuron of the network holds"),
        (1000.5, None, "whole number"),
        (float("nan"), None, "whole number"),
        (200, None, "ask for [0-9]+ synapses or more"),
        (100_000, 100, "one neuron would have up to .*ask for more neurons"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tiny_path, tmp_path, n_synapses, n_neurons, sentence):
    with pytest.raises(SynimgError, match=sentence):
        synimg.population(tiny_path, tmp_path / "many", n_synapses, n_neurons=n_neurons)
    assert not (tmp_path / "many").exists()


def test_the_least_number_that_is_named_is_enough(tiny_path):
    law, _ = law_of(tiny_path)
    with pytest.raises(SynimgError) as refused:
        Population(law, 200, 1)
    Population(law, int(str(refused.value).split("ask for ")[-1].split()[0]), 1)


def test_a_full_folder_is_refused(tiny_path, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SynimgError, match="holds something else"):
        synimg.population(tiny_path, tmp_path, 10_000)


def test_without_a_network_there_is_no_population(tmp_path):
    dataset = Dataset.create(tmp_path / "empty", synimg.preset("tiny"))
    with pytest.raises(SynimgError, match="network is not done yet"):
        synimg.population(dataset, tmp_path / "many", 10_000)
