"""Tasks in a row: what is forgotten, what holds on, and which task a change belongs to."""

import numpy as np
import pytest

from synimg import config
from synimg.family import names, part
from synimg.phantoms.network import train
from synimg.streams import stream

FOLDER = "synimg.phantoms.consolidation"
TASKS = "synimg.phantoms.tasks"
TINY = config.preset("tiny")


def in_a_row(kind, n_updates=300, **values):
    training = TINY.training.model_copy(update={"n_updates": n_updates, "test_every": n_updates // 2})
    return TINY.model_copy(
        update={
            "next_tasks": (part(TASKS, "delayed_match")(),),
            "rule": part("synimg.phantoms.rules", "bptt")(),
            "consolidation": part(FOLDER, kind)(**values),
            # scaling at its usual pace follows the rates of the task at hand and undoes the earlier ones
            "homeostasis": part("synimg.phantoms.homeostasis", "scaling")(rate_per_update=0.0002),
            "training": training,
        }
    )


@pytest.mark.parametrize("kind", names(FOLDER))
def test_learning_is_the_sum_of_the_tasks_and_every_synapse_adds_up(kind):
    learned = train(in_a_row(kind, 60), 1)
    ledger = learned.ledger
    assert max(ledger.error()) < 1e-12
    tasks = [ledger.parts[name] for name in ("1_cue_accumulation", "2_delayed_match")]
    for scale, whole in enumerate((ledger.log["learning"].value, ledger.linear["learning"].value)):
        np.testing.assert_allclose(sum(task[scale].value for task in tasks), whole, atol=1e-12)
        assert all(task[scale].value.std() > 0 for task in tasks)
    assert learned.history.score_by_task.shape == (3, 2)
    assert np.isnan(learned.history.score_by_task[0, 1])


def scores_in_the_end(kind, **values):
    """Score of each task after both, the mean of three networks."""
    return np.mean([train(in_a_row(kind, **values), seed).history.score_by_task[-1] for seed in (1, 2, 3)], axis=0)


@pytest.fixture(scope="module")
def forgotten():
    """Those of networks that nothing consolidates."""
    return scores_in_the_end("none")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["elastic", "synaptic_intelligence"])
def test_consolidation_keeps_the_first_task_that_is_forgotten_without(kind, forgotten):
    kept = scores_in_the_end(kind, strength=0.1)
    assert kept[0] > forgotten[0] + 0.25
    assert kept[1] > 0.8


def test_important_synapses_are_held_and_others_are_free():
    hold = part(FOLDER, "elastic")(strength=1.0)
    memory = hold.start(2)
    for _ in range(50):
        _, memory = hold.step(np.zeros(2), np.zeros(2), np.array([1.0, 0.0]), memory)
    memory = hold.switch(np.zeros(2), memory)
    pull, _ = hold.step(np.array([0.5, 0.5]), np.zeros(2), np.zeros(2), memory)
    np.testing.assert_allclose(pull, [-0.5 * (1 - np.exp(-2.0)), 0.0], atol=1e-12)


def test_what_sits_deep_in_the_beakers_comes_back():
    chain = part(FOLDER, "beakers")(coupling=0.1)
    memory, visible = chain.start(1), np.array([1.0])
    for _ in range(500):
        change, memory = chain.step(visible, np.zeros(1), None, memory)
        visible = visible + change
    erased, back = np.zeros(1), np.zeros(1)
    for _ in range(50):
        change, memory = chain.step(erased + back, np.zeros(1), None, memory)
        back = back + change
    assert 0 < back[0] < visible[0]


def test_gating_silences_its_share_of_units_in_each_task():
    gate = part(FOLDER, "context_gating")(silenced=0.4)
    first, second = (gate.active(k, 100, np.random.default_rng(k)) for k in (0, 1))
    assert first.sum() == second.sum() == 60
    assert (first != second).any()


def test_only_synapses_between_units_of_the_task_move_and_they_take_the_whole_step():
    config = in_a_row("context_gating", 40)
    learned = train(config, 1)
    wiring, rate = learned.wiring, config.rule.learning_rate
    n = config.network.n_units
    on = [config.consolidation.active(k, n, stream(1, "consolidation", "active", k)) > 0 for k in (0, 1)]
    for k, name in enumerate(("1_cue_accumulation", "2_delayed_match")):
        moved = learned.ledger.parts[name][0].value
        live = on[k][wiring.contact_post] & on[k][wiring.contact_pre] & (wiring.contact_pre < n)
        assert not moved[~live].any()
        # twenty steps of this rms that do not all point the same way
        assert rate < np.sqrt(np.mean(moved[live] ** 2)) < 20 * rate
