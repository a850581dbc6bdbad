"""The command line as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from synimg.cli import main
from synimg.store.checkpoint import load_checkpoint
from synimg.store.dataset import Dataset

COMMANDS = [
    "new", "generate", "population", "measure", "stitch", "camera", "dyes", "figure", "separate", "methods", "validate",
    "benchmark", "view", "report", "resimulate", "verify", "info", "demo",
]  # fmt: skip


class Done(NamedTuple):
    """What is left of a call."""

    returncode: int
    stdout: str
    stderr: str


def apart(*arguments):
    """A call in a process of its own, as from a shell."""
    call = [sys.executable, "-m", "synimg", *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def synimg(tmp_path, monkeypatch, capfd):
    """A call in the folder of the test: in this process, whose imports are done."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["synimg", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return Done(left.value.code, *capfd.readouterr())

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_fits_80_columns(synimg, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    done = synimg(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_it_says_its_version():
    assert apart("--version").stdout == f"synimg {version('synimg')}\n"


def test_new_writes_a_commented_file_that_is_never_overwritten(tmp_path):
    assert apart("new", tmp_path / "a.toml", "--preset", "tiny").returncode == 0
    assert "# units, excitatory and inhibitory [>= 16, <= 4096]" in (tmp_path / "a.toml").read_text()
    again = apart("new", tmp_path / "a.toml")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generate", "absent.toml", "--out", "x"], "no such configuration"),
        (["generate", "tinny", "--out", "x"], "did you mean 'tiny'"),
        (["generate", "tiny", "--out", "x", "--workers", "0"], "it takes 1 or more"),
        (["generate", "tiny", "--out", "x", "--workers", "2", "--scheduler", "tcp://h:1"], "exclude each other"),
        (["generate", "tiny", "--out", "x", "--scheduler", "tcp://127.0.0.1:9"], "no dask scheduler answers"),
        (["generate", "tiny"], "Missing option '--out'"),
        (["population", "absent", "--out", "x", "--n-synapses", "1e6"], "no such folder"),
        (["population", "absent", "--out", "x"], "Missing option '--n-synapses'"),
        (["population", "absent", "--out", "x", "--n-synapses", "many"], "Invalid value for '--n-synapses'"),
        (["measure", "absent"], "no such file"),
        (["measure", "absent.tif", "--voxel-um", "0.1,0.1", "--out", "x"], "no such file"),
        (["camera"], "give dark frames"),
        (["camera", "absent.tif"], "no such file"),
        (["camera", "absent.tif", "--out", "x.json"], "ends in .toml"),
        (["new", "a.toml", "--camera", "absent.toml"], "'synimg camera' writes one"),
        (["separate", "absent.csv", "--out", "x"], "no such file"),
        (["separate", "absent.csv"], "--out is missing"),
        (["validate", "."], "not a data set"),
        (["validate"], "give a data set, or both"),
        (["benchmark", "--out", "x", "--scenario", "heavy_drifts"], "did you mean 'heavy_drift'"),
        (["benchmark", "--out", "x", "--method", "neuron_mod"], "did you mean 'neuron_mode'"),
        (["info", "."], "not a data set"),
        (["verify", "absent"], "no such folder"),
        (["report", "."], "not a data set"),
        (["view", "."], "not a data set"),
        (["view", ".", "--growth"], "not a data set"),
        (["view", ".", "--film", "a.gif", "--screenshot", "a.png"], "exclude each other"),
        (["measur"], "No such command"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path, synimg, arguments, sentence):
    done = synimg(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "x" / "truth").exists()


@pytest.mark.parametrize("size", ["0", "0,0.1", "a,b", "0.1", "1,2,3,4"])
def test_a_voxel_size_that_cannot_be_is_refused(tmp_path, synimg, size):
    (tmp_path / "a.tif").write_bytes(b"x")
    done = synimg("measure", tmp_path / "a.tif", "--voxel-um", size, "--out", tmp_path / "out")
    assert (done.returncode, "it takes" in done.stderr) == (2, True)


def test_an_image_without_a_voxel_size_is_refused(tmp_path, synimg):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 8, 8), np.uint16))
    done = synimg("measure", tmp_path / "a.tif", "--out", tmp_path / "out")
    assert (done.returncode, "--voxel-um is missing" in done.stderr) == (2, True)


def test_info_and_verify_speak_json(tiny_path, synimg):
    facts = json.loads(synimg("info", tiny_path, "--json").stdout)
    assert facts["seed"] == 1
    assert "image" in facts["stages"]
    assert json.loads(synimg("verify", tiny_path, "--json").stdout)["problems"] == []


def test_verify_leaves_with_3_and_names_the_altered_file(tiny_copy, synimg):
    chunk = tiny_copy / "image.ome.zarr/0/c/0/0/0/0"
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(bytes(data))
    done = synimg("verify", tiny_copy)
    assert done.returncode == 3
    assert "image.ome.zarr/0/c/0/0/0/0: altered" in done.stdout


def test_a_population_is_drawn_from_a_data_set(tiny_path, tmp_path, synimg):
    done = synimg("population", tiny_path, "--out", tmp_path / "many", "--n-synapses", "1e4", "--seed", "3")
    assert (done.returncode, "10000 synapses on" in done.stderr) == (0, True)
    assert (tmp_path / "many" / "truth" / "synapses.parquet").is_file()


