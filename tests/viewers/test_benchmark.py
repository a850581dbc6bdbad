"""The leaderboard's page is one file, and says who failed where."""

import re
import subprocess

import pandas as pd
import pytest

from synimg.viewers.benchmark import benchmark


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    (folder / "mine.py").write_text("def own(table):\n    raise ValueError('<no way>')\n")
    benchmark(folder / "out", ["raw", f"{folder / 'mine.py'}:own"], ["few_synapses"], 1)
    return folder / "out" / "leaderboard.html"


def test_table_page_and_picture_are_written(page):
    board = pd.read_parquet(page.with_suffix(".parquet"))
    assert set(board["method"]) == {"raw", "mine.py:own", "ceiling"}
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_self_contained_and_tells_the_failure(page):
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "raised ValueError: &lt;no way&gt;" in text
    assert "three synapses per neuron" in text


@pytest.mark.browser
def test_a_browser_shows_it(page, tmp_path, browser):
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--window-size=1280,1200", "--enable-logging=stderr", "--virtual-time-budget=2000",
         f"--screenshot={tmp_path / 'page.png'}", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert "CONSOLE" not in done.stderr
