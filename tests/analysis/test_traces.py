"""Parents from dendrites that somebody traced."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synimg
from synimg.analysis.traces import TraceSettings, Tracing, outside, parents_of_traces
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.morphology import Trace, read_traces
from synimg.store.tables import read_table
from synimg.streams import stream


def straight(y_um, neuron_id, radius_um=0.3, length_um=60.0):
    """A dendrite along x."""
    x = np.arange(0.0, length_um)
    start = np.column_stack([np.full(x.size, 5.0), np.full(x.size, y_um), x])
    path = f"n{neuron_id}.swc"
    return Trace(
        path, neuron_id, start, start + np.array([0, 0, 1.0]), np.full(x.size, radius_um), np.ones(x.size, int)
    )


def spines(trace, n, rng, reach_um=1.0):
    """Synapses around a dendrite along x, mostly at `reach_um` from its surface."""
    angle, away = rng.uniform(0, 2 * np.pi, n), trace.radius_um[0] + rng.normal(reach_um, 0.15, n)
    y = trace.start_um[0, 1] + away * np.sin(angle)
    return np.column_stack([5.0 + away * np.cos(angle), y, rng.uniform(0, 60.0, n)])


def every(traces):
    """Parents are stated however improbable."""
    return Tracing(traces, TraceSettings(least_parent_prob=0.0))


@pytest.mark.parametrize("apart_um", [1.5, 3.0, 8.0])
def test_probabilities_of_parents_are_as_often_right_as_they_say(apart_um):
    rng, traces = stream(1, "test"), [straight(10.0, 4), straight(10.0 + apart_um, 7)]
    points = np.vstack([spines(trace, 1500, rng) for trace in traces])
    true = np.repeat([4, 7], 1500)
    found = parents_of_traces(points, every(traces)).table
    right = found["neuron_id"].to_numpy(int) == true
    assert found["neuron_prob"].mean() == pytest.approx(right.mean(), abs=0.05)
    assert right.mean() > {1.5: 0.6, 3.0: 0.9, 8.0: 0.99}[apart_um]


def test_synapses_of_dendrites_that_were_not_traced_have_no_parent():
    rng, trace = stream(2, "test"), straight(30.0, 4)
    others = rng.uniform([0, 0, 0], [10.0, 60.0, 60.0], (3000, 3))
    found = parents_of_traces(np.vstack([spines(trace, 600, rng), others]), Tracing([trace]))
    assert found.untraced == pytest.approx(3000 / 3600, abs=0.03)
    known = found.table["neuron_id"].notna().to_numpy()
    assert known[:600].mean() > 0.95
    assert (known[600:]).mean() < 0.05
    assert found.table.loc[~known, ["branch_id", "neuron_prob"]].isna().all().all()
    assert "of the synapses seem to lie on dendrites that were not traced" in found.sentences()[1]


def test_the_distance_counts_from_the_surface():
    thick, thin = straight(10.0, 1, radius_um=1.5), straight(14.5, 2, radius_um=0.2)
    rng = stream(3, "test")
    between = [
        [5.0, 12.5, 20.0]
    ]  # 2.5 um from the axis of the thick one and 2.0 from the thin one's; 1.0 and 1.8 from surfaces
    points = np.vstack([between, spines(thick, 300, rng), spines(thin, 300, rng)])
    assert parents_of_traces(points, Tracing([thick, thin])).table["neuron_id"][0] == 1


def test_far_from_all_traces_no_synapse_has_a_parent():
    found = parents_of_traces(np.array([[5.0, 90.0, 3.0], [5.0, 90.0, 3.0]]), Tracing([straight(1.0, 1)]))
    assert found.table.isna().all().all()
    assert found.sentences()[0] == "none of 2 synapses has a sure parent among the traced dendrites"


def test_no_synapse_has_no_parent():
    assert parents_of_traces(np.zeros((0, 3)), Tracing([straight(1.0, 1)])).table.empty


def test_in_dense_tissue_probabilities_are_low_and_as_often_right_as_they_say(tiny_path):
    truth = read_table(tiny_path / "truth/synapses.parquet")
    truth = truth[truth["is_imaged"].to_numpy(bool)]
    traces = read_traces([tiny_path / "truth/morphology"])
    found = parents_of_traces(truth[PLACE].to_numpy(float), every(traces))
    right = found.table["neuron_id"].fillna(-1).to_numpy(int) == truth["post_id"].to_numpy(int)
    assert found.best_prob.mean() == pytest.approx(right.mean(), abs=0.1)  # 3 sigma of 239
    assert found.untraced < 0.02


def write(path, text):
    path.write_text(text)
    return path


def test_a_trace_needs_no_soma_and_may_be_of_several_paths(tmp_path):
    text = "1 3 1 2 3 0.3 -1\n2 3 2 2 3 0.5 1\n3 0 5 2 3 0 -1\n4 0 6 2 3 0 3\n5 2 9 9 9 1 -1\n6 2 8 9 9 1 5\n"
    (trace,) = read_traces([write(tmp_path / "cell_12.swc", text)])
    assert trace.neuron_id == 12
    np.testing.assert_allclose(trace.start_um, [[3, 2, 1], [3, 2, 5]])
    np.testing.assert_allclose(trace.radius_um, [0.4, 0])
    assert trace.branch_id.tolist() == [1, 2]


def test_traces_of_a_folder_are_numbered_by_their_names_or_in_order(tmp_path):
    piece = "1 3 1 2 3 0.3 -1\n2 3 2 2 3 0.3 1\n"
    for name in ("b", "a"):
        write(tmp_path / f"{name}.swc", piece)
    assert [(t.path.name, t.neuron_id) for t in read_traces([tmp_path])] == [("a.swc", 1), ("b.swc", 2)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 3 0 0 0 1 2\n2 3 1 0 0 1 1\n", "go round in a loop"),
        ("1 3 nan 2 3 0.3 -1\n2 3 2 2 3 0.3 1\n", "not readable as a morphology"),
        ("1 2 1 2 3 0.3 -1\n2 2 2 2 3 0.3 1\n", "has no dendrite"),
        ("# nothing\n", "has no dendrite"),
    ],
)
def test_a_trace_that_is_none_is_refused(tmp_path, text, sentence):
    with pytest.raises(SynimgError, match=sentence):
        read_traces([write(tmp_path / "a.swc", text)])


def test_a_folder_without_traces_is_named(tmp_path):
    with pytest.raises(SynimgError, match=r"no \.swc file in this folder"):
        read_traces([tmp_path])


def test_a_trace_outside_the_image_is_named_with_both_extents():
    inside, away = straight(10.0, 1), straight(500.0, 2)
    said, *_ = outside([inside, away], np.array([10.0, 20.0, 60.0]))
    assert "n2.swc: the trace lies outside the image: it spans x 0 to 60, y 500 to 500" in said
    with pytest.raises(SynimgError, match="lies outside the image"):
        outside([away], np.array([10.0, 20.0, 60.0]))


def test_traces_in_voxels_are_noticed_where_they_begin_in_the_image():
    size_um = np.array([10.0, 20.0, 60.0])
    trace = straight(10.0, 1)
    assert outside([trace], size_um) == []
    by = np.array([1, 10, 10])
    in_voxels = replace(trace, start_um=trace.start_um * by - [0, 90, 0], end_um=trace.end_um * by - [0, 90, 0])
    (said,) = outside([in_voxels], size_um)
    assert said.startswith("90% of the traced length lies outside the image: right if whole neurons were traced")


def test_traces_tell_the_parents_of_a_data_set(settings, tmp_path):
    mouse = synimg.generate(settings, tmp_path / "mouse")
    file = next((mouse.path / "truth/morphology").glob("*.swc"))
    tracing = Tracing(read_traces([file]))
    table = synimg.measure(mouse, run="traced", tracing=tracing)
    known = table["neuron_id"].notna()
    assert known.mean() > 0.8  # it is the one neuron in the image
    assert set(table["neuron_id"][known]) == {int(file.stem.removeprefix("neuron"))}
    assert table["branch_id"][known].notna().all()
    notes = Dataset.open(mouse.path).index["stages"]["traced/measure"]["notes"]
    assert notes["traces"]["files"] == {str(file): tracing.traces[0].neuron_id}


def test_synapses_without_a_parent_are_left_out_of_a_separation():
    table = pd.DataFrame({"synapse_id": range(40), "neuron_id": [1, 2, 3, None] * 10, "r_old": 30.0, "r_new": 20.0})
    found = synimg.separate(table, method="raw")
    assert found.synapses["synapse_id"].tolist() == [k for k in range(40) if k % 4 != 3]
    assert found.info["warnings"][0] == "10 of 40 synapses have no parent (neuron_id) and are left out"


def test_a_table_without_any_parent_cannot_be_separated():
    table = pd.DataFrame({"synapse_id": [1, 2], "neuron_id": [None, None], "r_old": 3.0, "r_new": 2.0})
    with pytest.raises(SynimgError, match="'neuron_id' is empty in every row"):
        synimg.separate(table)
