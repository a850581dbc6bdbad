"""The report: one file that needs nothing else."""

import re
import subprocess

import pytest

from synimg.analysis.separation import separate_dataset
from synimg.analysis.validate import validate
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import Dataset
from synimg.viewers.report import report


def test_the_page_is_self_contained_and_tells_the_whole_story(tiny_copy):
    page = report(tiny_copy).read_text()
    for title in (
        "What the network learned",
        "The image",
        "Counting receptors",
        "Homeostasis",
        "Booked, or made?",
        "The growth of the map",
        "Error budget",
        "erasure",
    ):
        assert title in page
    assert page.count("data:image/png;base64,") == 10
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)


def test_a_question_about_groups_has_its_figure_until_it_is_asked_no_more(tiny_copy):
    separate_dataset(tiny_copy, method="neuron_median", by="z_um")
    validate(tiny_copy)
    page = report(tiny_copy).read_text()
    assert "By z_um" in page
    assert page.count("data:image/png;base64,") == 11
    separate_dataset(tiny_copy, method="neuron_median")
    assert not (tiny_copy / "analysis/default/groups.parquet").exists()
    assert Dataset.open(tiny_copy).verify() == []


def test_a_network_that_did_not_learn_says_so_at_the_top(tiny_copy):
    scores = read_json(tiny_copy / "analysis/default/scores.json")
    scores["network"]["criterion_trials"] = None
    write_json(tiny_copy / "analysis/default/scores.json", scores)
    page = report(tiny_copy).read_text()
    assert "<li>the network did not reach the learning criterion</li>" in page
    assert "It did not reach the criterion in the trials it had" in page


def test_a_data_set_that_is_not_validated_says_what_to_run(tiny_copy):
    with pytest.raises(SynimgError, match="run 'synimg measure"):
        report(tiny_copy, run="other")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_asking_anybody(tiny_copy, tmp_path, browser, width):
    page = report(tiny_copy, out=tmp_path / "page.html")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width},1200", "--enable-logging=stderr", "--virtual-time-budget=2000",
         f"--screenshot={tmp_path / 'page.png'}", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
