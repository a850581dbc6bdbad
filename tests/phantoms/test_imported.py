"""Networks from other simulators go through the same chain, and their faults are named."""

import h5py
import numpy as np
import pandas as pd
import pytest

import synimg
from synimg import config, schema
from synimg.analysis.separation_files import separate_dataset
from synimg.errors import SynimgError
from synimg.phantoms.imported import import_network
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.plan import check_tissue
from synimg.store.dataset import Dataset
from synimg.store.network import write_network
from synimg.store.tables import read_table

TINY = config.preset("tiny")


def some_edges(seed=1, n_cells=40, n_inputs=25, by_cause=True):
    """Edges of a small network: excitatory cells 1 to 32, inhibitory ones 33 to 40; a fifth of the synapses learns."""
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for j in range(1, n_cells + 1) for i in rng.permutation(n_cells)[:n_inputs] + 1 if i != j]
    pre, post = np.array(pairs).T
    sign = np.where(pre <= 32, 1.0, -1.0)
    before = np.exp(0.6 * rng.standard_normal(pre.size))
    ln = {
        "learning": np.where(rng.random(pre.size) < 0.2, 0.6, 0.0) * (sign > 0),
        "homeostasis": (0.2 * rng.standard_normal(n_cells + 1))[post] * (sign > 0),
        "drift": 0.2 * rng.standard_normal(pre.size) * (sign > 0),
    }
    frame = pd.DataFrame({"pre": pre, "post": post, "weight_before": sign * before})
    now = before.copy()
    for cause, change in ln.items():
        if by_cause:
            frame[cause] = sign * now * np.expm1(change)
        now = now * np.exp(change)
    return frame.assign(weight_after=sign * now)


def importing(path, **files):
    return TINY.model_copy(update={"imported": config.Imported(edges=str(path), **files)})


def written(frame, tmp_path, name="edges.csv"):
    path = tmp_path / name
    frame.to_csv(path, index=False) if name.endswith(".csv") else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["edges.csv", "edges.parquet"])
def test_weights_become_receptors_and_causes_add_up_in_both_scales(tmp_path, name):
    found = import_network(importing(written(some_edges(), tmp_path, name)), 1)
    contacts = found.contacts
    assert contacts["a_start"].mean() == pytest.approx(TINY.receptors.receptors_mean)
    change = contacts["a_end"] - contacts["a_start"]
    np.testing.assert_allclose(sum(contacts[c] for c in CAUSES), change, atol=1e-9)
    ln_change = np.log(contacts["a_end"] / contacts["a_start"])
    np.testing.assert_allclose(sum(contacts[f"ln_{c}"] for c in CAUSES), ln_change, atol=1e-9)
    assert (found.nodes["is_excitatory"] == (found.nodes["cell_id"] <= 32)).all()
    assert (found.inhibitory["weight"] < 0).all()


@pytest.mark.usefixtures("short_budget")
def test_an_imported_network_is_imaged_measured_separated_and_scored(tmp_path):
    data = synimg.generate(importing(written(some_edges(), tmp_path)), tmp_path / "mouse")
    synimg.measure(data)
    separate_dataset(data.path, method="neuron_mode")
    scores = synimg.validate(data.path)
    assert scores["imaging"]["f1"] > 0.8
    assert scores["network"]["share_learned"] == pytest.approx(0.2, abs=0.07)  # 5 sigma of 777 draws
    assert scores["separation"]["average_precision"] > 0.3
    assert synimg.report(data.path).is_file()
    assert Dataset.open(data.path).verify() == []


def test_without_causes_everything_works_but_the_score(tmp_path):
    data = synimg.generate(importing(written(some_edges(by_cause=False), tmp_path)), tmp_path / "mouse")
    truth = read_table(data.path / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)
    assert truth[["is_learned", "learning"]].isna().all(axis=None)
    synimg.measure(data)
    separate_dataset(data.path, method="neuron_mode")
    with pytest.raises(SynimgError, match="came without causes"):
        synimg.validate(data.path)


