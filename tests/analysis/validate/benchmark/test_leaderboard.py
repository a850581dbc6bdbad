"""The leaderboard's numbers follow from the cells'."""

import numpy as np
import pytest

from synimg.analysis.validate.benchmark.leaderboard import leaderboard, other_tables, summary


def cell(method, seed=1, scenario="sparse_potentiation", failed=None, ap=0.6, called=(0, 0), **more):
    """A cell whose bootstrap copies are all alike."""
    n_called, n_false = called
    scores = {"average_precision": ap, "average_precision_copies": [ap] * 5}
    for which in ("05", "10"):
        scores |= {f"called_{which}": n_called, f"false_{which}": n_false}
        scores |= {f"called_{which}_copies": [n_called] * 5, f"false_{which}_copies": [n_false] * 5}
    facts = {
        "scenario": scenario,
        "seed": seed,
        "method": method,
        "failed": failed,
        "seconds": 1.0,
        "peak_bytes": 2**20,
    }
    return facts | ({} if failed else scores) | more


def row(cells, method="mine", scenario="sparse_potentiation"):
    board = leaderboard(cells)
    return board[(board["method"] == method) & (board["scenario"] == scenario)].iloc[0]


def test_a_share_is_taken_table_by_table_and_a_failure_counts_nothing():
    tops = [cell("ceiling", seed, ap=ap) for seed, ap in ((1, 0.5), (2, 0.8))]
    found = row([*tops, cell("mine", 1, ap=0.25), cell("mine", 2, ap=0.4)])
    assert (found["ap_share"], found["ap_share_lo"], found["ap_share_hi"]) == (0.5, 0.5, 0.5)
    found = row([*tops, cell("mine", 1, ap=0.25), cell("mine", 2, failed="took longer than 1 s")])
    assert (found["ap_share"], found["n_failed"]) == (0.25, 1)
    assert found["failed"] == "seed 2: took longer than 1 s"


@pytest.mark.parametrize(("n_false", "broken"), [(4, False), (10, False), (16, True)])
def test_a_rate_is_too_high_only_beyond_its_sampling_error(n_false, broken):
    cells = [cell("mine", seed, called=(50, n_false // 2)) for seed in (1, 2)]
    found = row(cells)
    assert found["fdr_05"] == pytest.approx(n_false / 100)
    low = {4: 0.0110, 10: 0.0490, 16: 0.0943}[n_false]  # Clopper and Pearson, tables
    assert found["fdr_05_lo"] == pytest.approx(low, abs=2e-4)
    assert found["fdr_05_broken"] == broken


def test_without_learning_the_rate_is_the_share_of_tables_with_a_call():
    cells = [cell("mine", seed, "no_learning", called=(n, n)) for seed, n in ((1, 9), (2, 0), (3, 0), (4, 0))]
    found = row(cells, scenario="no_learning")
    assert (found["fdr_05"], found["called_05"]) == (0.25, 9)
    assert np.isnan(found["ap_share"])


def test_flags_are_wanted_where_most_learned_and_unwanted_elsewhere():
    said = {"majority_learned": True, "sparse_potentiation": True, "whole_cell": True}
    cells = [cell("mine", scenario=name, flagged=flag) for name, flag in said.items()]
    right = {name: row(cells, scenario=name)["flags_right"] for name in said}
    assert (right["majority_learned"], right["sparse_potentiation"]) == (1.0, 0.0)
    assert np.isnan(right["whole_cell"])  # nothing can tell


def test_the_summary_leaves_out_what_cannot_be_told_apart():
    shares = {"sparse_potentiation": 0.6, "low_counts": 0.3, "majority_learned": 0.0, "shuffled_labels": 0.0}
    cells = [cell("mine", scenario=name, ap=ap) for name, ap in shares.items()]
    cells += [cell("ceiling", scenario=name, ap=0.6) for name in shares]
    best, mine = (r for _, r in summary(leaderboard(cells)).iterrows())
    assert (best["method"], mine["method"]) == ("ceiling", "mine")
    assert mine["ap_share"] == pytest.approx(0.75)
    assert (mine["least_share"], mine["least_at"]) == (0.5, "low_counts")


def test_who_does_better_than_can_be_known_is_marked():
    cells = [cell("ceiling", ap=0.5), cell("cheat", ap=0.6), cell("fair", ap=0.45)]
    board = leaderboard(cells).set_index("method")
    assert board["above_ceiling"].to_dict() == {"cheat": True, "fair": False, "ceiling": False}
    lucky = cell("lucky", ap=0.6) | {"average_precision_copies": [0.4, 0.6, 0.7, 0.6, 0.7]}
    assert not row([*cells, lucky], "lucky")["above_ceiling"]


def test_tables_that_are_not_those_of_the_version_are_told():
    cells = [cell(m, seed, as_pinned=seed == 1) for m in ("ceiling", "mine") for seed in (1, 2, 3)]
    said = other_tables(leaderboard(cells))
    assert said.startswith("2 tables are not those of version 1 of the suite (sparse_potentiation)")
    assert other_tables(leaderboard([cell("mine", as_pinned=True), cell("mine", 9, as_pinned=None)])) == ""
