"""Neighbours on the dendrite tell where learning is clustered, and nothing where it is not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.mixture.neighbours import neighbour_pairs, neighbours_learned
from synimg.analysis.mixture.rivals import Rival
from synimg.analysis.separate.hierarchical import hierarchical
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def test_neighbours_are_close_and_on_the_same_branch():
    n = 300
    place = np.arange(n) * 4.0
    table = pd.DataFrame({"neuron_id": np.arange(n) // 100, "z_um": 0.0, "y_um": 0.0, "x_um": place})
    pairs, weight = neighbour_pairs(table, np.arange(n))
    assert (np.abs(np.diff(pairs, axis=1)) * 4.0 <= 15.0).all()
    assert (pairs[:, 0] // 100 == pairs[:, 1] // 100).all()
    np.testing.assert_allclose(weight, np.exp(-np.abs(np.diff(place[pairs], axis=1)[:, 0]) / 5.0))
    by_branch, _ = neighbour_pairs(table.assign(branch_id=np.arange(n) // 10), np.arange(n))
    assert (by_branch[:, 0] // 10 == by_branch[:, 1] // 10).all()
    assert neighbour_pairs(table.drop(columns="z_um"), np.arange(n)) is None
    assert neighbour_pairs(table.assign(x_um=place * 100.0), np.arange(n)) is None


def test_synapses_that_share_light_are_no_neighbours():
    place = np.arange(300) * 0.4
    table = pd.DataFrame({"neuron_id": 1, "z_um": 0.0, "y_um": 0.0, "x_um": place})
    pairs, _ = neighbour_pairs(table, np.arange(300))
    assert np.abs(np.diff(place[pairs], axis=1)).min() == pytest.approx(1.2)


def test_a_synapses_own_evidence_is_not_in_what_its_neighbours_say():
    rng = np.random.default_rng(1)
    neuron, pairs = np.repeat([0, 1], 50), np.column_stack([np.arange(99), np.arange(1, 100)])
    surplus, weight = rng.random(100), np.ones(99)
    before = neighbours_learned(pairs, weight, surplus, neuron)
    surplus[20] += 0.5
    after = neighbours_learned(pairs, weight, surplus, neuron)
    moved = after - before
    assert moved[[19, 21]].min() > 0.3
    assert abs(moved[20]) < 0.1 * moved[19]


@cache
def drawn_with(n_neurons):
    return draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": n_neurons}), 1001)


@cache
def without_places(n_neurons):
    """What the mixture finds where nobody knows the places: the same however these are."""
    return hierarchical(drawn_with(n_neurons).table, 1)


def clustered_table(n_neurons, clustered=True):
    drawn = drawn_with(n_neurons)
    learned, neuron = drawn.truth["is_learned"].to_numpy(bool), drawn.table["neuron_id"].to_numpy()
    rng = np.random.default_rng(1)
    place = 100.0 * rng.random(learned.size)
    for i in np.unique(neuron) if clustered else ():
        here = np.flatnonzero((neuron == i) & learned)
        place[here] = 100.0 * rng.random() + 2.0 * rng.standard_normal(here.size)
    return drawn.table, learned, {"z_um": 0.0, "y_um": 0.0, "x_um": place}


def test_a_rival_reading_knows_the_neighbours_too(monkeypatch):
    def one_like_the_chosen(data, choice):
        return [Rival(replace(choice, models=choice.models[:1], weights=np.ones(1)), "the same", 0.0)]

    monkeypatch.setattr("synimg.analysis.separate.hierarchical.rivals_of", one_like_the_chosen)
    table, _, places = clustered_table(12)
    found = hierarchical(table.assign(**places), 1)
    assert "clustering" in found.info["parameters"]["prior_weights"]
    assert found.synapses["p_learning"].between(0.0, 1.0).all()


@pytest.mark.parametrize("clustered", [True, False])
def test_clusters_raise_the_ranking_and_scatter_does_no_harm(clustered):
    table, learned, places = clustered_table(30, clustered)
    with_places = hierarchical(table.assign(**places), 1)
    without = without_places(30)
    assert ("clustering" in with_places.info["parameters"]["prior_weights"]) == clustered
    if not clustered:
        assert with_places.synapses.equals(without.synapses)
        return
    found, alone = (average_precision(learned, r.synapses["p_learning"].to_numpy()) for r in (with_places, without))
    assert found > alone + 0.04
    assert any("neighbours within 5 um" in said for said in with_places.info["assumptions"])