def test_an_imported_network_that_does_not_fit_is_refused_before_anything_is_made(tmp_path):
    settings = importing(written(some_edges(), tmp_path))
    for n_neurons, said in ((40, "40 neurons need .* um of dendrite, the block holds"), (41, "has only 40 cells")):
        volume = settings.volume.model_copy(update={"shape_vox": (16, 64, 64)})
        tissue = settings.tissue.model_copy(update={"n_imaged_neurons": n_neurons})
        crowded = settings.model_copy(update={"volume": volume, "tissue": tissue})
        for call in (synimg.plan, synimg.generate):
            with pytest.raises(SynimgError, match=said):
                call(crowded, tmp_path / "mouse")
    assert not (tmp_path / "mouse").exists()


def test_the_plan_counts_the_contacts_of_an_imported_network(tmp_path):
    frame = some_edges()
    settings = importing(written(frame, tmp_path))
    settings = settings.model_copy(
        update={"tissue": settings.tissue.model_copy(update={"spine_density_per_um": 3.0, "n_imaged_neurons": 40})}
    )
    assert check_tissue(settings, []) == (frame["weight_before"] > 0).sum()


def test_edges_that_appear_or_vanish_are_births_and_deaths(tmp_path):
    frame = some_edges()
    frame.loc[frame.index[0], ["weight_before", "learning", "homeostasis", "drift"]] = 0.0
    frame.loc[frame.index[0], "learning"] = frame["weight_after"].iloc[0]
    contacts = import_network(importing(written(frame, tmp_path)), 1).contacts
    assert contacts["formed_update"][0] >= 0
    assert CAUSES[contacts["formed_cause"][0]] == "learning"


def broken(**change):
    frame = some_edges()
    for name, value in change.items():
        frame.loc[frame.index[3], name] = value
    return frame


FAULTS = [
    (some_edges().drop(columns="weight_after"), "required column 'weight_after' is missing"),
    (broken(weight_after=-1.0), "changes its sign"),
    (broken(post=int(some_edges()["pre"].iloc[3])), "self-loop"),
    (pd.concat([some_edges(), some_edges().iloc[:1]]), "occurs more than once; a column 'contact'"),
    (broken(weight_before=0.0, weight_after=0.0), "weight 0 before and after"),
    (broken(weight_after=np.inf), "edge 29 to 1 has a weight that is not finite"),
    (broken(weight_after=np.nan), "'weight_after' is empty or NaN in row 3"),
    (some_edges().iloc[:0], "holds no edges"),
    (some_edges(by_cause=False).assign(weight_before=lambda f: f["weight_before"].where(f["pre"] > 32, 0.0)),
     "every weight_before of an excitatory cell is 0"),
    (broken(learning=5.0), "is not weight_after - weight_before"),
    (some_edges().assign(weight_before=lambda f: -f["weight_before"], weight_after=lambda f: -f["weight_after"])
     .drop(columns=list(CAUSES)).query("pre <= 32"), "no edge comes from an excitatory cell"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "sentence"), FAULTS)
def test_a_fault_of_the_table_is_one_sentence(tmp_path, frame, sentence):
    with pytest.raises(SynimgError, match=sentence):
        import_network(importing(written(frame, tmp_path)), 1)


def test_cells_must_be_all_there_and_agree_with_their_weights(tmp_path):
    edges, cells = written(some_edges(), tmp_path), tmp_path / "cells.csv"
    right = pd.DataFrame({"cell_id": np.arange(1, 41), "cell_type": ["E"] * 32 + ["I"] * 8, "x": 1.0, "y": 2.0})
    right.to_csv(cells, index=False)
    assert (import_network(importing(edges, cells=str(cells)), 1).nodes["x"] == 1.0).all()
    right.iloc[:-1].to_csv(cells, index=False)
    with pytest.raises(SynimgError, match="cell 40 of the edges is missing"):
        import_network(importing(edges, cells=str(cells)), 1)
    right.assign(cell_type="E").to_csv(cells, index=False)
    with pytest.raises(SynimgError, match="cell 33 is 'E', its weights have the other sign"):
        import_network(importing(edges, cells=str(cells)), 1)