def test_methods_lists_what_each_needs_and_assumes_in_80_columns(synimg):
    text = synimg("methods").stdout
    assert "needs 3 neurons of control animals" in text
    assert max(map(len, text.splitlines())) <= 80
    assert json.loads(synimg("methods", "--json").stdout)["rank_order"]["synapses_per_neuron"] == 8


def test_a_table_made_by_hand_is_separated(tmp_path, synimg):
    rows = [f"{i},{i % 4},{30 + i % 7},{20 + i % 5}" for i in range(80)]
    (tmp_path / "hand.csv").write_text("synapse_id,neuron_id,r_old,r_new\n" + "\n".join(rows))
    done = synimg("separate", tmp_path / "hand.csv", "--out", tmp_path / "result")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "result").iterdir()} == {
        "separation.parquet", "neurons.parquet", "animals.parquet", "result.json"
    }  # fmt: skip


def test_groups_are_printed_in_80_columns_and_a_column_that_is_not_there_names_the_nearest(tmp_path, synimg):
    rows = [f"{i},{i % 4},{30 + i % 7},{20 + i % 5},{'ab'[i % 3 > 0]}" for i in range(80)]
    (tmp_path / "hand.csv").write_text("synapse_id,neuron_id,r_old,r_new,pathway\n" + "\n".join(rows))
    done = synimg("separate", tmp_path / "hand.csv", "--out", tmp_path / "result", "--by", "pathway")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.splitlines()[1].startswith("a ")
    assert (tmp_path / "result" / "groups.parquet").is_file()
    done = synimg("separate", tmp_path / "hand.csv", "--out", tmp_path / "other", "--by", "pathwey")
    assert (done.returncode, "did you mean 'pathway'?" in done.stderr) == (2, True)
    assert not (tmp_path / "other").exists()


SMALL = """
[network]
n_units = 32
spectral_radius = 2.9
[training]
n_updates = 30
counterfactuals = false
[volume]
shape_vox = [16, 96, 96]
chunk_vox = [16, 96, 96]
[tissue]
n_imaged_neurons = 1
"""
WILD = SMALL.replace("n_units = 32", "n_units = 96\nconnection_probability = 0.3").replace("= 30", "= 120")
WILD += "[rule]\nkind = 'eprop'\nlearning_rate = 0.2\nmax_step_ln = 1.0\nmomentum = 0.0\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SMALL + "[rule]\nkind = 'eprob'\n", "unknown kind 'eprob'; did you mean 'eprop'?"),
        (WILD, "the run diverged at update"),
        ("[imported]\nedges = 'edges.csv'\n", "edge 1 to 1 is a self-loop"),
    ],
)
def test_a_configuration_that_cannot_work_leaves_no_folder(tmp_path, synimg, text, sentence):
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "edges.csv").write_text("pre,post,weight_before,weight_after\n1,1,1.0,1.0\n")
    done = synimg("generate", "a.toml", "--out", "mouse", "--workers", 1)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert sentence in done.stderr
    assert not (tmp_path / "mouse").exists()


def test_a_task_that_was_not_learned_is_kept_and_said_so(tmp_path, synimg):
    config = SMALL.replace("spectral_radius = 2.9", "").replace("n_updates = 30", "n_updates = 2")
    (tmp_path / "a.toml").write_text(config + "[cohort]\ntrained = 1\n")
    done = synimg("generate", "a.toml", "--out", "mice", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "note: the cohort has trained animals but neither naive nor yoked ones" in done.stderr
    assert "note: mice/trained01: criterion not met: the score is 0." in done.stderr
    assert "after 64 trials, training.criterion is 0.9; what there is was kept" in done.stderr
    for path in ("mice", "mice/trained01"):
        assert "criterion not met" in synimg("info", path).stdout
    assert Dataset.open(tmp_path / "mice/trained01").index["stages"]["network"]["notes"]["criterion_met"] is False
    said = synimg("info", "mice").stdout
    assert "note: the cohort has trained animals but neither naive nor yoked ones" in said


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_in_training_keeps_the_snapshots_and_resumes_to_the_same_bytes(tiny_path, tmp_path, synimg, workers):
    mouse, generate = tmp_path / "m", ["generate", "tiny", "--out", tmp_path / "m", "--workers"]
    command = [sys.executable, "-m", "synimg", *map(str, generate), str(workers)]
    # a shell that starts the tests in the background would have Ctrl-C ignored
    heeds = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heeds)
    saved, deadline = mouse / ".partial/network/states/without_nothing.pickle", time.time() + 60
    first = None
    while time.time() < deadline:  # until a snapshot after the first one is there
        now = saved.stat().st_mtime_ns if saved.exists() else None
        if first is not None and now != first:
            break
        first = first or now
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "goes on from there" in said
    assert load_checkpoint(saved).update > 0
    assert not Dataset.open(mouse).is_done("network")
    again = synimg(*generate, 1)
    assert again.returncode == 0, again.stderr
    for stage in ("network", "tissue", "image"):
        assert (
            Dataset.open(mouse).index["stages"][stage]["files"]
            == Dataset.open(tiny_path).index["stages"][stage]["files"]
        )
    assert Dataset.open(mouse).verify() == []
