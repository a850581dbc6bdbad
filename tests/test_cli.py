"""The command line as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

COMMANDS = [
    "new",
    "generate",
    "population",
    "measure",
    "separate",
    "validate",
    "view",
    "report",
    "verify",
    "info",
    "demo",
]


def synimg(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "synimg", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_fits_80_columns(command):
    done = synimg(command, "--help", env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"})
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_new_writes_a_commented_file_that_is_never_overwritten(tmp_path):
    assert synimg("new", tmp_path / "a.toml", "--preset", "tiny").returncode == 0
    assert "# units, excitatory and inhibitory [>= 16, <= 4096]" in (tmp_path / "a.toml").read_text()
    again = synimg("new", tmp_path / "a.toml")
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
        (["separate", "absent.csv", "--out", "x"], "no such file"),
        (["separate", "absent.csv"], "--out is missing"),
        (["validate", "."], "not a data set"),
        (["validate"], "give a data set, or both"),
        (["info", "."], "not a data set"),
        (["verify", "absent"], "no such folder"),
        (["report", "."], "not a data set"),
        (["view", "."], "not a data set"),
        (["measur"], "No such command"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path, arguments, sentence):
    done = synimg(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "x" / "truth").exists()


@pytest.mark.parametrize("size", ["0", "0,0.1", "a,b", "0.1", "1,2,3,4"])
def test_a_voxel_size_that_cannot_be_is_refused(tmp_path, size):
    (tmp_path / "a.tif").write_bytes(b"x")
    done = synimg("measure", tmp_path / "a.tif", "--voxel-um", size, "--out", tmp_path / "out")
    assert (done.returncode, "it takes" in done.stderr) == (2, True)


def test_an_image_without_a_voxel_size_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"x")
    done = synimg("measure", tmp_path / "a.tif", "--out", tmp_path / "out")
    assert (done.returncode, "--voxel-um is missing" in done.stderr) == (2, True)


def test_info_and_verify_speak_json(tiny_path):
    facts = json.loads(synimg("info", tiny_path, "--json").stdout)
    assert facts["seed"] == 1
    assert "image" in facts["stages"]
    assert json.loads(synimg("verify", tiny_path, "--json").stdout)["problems"] == []


def test_verify_leaves_with_3_and_names_the_altered_file(tiny_copy):
    chunk = tiny_copy / "image.ome.zarr/0/c/0/0/0/0"
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(bytes(data))
    done = synimg("verify", tiny_copy)
    assert done.returncode == 3
    assert "image.ome.zarr/0/c/0/0/0/0: altered" in done.stdout


def test_a_population_is_drawn_from_a_data_set(tiny_path, tmp_path):
    done = synimg("population", tiny_path, "--out", tmp_path / "many", "--n-synapses", "1e4", "--seed", "3")
    assert (done.returncode, "10000 synapses on" in done.stderr) == (0, True)
    assert (tmp_path / "many" / "truth" / "synapses.parquet").is_file()


def test_a_table_made_by_hand_is_separated(tmp_path):
    rows = [f"{i},{i % 4},{30 + i % 7},{20 + i % 5}" for i in range(80)]
    (tmp_path / "hand.csv").write_text("synapse_id,neuron_id,r_old,r_new\n" + "\n".join(rows))
    done = synimg("separate", tmp_path / "hand.csv", "--out", tmp_path / "result")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "result").iterdir()} == {
        "separation.parquet", "neurons.parquet", "animals.parquet", "result.json"
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_130_no_traceback_and_a_folder_that_resumes(tmp_path, workers):
    command = [
        sys.executable,
        "-m",
        "synimg",
        "generate",
        "tiny",
        "--out",
        str(tmp_path / "m"),
        "--workers",
        str(workers),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.time() + 60
    while not (tmp_path / "m" / "dataset.json").exists() and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "goes on from there" in said
    assert synimg("generate", "tiny", "--out", tmp_path / "m", "--workers", 1).returncode == 0
    assert synimg("verify", tmp_path / "m").returncode == 0
