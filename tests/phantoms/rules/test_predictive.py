"""Prediction needs no labels, and books apart from the task that it is mixed with."""

import numpy as np
import pytest

from synimg import config
from synimg.family import part
from synimg.phantoms.network import train

TINY = config.preset("tiny")
RING = part("synimg.phantoms.tasks", "path_integration")(n_landmarks=8)


def on_the_ring(n_updates=30, **rule):
    training = TINY.training.model_copy(update={"n_updates": n_updates, "test_every": n_updates})
    predictive = part("synimg.phantoms.rules", "predictive")(**rule)
    return TINY.model_copy(update={"task": RING, "rule": predictive, "training": training})


def test_landmarks_are_shown_where_the_heading_is_and_only_flashes_are_worth_a_prediction():
    batch = RING.draw(64, 20.0, np.random.default_rng(1))
    heading = np.arctan2(batch.target[..., 1], batch.target[..., 0])
    seen = batch.salience[..., 5:].max(axis=-1) == 1.0
    brightest = batch.inputs[..., 5:].argmax(axis=-1) * 2 * np.pi / 8
    off = np.abs(np.angle(np.exp(1j * (brightest - heading))))[seen]
    assert seen.mean() == pytest.approx(0.06 * 75 / 85, rel=0.3)
    assert np.median(off) < np.pi / 8
    assert (batch.salience[..., :5] == 0).all()


def test_prediction_alone_moves_synapses_without_a_word_of_the_task():
    yoked = TINY.training.model_copy(update={"n_updates": 30, "test_every": 30, "feedback": "yoked"})
    alone = on_the_ring()
    moved = [train(c, 1).ledger.log["learning"].value for c in (alone, alone.model_copy(update={"training": yoked}))]
    np.testing.assert_array_equal(*moved)
    assert moved[0].std() > 0.02


@pytest.mark.parametrize("combination", ["cooperating", "competing"])
@pytest.mark.parametrize("of", ["input", "drive"])
def test_two_objectives_are_booked_apart_and_add_up(combination, of):
    ledger = train(on_the_ring(of=of, task_weight=1.0, combination=combination), 1).ledger
    assert max(ledger.error()) < 1e-12
    parts = [ledger.parts[name][0].value for name in ("prediction", "task")]
    np.testing.assert_allclose(sum(parts), ledger.log["learning"].value, atol=1e-12)
    assert abs(np.corrcoef(*parts)[0, 1]) < 0.9


def test_weights_set_how_much_each_objective_moves():
    heavy = train(on_the_ring(task_weight=3.0), 1).ledger.parts
    light = train(on_the_ring(task_weight=0.3), 1).ledger.parts
    assert heavy["task"][0].value.std() > 2 * light["task"][0].value.std()
    assert heavy["prediction"][0].value.std() < light["prediction"][0].value.std()