def test_rates_of_cells_may_be_0_but_not_below(tmp_path):
    edges, cells = written(some_edges(), tmp_path), tmp_path / "cells.csv"
    right = pd.DataFrame({"cell_id": np.arange(1, 41), "cell_type": ["E"] * 32 + ["I"] * 8, "rate_start": 0.0})
    right.to_csv(cells, index=False)
    assert (import_network(importing(edges, cells=str(cells)), 1).nodes["rate_start"] == 0).all()
    for rate in (-1.0, np.inf):
        right.assign(rate_start=rate).to_csv(cells, index=False)
        with pytest.raises(SynimgError, match=r"rate_start of cell 1 is .*finite rates of 0 or more"):
            import_network(importing(edges, cells=str(cells)), 1)


def test_what_only_sonata_files_have_is_refused_for_tables(tmp_path):
    edges = written(some_edges(), tmp_path)
    for files in ({"population": "syn"}, {"edges_after": str(edges)}):
        with pytest.raises(SynimgError, match="is for SONATA files"):
            import_network(importing(edges, **files), 1)


def test_a_faulty_import_leaves_no_folder(tmp_path):
    edges = written(broken(weight_after=-1.0), tmp_path)
    with pytest.raises(SynimgError, match="changes its sign"):
        synimg.generate(importing(edges), tmp_path / "mouse")
    assert not (tmp_path / "mouse").exists()


def sonata(path, frame, **attributes):
    ends = {"source": frame["pre"].to_numpy() - 1, "target": frame["post"].to_numpy() - 1}
    write_network(path, {"x": np.zeros(40)}, {"syn": {**ends, **attributes}}, {})
    return path


def test_sonata_files_before_and_after_give_what_the_table_gives(tmp_path):
    pytest.importorskip("libsonata")
    frame = some_edges(by_cause=False)
    before = sonata(tmp_path / "before.h5", frame, syn_weight=frame["weight_before"].to_numpy())
    after = sonata(tmp_path / "after.h5", frame, syn_weight=frame["weight_after"].to_numpy())
    found = import_network(importing(before, edges_after=str(after)), 1).contacts
    table = import_network(importing(written(frame, tmp_path)), 1).contacts
    np.testing.assert_allclose(found["a_end"], table["a_end"])
    one = sonata(
        tmp_path / "one.h5", frame, **{name: frame[name].to_numpy() for name in ("weight_before", "weight_after")}
    )
    np.testing.assert_allclose(import_network(importing(one), 1).contacts["a_start"], table["a_start"])


def test_sonata_populations_that_do_not_match_are_refused(tmp_path):
    pytest.importorskip("libsonata")
    frame = some_edges(by_cause=False)
    before = sonata(tmp_path / "before.h5", frame, syn_weight=frame["weight_before"].to_numpy())
    fewer = frame.iloc[1:]
    after = sonata(tmp_path / "after.h5", fewer, syn_weight=fewer["weight_after"].to_numpy())
    with pytest.raises(SynimgError, match="populations do not match"):
        import_network(importing(before, edges_after=str(after)), 1)
    with pytest.raises(SynimgError, match="no population 'sin'; did you mean 'syn'"):
        import_network(importing(before, edges_after=str(after), population="sin"), 1)
    with pytest.raises(SynimgError, match="has no attribute 'weight_before'"):
        import_network(importing(before), 1)


def test_a_file_that_is_not_sonata_is_refused_in_one_sentence(tmp_path, capfd):
    pytest.importorskip("libsonata")
    (tmp_path / "text.h5").write_text("hello")
    with h5py.File(tmp_path / "nodes.h5", "w") as file:
        file.create_group("nodes")
    for name in ("text.h5", "nodes.h5"):
        with pytest.raises(SynimgError, match="not a SONATA edge file"):
            import_network(importing(tmp_path / name), 1)
    assert capfd.readouterr().err == ""  # HDF5 would print its stack
