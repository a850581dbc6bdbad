"""Every task: what the inputs say is what the target asks for."""

import numpy as np
import pytest

from synimg.family import names, part
from synimg.phantoms.judge import judge

FOLDER = "synimg.phantoms.tasks"
DT_MS = 20.0


def draw(kind, seed=1, n_trials=200, **settings):
    task = part(FOLDER, kind)(**settings)
    return task, task.draw(n_trials, DT_MS, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", names(FOLDER))
def test_inputs_and_targets_have_the_stated_shapes(kind):
    task, batch = draw(kind, n_trials=7)
    n_steps = len(batch.response)
    assert batch.inputs.shape == (n_steps, 7, task.n_inputs)
    assert batch.inputs.dtype == np.float32
    if task.answer == "choice":
        assert batch.target.shape == (7,)
        assert set(batch.target) <= set(range(task.n_outputs))
    else:
        assert batch.target.shape == (n_steps, 7, task.n_outputs)


@pytest.mark.parametrize("kind", names(FOLDER))
def test_an_answer_that_knows_nothing_scores_chance(kind):
    task, batch = draw(kind, n_trials=2000)
    rates = np.zeros((len(batch.response) + 1, 2000, 3), np.float32)
    mean = batch.target.mean(axis=(0, 1)) if batch.target.ndim == 3 else np.zeros(task.n_outputs)
    judged = judge(rates, batch, np.zeros((task.n_outputs, 3), np.float32), mean.astype(np.float32))
    assert judged.loss == pytest.approx(judged.chance, rel=1e-3)
    assert judged.score == pytest.approx(1 / task.n_outputs if task.answer == "choice" else 0.0, abs=0.05)


def test_the_match_is_told_from_the_nonmatch_by_the_two_stimuli():
    _, batch = draw("delayed_match", input_noise=0.0, wanted="match", n_stimuli=3)
    sample = batch.inputs[: -(10 + 10), :, :3].sum(axis=0).argmax(axis=-1)
    test = batch.inputs[-20:-10, :, :3].sum(axis=0).argmax(axis=-1)
    np.testing.assert_array_equal(batch.target, sample == test)


def test_the_heading_is_the_integral_of_the_velocity():
    task, batch = draw("path_integration", input_noise=0.0)
    velocity = batch.inputs[:, :, 0] - batch.inputs[:, :, 1]
    start = np.arctan2(batch.inputs[0, :, 3], batch.inputs[0, :, 2])
    heading = start + np.cumsum(velocity, axis=0) * task.velocity_sd_rad_per_s * DT_MS / 1000
    np.testing.assert_allclose(batch.target[..., 0], np.cos(heading), atol=1e-3)


def test_the_forager_stays_in_the_box_and_moves_as_its_velocity_says():
    task, batch = draw("foraging", input_noise=0.0, n_side=2, field_sd=1.0)
    # with four wide fields in the corners the place along an axis is the logarithm of a ratio of two of them
    low, high = np.log(batch.target[..., 0]), np.log(batch.target[..., 2])
    place = (high - low) / 2.0
    assert np.abs(place).max() < 1.0 + 1e-5
    velocity = (batch.inputs[:, :, 0] - batch.inputs[:, :, 2]) * task.speed_per_s * DT_MS / 1000
    inner = np.abs(place[1:]).max(axis=0) < 0.9
    np.testing.assert_allclose(np.diff(place, axis=0)[:, inner], velocity[1:, inner], atol=1e-4)


def test_the_hand_rests_until_the_go_signal_and_ends_on_the_target():
    _, batch = draw("reaching", input_noise=0.0)
    waiting = batch.inputs[:, :, 2] == 0
    assert np.abs(batch.target[waiting]).max() == 0
    np.testing.assert_allclose(batch.target[-1], batch.inputs[0, :, :2], atol=1e-6)


@pytest.mark.parametrize("kind", ["delayed_match", "path_integration"])
def test_the_error_is_the_slope_of_the_loss(kind):
    task, batch = draw(kind, n_trials=5)
    rng = np.random.default_rng(2)
    rates = rng.random((len(batch.response) + 1, 5, 4)).astype(np.float32)
    w = rng.standard_normal((task.n_outputs, 4)).astype(np.float32)
    b = np.zeros(task.n_outputs, np.float32)
    error = judge(rates, batch, w, b).error
    slope = [
        (judge(rates, batch, w, b + d).loss - judge(rates, batch, w, b - d).loss) / 0.02
        for d in 0.01 * np.eye(task.n_outputs, dtype=np.float32)
    ]
    np.testing.assert_allclose(error.sum(axis=(0, 1)), slope, rtol=2e-3, atol=2e-4)
