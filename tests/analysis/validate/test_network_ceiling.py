"""The ceiling of a data set: laws taken from what contacts show give what the formulae of a scenario give."""

import numpy as np
import pytest

from synimg.analysis.shares import CAUSES
from synimg.analysis.validate.ceiling import ceiling
from synimg.analysis.validate.count_grid import ErrorLaw, Labels
from synimg.analysis.validate.network_ceiling import (
    EXACT,
    Sheet,
    error_law,
    exact_sheets,
    laws_of,
    network_ceiling,
)
from synimg.analysis.validate.scores import average_precision, calibration
from synimg.analysis.validate.separation import rows_of_some_neurons
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario
from synimg.streams import stream


def known(settings, drawn, sheet):
    """The ceiling of a small table under the laws of another, larger one."""
    world = draw(settings.model_copy(update={"n_neurons": 150, "n_animals": 1}), 1001)
    laws = laws_of(world.truth, world.neurons, 1)
    return network_ceiling(laws, drawn.neurons, sheet, settings.turnover, settings.depression)


def sheet_of(settings, drawn):
    old, new = (settings.labelling * drawn.table[f"r_{name}"].to_numpy() for name in ("old", "new"))
    labels, error = Labels(0.8, 0.8), ErrorLaw(settings.fit_sd_dyes**2, settings.dye_variance)
    return Sheet(old, new, labels, error, drawn.table["neuron_id"].to_numpy(), np.ones(old.size))


@pytest.mark.parametrize("name", ["sparse_potentiation", "spine_turnover"])
def test_empirical_laws_know_what_the_true_ones_know(name):
    settings = scenario(name)
    drawn = draw(settings.model_copy(update={"n_neurons": 25, "n_animals": 1}), 1)
    learned = drawn.truth["is_learned"].to_numpy()
    found = known(settings, drawn, sheet_of(settings, drawn))
    exact = ceiling(settings.model_copy(update={"n_animals": 1}), drawn, 1).synapses
    best = exact["p_learning"].to_numpy()
    assert np.abs(found.p_learning - best).mean() < 0.01
    assert average_precision(learned, found.p_learning) == pytest.approx(average_precision(learned, best), abs=0.01)
    assert calibration(learned, found.p_learning)["error"] < 0.03
    for k, cause in enumerate(CAUSES):
        assert np.corrcoef(found.deltas[:, k], exact[f"delta_{cause}"])[0, 1] > 0.98


def test_labels_and_their_errors_cost_what_they_cost():
    settings = scenario("low_counts")
    drawn = draw(settings.model_copy(update={"n_neurons": 60, "n_animals": 1}), 1)
    learned = drawn.truth["is_learned"].to_numpy()
    sheets = {**exact_sheets(drawn.truth, Labels(0.8, 0.8)), "measured": sheet_of(settings, drawn)}
    ap = [average_precision(learned, known(settings, drawn, sheet).p_learning) for sheet in sheets.values()]
    assert ap[0] > ap[1] > ap[2]


def test_a_wrong_parent_that_is_announced_is_weighed():
    settings = scenario("sparse_potentiation")
    drawn = draw(settings.model_copy(update={"n_neurons": 25, "n_animals": 1}), 1)
    learned = drawn.truth["is_learned"].to_numpy()
    sheet = sheet_of(settings, drawn)
    others = stream(1, "test").permutation(sheet.neuron_id)
    wrong = Sheet(sheet.old, sheet.new, sheet.labels, sheet.error, others, sheet.sure)
    doubted = Sheet(sheet.old, sheet.new, sheet.labels, sheet.error, others, 0.0 * sheet.sure)
    ap = [average_precision(learned, known(settings, drawn, s).p_learning) for s in (wrong, doubted, sheet)]
    assert ap[0] < ap[1] < ap[2]


def test_the_law_of_errors_is_found_beside_a_few_wide_ones():
    rng = stream(1, "test")
    dyes = rng.poisson(30.0, 20_000).astype(float)
    error = np.sqrt(2.0 + 0.4 * dyes) * rng.standard_normal(dyes.size) * np.where(rng.random(dyes.size) < 0.02, 10, 1)
    law = error_law(error, dyes)
    assert law.variance(np.array([30.0]))[0] == pytest.approx(14.0, rel=0.04)  # 4 sigma, and what lies just within 4 sd
    assert law.wide == pytest.approx(
        0.02 * 0.69, abs=0.004
    )  # of those ten times as wide, 69 % are further off than 4 sd
    assert law.wider == pytest.approx(12, rel=0.2)


def test_a_neuron_with_more_synapses_in_the_table_has_a_better_known_factor():
    settings = scenario("sparse_potentiation")
    drawn = draw(settings.model_copy(update={"n_neurons": 25, "n_animals": 1}), 1)
    few, true = np.arange(0, len(drawn.truth), 8), drawn.truth["homeostasis"].to_numpy()
    sheet = sheet_of(settings, drawn)
    of_all = known(settings, drawn, sheet).deltas[few, 1] - true[few]
    of_few = known(settings, drawn, sheet.some(few)).deltas[:, 1] - true[few]
    assert np.std(of_all) < 0.7 * np.std(of_few)


def test_of_a_large_table_whole_neurons_are_taken(monkeypatch):
    monkeypatch.setattr("synimg.analysis.validate.separation.MOST_CEILING_ROWS", 50)
    neuron_id = np.repeat([7, 3, 9, 4], [30, 10, 25, 15])
    rows = rows_of_some_neurons(neuron_id, 1)
    counts = {i: int((neuron_id[rows] == i).sum()) for i in np.unique(neuron_id[rows])}
    assert 20 <= rows.size <= 50
    assert all(counts[i] == (neuron_id == i).sum() for i in counts)


def test_counts_beyond_the_sums_have_no_ceiling():
    settings = scenario("sparse_potentiation").model_copy(
        update={"mean_receptors": 9000.0, "n_neurons": 5, "n_animals": 1}
    )
    drawn = draw(settings, 1)
    laws = laws_of(drawn.truth, drawn.neurons, 1)
    big = Sheet(np.full(3, 9e3), np.full(3, 9e3), Labels(1.0, 1.0), EXACT, np.ones(3, int), np.ones(3))
    assert network_ceiling(laws, drawn.neurons, big, 0.8, "reduced_insertion") is None
