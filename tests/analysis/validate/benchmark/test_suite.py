"""The suite runs once, goes on where it stopped, and says what it will not do."""

import json
from pathlib import Path

import pytest

from synimg.analysis.validate.benchmark import run_suite
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario

OWN = "def own(table):\n    return table[['synapse_id']].assign(p_learning={})\n"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """`raw` and a method of ours on one scenario."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "mine.py").write_text(OWN.format("table['r_new'] / (table['r_new'] + table['r_old'])"))
    run_suite(folder / "out", ["raw", f"{folder / 'mine.py'}:own"], ["few_synapses"], 1)
    return folder


def cells(folder: Path) -> dict[str, dict]:
    return {file.stem: json.loads(file.read_text()) for file in (folder / "out" / "cells").rglob("*.json")}


def test_every_method_has_a_cell_with_the_checksum_of_its_table(board):
    found = cells(board)
    assert set(found) == {"raw", "mine.py-own", "ceiling"}
    assert {cell["checksum"] for cell in found.values()} == {draw(scenario("few_synapses"), 1).checksum()}
    assert all(cell["as_pinned"] for cell in found.values())
    # ours ranks as `raw` does, so it must score as `raw` does
    assert found["mine.py-own"]["average_precision"] == pytest.approx(found["raw"]["average_precision"])
    assert found["raw"]["average_precision"] < found["ceiling"]["average_precision"]


def test_a_finished_cell_is_not_run_again_and_a_changed_method_is(board):
    times = {file: file.stat().st_mtime_ns for file in (board / "out" / "cells").rglob("*.json")}
    (board / "mine.py").write_text(OWN.format(0.5))
    leaders = run_suite(board / "out", ["raw", f"{board / 'mine.py'}:own"], ["few_synapses"], 1)
    changed = [file.stem for file, before in times.items() if file.stat().st_mtime_ns != before]
    assert changed == ["mine.py-own"]
    assert leaders.set_index("method").loc["mine.py:own", "auroc"] == 0.5


def test_a_method_that_fails_is_marked_and_the_suite_goes_on(board):
    (board / "mine.py").write_text("def own(table):\n    raise RuntimeError('out of ideas')\n")
    leaders = run_suite(board / "out", ["raw", f"{board / 'mine.py'}:own"], ["few_synapses"], 1).set_index("method")
    assert leaders.loc["mine.py:own", "n_failed"] == 1
    assert leaders.loc["mine.py:own", "ap_share"] == 0.0
    assert "seed 1: " in leaders.loc["mine.py:own", "failed"]
    assert "RuntimeError: out of ideas" in leaders.loc["mine.py:own", "failed"]
    assert leaders.loc["raw", "n_failed"] == 0


def test_what_a_file_does_before_its_function_is_called_fails_that_cell_alone(board):
    nasty = {
        "leaves.py": "import sys\nsys.exit(0)\ndef own(table): return None\n",
        "hangs.py": "import time\ntime.sleep(600)\ndef own(table): return None\n",
        "junk.py": "import synimg, dataclasses\ndef own(table):\n"
        "    raw = synimg.separate(table, 'raw')\n"
        "    return dataclasses.replace(raw, neurons=raw.neurons.assign(scale_factor=-1.0))\n",
    }
    for name, text in nasty.items():
        (board / name).write_text(text)
    methods = ["raw", *(f"{board / name}:own" for name in nasty)]
    run_suite(board / "out", [methods.pop(2)], ["few_synapses"], 1, limit_s=2.0)
    failed = run_suite(board / "out", methods, ["few_synapses"], 1).set_index("method")["failed"]
    assert "SystemExit: 0" in failed["leaves.py:own"]
    assert "took longer than 2 s" in failed["hangs.py:own"]
    assert "cannot be scored" in failed["junk.py:own"]
    assert failed["raw"] == ""


def test_what_separate_chooses_by_itself_is_an_entry_that_is_asked_for(board):
    leaders = run_suite(board / "out", ["auto"], ["few_synapses"], 1, limit_s=0.2).set_index("method")
    assert "took longer" in leaders.loc["auto", "failed"]  # as any method that has so little time


def test_a_misspelt_function_is_told_before_the_file_is_run(tmp_path):
    (tmp_path / "mine.py").write_text("raise RuntimeError\ndef own(table): return None\n")
    with pytest.raises(SynimgError, match="has no function 'won'; did you mean 'own'"):
        run_suite(tmp_path / "out", [f"{tmp_path / 'mine.py'}:won"])


@pytest.mark.parametrize(
    ("methods", "scenarios", "n_seeds", "sentence"),
    [
        (["neuron_mod"], [], 1, "unknown method 'neuron_mod'; did you mean 'neuron_mode'"),
        (["absent.py:own"], [], 1, "absent.py: no such file"),
        ([], ["low_count"], 1, "unknown scenario 'low_count'; did you mean 'low_counts'"),
        ([], [], 0, "--seeds = 0; it takes 1 or more"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(tmp_path, methods, scenarios, n_seeds, sentence):
    with pytest.raises(SynimgError, match=sentence):
        run_suite(tmp_path / "out", methods, scenarios, n_seeds)
    assert not (tmp_path / "out").exists()


def test_two_methods_of_one_name_are_refused(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.py").write_text(OWN.format(0.5))
    with pytest.raises(SynimgError, match=r"two methods are called 'mine.py:own'"):
        run_suite(tmp_path / "out", [f"{tmp_path / place / 'mine.py'}:own" for place in ("a", "b")])


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(SynimgError, match="holds something else"):
        run_suite(tmp_path)
    with pytest.raises(SynimgError, match="a file is there"):
        run_suite(tmp_path / "thesis.tex")


def test_cells_of_another_version_are_refused(tmp_path):
    (tmp_path / "suite.json").write_text('{"suite_version": 0}')
    with pytest.raises(SynimgError, match="holds version 0 of the suite, this synimg has 1"):
        run_suite(tmp_path)
