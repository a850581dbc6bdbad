"""Draws of the joint posterior are those of the means and intervals that are stated, and add up."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.separation import separate
from synimg.analysis.separation_files import separate_table
from synimg.analysis.shares import CAUSES, variance_shares
from synimg.errors import SynimgError
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario

N = 60


@pytest.fixture(scope="module")
def drawn():
    return draw(scenario("spine_turnover").model_copy(update={"n_neurons": 30}), 1001)


@pytest.fixture(scope="module")
def result(drawn):
    found = separate(drawn.table, "hierarchical", draws=N)
    frames = pd.concat(found.draws)
    return found, {name: frames.pivot(index="synapse_id", columns="draw", values=name) for name in frames.columns[2:]}


def test_their_means_are_those_of_the_result(result):
    found, draws = result
    share = (draws["learned"] != 0).mean(axis=1).to_numpy()
    p = found.synapses["p_learning"].to_numpy()
    assert share.mean() == pytest.approx(p.mean(), abs=0.01)
    assert np.abs(share - p).max() < 5 * 0.5 / np.sqrt(N)
    for cause in ("learning", "homeostasis", "drift"):
        mean = draws[f"delta_{cause}"].mean(axis=1).to_numpy()
        assert np.corrcoef(mean, found.synapses[f"delta_{cause}"])[0, 1] > 0.95


def test_a_neurons_synapses_share_its_factor_in_every_draw(result, drawn):
    _, draws = result
    of = drawn.table.set_index("synapse_id")["neuron_id"].reindex(draws["learned"].index)
    means = draws["delta_homeostasis"].groupby(of.to_numpy()).mean()
    between, within = means.std(axis=1).mean(), draws["delta_homeostasis"].std(axis=1).mean()
    assert between > 0.3 * within  # were they drawn apart, it would be within / sqrt(40)


def test_the_intervals_of_the_shares_hold_in_every_animal(result, drawn):
    found, _ = result
    lived = drawn.truth[~drawn.truth["formed"]]
    animal = drawn.neurons.set_index("neuron_id")["animal_id"].reindex(lived["post_id"]).to_numpy()
    held = []
    for row in found.animals.to_dict("records"):
        true = lived.loc[animal == row["animal_id"], ["ln_learning", "ln_homeostasis", "ln_drift"]]
        for cause, share in zip(CAUSES, variance_shares(true.to_numpy()), strict=True):
            held.append(row[f"var_share_{cause}_lo"] < share < row[f"var_share_{cause}_hi"])
    assert len(held) == 12
    assert sum(held) >= 10


def test_draws_lie_beside_the_result_and_go_with_it(tmp_path, drawn, short_chain):
    few = drawn.table[drawn.table["neuron_id"] <= 3]
    few.to_parquet(tmp_path / "table.parquet")
    separate_table(tmp_path / "table.parquet", tmp_path / "out", "hierarchical", draws=3)
    frame = pd.read_parquet(tmp_path / "out" / "draws.parquet")
    assert len(frame) == 3 * len(few)
    separate_table(tmp_path / "table.parquet", tmp_path / "out", "raw")
    assert not (tmp_path / "out" / "draws.parquet").exists()


@pytest.mark.parametrize(("method", "n", "said"), [("raw", 5, "no posterior"), ("hierarchical", -1, "--draws = -1")])
def test_what_cannot_be_drawn_is_refused(method, n, said, drawn):
    with pytest.raises(SynimgError, match=said):
        separate(drawn.table, method, draws=n)
