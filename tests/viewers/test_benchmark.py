"""The leaderboard's page is one file, and says who failed where."""

import re
import subprocess

import pandas as pd
import pytest

from synimg.viewers.benchmark import ABOVE, benchmark, render_leaderboard
from synimg.viewers.figures.leaderboard import leaderboard_figure


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


def test_a_method_that_knows_the_truth_and_other_tables_are_told(page):
    board = pd.read_parquet(page.with_suffix(".parquet"))
    assert ABOVE not in render_leaderboard(board, b"")
    board.loc[board["method"] == "raw", "above_ceiling"] = True
    board["n_differ"] = 1
    text = render_leaderboard(board, b"")
    assert ABOVE in text
    assert "1 tables are not those of version 1" in text


def test_the_picture_is_no_wider_than_a_page():
    methods = [f"method_{i}.py:separate" for i in range(12)]
    for scenarios in (["low_counts"], ["low_counts", "low_rank"] * 8):
        rows = [{"scenario": f"{s}{i}", "method": m} for i, s in enumerate(scenarios) for m in methods]
        board = pd.DataFrame(rows).assign(ap_share=0.5, fdr_05=0.1, factor_cover=0.9, fdr_05_broken=False)
        for n in (1, len(methods)):
            width, height = leaderboard_figure(board[board["method"].isin(methods[:n])]).get_size_inches()
            assert width < 12.1
            assert height < 3 * width


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
