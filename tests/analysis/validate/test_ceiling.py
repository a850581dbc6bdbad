"""The ceiling says what is known and not more: its probabilities and intervals hold."""

import numpy as np
import pytest

from synimg.analysis.calls import called
from synimg.analysis.validate.ceiling import ceiling
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import Drawn, draw
from synimg.phantoms.scenarios.suite import scenario

SEEDS = (1, 2)
SMALL = {"n_neurons": 30, "n_animals": 2}


def run(name, seed):
    settings = scenario(name).model_copy(update=SMALL)
    drawn = draw(settings, seed)
    return drawn, ceiling(settings, drawn, seed)


@pytest.mark.parametrize(
    "name",
    [
        "branch_scaling",
        "spine_turnover",
        "detection_threshold",
        "size_offsets_low_counts",
        "sparing_removal_wrong_parents",
    ],
)
def test_probabilities_and_intervals_hold(name):
    learned, p, holds, deltas = [], [], [], []
    for seed in SEEDS:
        drawn, result = run(name, seed)
        learned.append(drawn.truth["is_learned"].to_numpy(bool))
        p.append(result.synapses["p_learning"].to_numpy())
        both = result.neurons.merge(drawn.neurons, on="neuron_id", suffixes=("", "_true"))
        holds.append(both["scale_factor_true"].between(both["scale_factor_lo"], both["scale_factor_hi"]))
        for cause in ("homeostasis", "drift"):
            low, high = (result.synapses[f"delta_{cause}_{end}"] for end in ("lo", "hi"))
            deltas.append(drawn.truth[cause].between(low, high).mean())
    learned, p = np.concatenate(learned), np.concatenate(p)
    # the number that learned is a sum of independent draws, as are the numbers in every tenth of the probabilities
    for part in [np.full(p.size, True), *(np.digitize(p, [0.1, 0.5]) == k for k in range(3))]:
        assert abs((learned - p)[part].sum()) < 3.5 * np.sqrt((p * (1 - p))[part].sum())
    assert np.concatenate(holds).mean() > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)
    assert np.mean(deltas) == pytest.approx(0.95, abs=0.02)  # rows of a neuron share its factor: sd about 0.006


def test_it_calls_at_the_rate_it_says():
    drawn, result = run("half_learned", 1)
    learned = drawn.truth["is_learned"].to_numpy()
    chosen = called(result.synapses["lfdr"].to_numpy(), 0.05)
    assert chosen.sum() > 100
    assert (~learned[chosen]).mean() == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / chosen.sum()))


def test_controls_do_not_learn_and_whole_cells_are_found():
    drawn, result = run("whole_cell_with_controls", 1)
    p = result.synapses["p_learning"].to_numpy()
    assert (p[(drawn.table["group"] == "yoked").to_numpy()] == 0).all()
    assert average_precision(drawn.truth["is_learned"].to_numpy(), p) > 0.7


def test_without_learning_there_is_none():
    _, result = run("no_learning", 1)
    assert result.synapses["p_learning"].max() == 0


def test_recorded_activity_helps():
    settings = scenario("known_activity").model_copy(update=SMALL)
    drawn = draw(settings, 1)
    learned = drawn.truth["is_learned"].to_numpy()
    knowing = ceiling(settings, drawn, 1).synapses["p_learning"].to_numpy()
    drawn.truth["prior_learning"] = learned.mean()
    blind = ceiling(settings, drawn, 1).synapses["p_learning"].to_numpy()
    assert average_precision(learned, knowing) > average_precision(learned, blind) + 0.05


def test_the_order_of_the_rows_does_not_matter():
    settings = scenario("wrong_parents").model_copy(update={"n_neurons": 6, "n_animals": 2})
    drawn = draw(settings, 1)
    back = Drawn(drawn.table[::-1].reset_index(drop=True), drawn.truth[::-1].reset_index(drop=True), drawn.neurons)
    p, turned = (ceiling(settings, d, 1).synapses["p_learning"].to_numpy() for d in (drawn, back))
    np.testing.assert_allclose(p, turned[::-1], atol=1e-4)
