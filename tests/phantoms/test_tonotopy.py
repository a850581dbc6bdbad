"""The sign of the reward contingency sets the sign of the plasticity gradient along the frequency axis.

Xiong, Znamenskiy and Zador 2015 (Nature 521:348): in every animal, and read from the synapses after death.
"""

from dataclasses import replace

import numpy as np
import pytest

from synimg import config
from synimg.errors import SynimgError
from synimg.phantoms.curriculum import without_contingency
from synimg.phantoms.network import train
from synimg.phantoms.receptors import draw_counts

TONOTOPY = config.preset("tonotopy")
IMAGED = 32


def with_task(**settings):
    return TONOTOPY.model_copy(update={"task": TONOTOPY.task.model_copy(update=settings)})


def slopes(learned, values, n_neurons=240):
    """Slope of `values` over the input's frequency, of the pool that answers left and the one that answers right."""
    wiring = learned.wiring
    frequency = (wiring.source - wiring.leak.size)[wiring.contact_edge] / 30
    pool = learned.readouts[0].pool[wiring.contact_post]
    return [
        np.polyfit(frequency[rows], values[rows], 1)[0]
        for rows in ((pool == k) & (wiring.contact_post < n_neurons) for k in (0, 1))
    ]


def tag_ratio(animal, learned, seed):
    counts = draw_counts(learned.ledger.a_start, learned.ledger.a, animal, seed)
    return np.log((counts.labelled_new + counts.labelled_old + 1) / (counts.labelled_old + 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("low_is", ["left", "right"])
def test_every_animal_has_the_gradient_of_its_contingency_in_the_ledger_and_in_the_tag(low_is):
    animal, sign = with_task(low_is=low_is), -1 if low_is == "left" else 1
    right_in_truth, right_in_tag = [], []
    for seed in range(1, 11):
        learned = train(animal, seed)
        assert learned.history.score.max() > 0.9
        for found, values, n in (
            (right_in_truth, learned.ledger.log["learning"].value, 240),
            (right_in_tag, tag_ratio(animal, learned, seed), IMAGED),
        ):
            left, right = slopes(learned, values, n)
            found.append(sign * left > 0 > sign * right)
    assert np.mean(right_in_truth) >= 0.95
    assert np.mean(right_in_tag) >= 0.95


@pytest.mark.slow
def test_without_contingency_the_gradient_has_no_sign():
    # a normalised step walks at random and feeds on itself: single yoked animals have gradients, of either sign
    yoked = TONOTOPY.training.model_copy(update={"feedback": "yoked", "n_updates": 50})
    animal, difference = TONOTOPY.model_copy(update={"training": yoked}), []
    for seed in range(1, 9):
        learned = train(animal, seed)
        left, right = slopes(learned, learned.ledger.log["learning"].value)
        difference.append(left - right)
    standard_error = np.std(difference, ddof=1) / np.sqrt(len(difference))
    assert abs(np.mean(difference)) < 3 * standard_error
    assert np.abs(difference).max() < 0.4  # animals that learn have -0.56


def test_a_yoked_trial_never_has_its_own_answer():
    batch = TONOTOPY.task.draw(6, 20.0, np.random.default_rng(1))
    numbered = replace(batch, target=np.arange(6))
    for seed in range(200):
        told = without_contingency(numbered, np.random.default_rng(seed)).target
        assert (told != np.arange(6)).all()
        assert set(told) == set(range(6))


def test_a_reversed_task_is_learned_downstream_and_moves_the_frozen_synapses_no_more():
    values = TONOTOPY.model_dump()
    values["next_tasks"] = [values["task"] | {"low_is": "right"}]
    values["consolidation"] = {"kind": "frozen"}
    values["plasticity"] |= {"readout": True, "readout_from_task": 2}
    values["training"] |= {"n_updates": 150, "readout_learning_rate": 0.2}
    learned = train(config.Config.parse(values, "reversal"), 2)
    scores = learned.history.score_by_task
    assert scores[:7, 0].max() > 0.9
    assert scores[-1, 1] > 0.9
    moved = learned.history.ln["learning"]
    halfway = np.flatnonzero(learned.history.snapshot == 75)[0]
    np.testing.assert_allclose(moved[-1], moved[halfway], atol=1e-6)
    assert slopes(learned, moved[-1])[0] < 0 < slopes(learned, moved[-1])[1]


def test_a_rule_that_draws_actions_refuses_a_course_to_follow():
    values = TONOTOPY.model_dump() | {"task": {"kind": "reaching"}}
    with pytest.raises(SynimgError, match=r"three_factor.*choice"):
        config.Config.parse(values, "mistake")


def test_synapses_of_inputs_cannot_learn_where_inputs_have_none():
    with pytest.raises(SynimgError, match="axons_per_input"):
        config.Config.parse({"plasticity": {"synapses": ["input"]}}, "mistake")
