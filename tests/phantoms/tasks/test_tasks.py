"""Every task: what the inputs say is what the target asks for."""

import numpy as np
import pytest

from synimg.family import names, part
from synimg.phantoms import curriculum
from synimg.phantoms.judge import judge
from synimg.phantoms.tasks.protocol import Batch

FOLDER = "synimg.phantoms.tasks"
OWN = [kind for kind in names(FOLDER) if kind != "neurogym"]  # which has its own tests, and may not be installed
DT_MS = 20.0


def draw(kind, seed=1, n_trials=200, **settings):
    task = part(FOLDER, kind)(**settings)
    return task, task.draw(n_trials, DT_MS, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", OWN)
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


@pytest.mark.parametrize("kind", OWN)
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


def ragged(kind, seed=1, n_trials=6):
    """A batch in which every trial answers at steps of its own, and some of its trials at those of all."""
    task, batch = draw(kind, seed, n_trials)
    rng = np.random.default_rng(seed)
    response = rng.random(batch.inputs.shape[:2]) < np.linspace(0.1, 0.9, n_trials)
    response[rng.integers(len(response), size=n_trials), np.arange(n_trials)] = True
    rates = rng.random((len(response) + 1, n_trials, 4)).astype(np.float32)
    w, b = rng.standard_normal((task.n_outputs, 4)).astype(np.float32), np.zeros(task.n_outputs, np.float32)
    return Batch(batch.inputs, batch.target, response), rates, w, b


def one_trial(batch, rates, k):
    """Trial `k` alone, cut to its response steps."""
    steps = batch.response[:, k]
    target = batch.target[k : k + 1] if batch.target.ndim == 1 else batch.target[steps, k : k + 1]
    alone = Batch(batch.inputs[steps, k : k + 1], target, np.ones(steps.sum(), bool))
    return alone, np.concatenate([rates[:1, k : k + 1], rates[1:][steps, k : k + 1]])


@pytest.mark.parametrize("kind", ["delayed_match", "path_integration"])
def test_trials_with_response_steps_of_their_own_are_judged_as_each_would_be_alone(kind):
    batch, rates, w, b = ragged(kind)
    together = judge(rates, batch, w, b)
    alone = [judge(r, t, w, b) for t, r in (one_trial(batch, rates, k) for k in range(6))]
    np.testing.assert_allclose(together.trial_loss, [a.loss for a in alone], rtol=1e-5)
    assert together.loss == pytest.approx(np.mean([a.loss for a in alone]), rel=1e-5)
    if kind == "delayed_match":
        assert together.score == pytest.approx(np.mean([a.score for a in alone]))
    for k, single in enumerate(alone):
        np.testing.assert_allclose(
            together.error[batch.response[:, k], k], single.error[:, 0] / 6, rtol=1e-4, atol=1e-8
        )
    assert not together.error[~batch.response].any()


@pytest.mark.parametrize("kind", ["delayed_match", "path_integration"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_error_is_the_slope_of_the_loss_at_response_steps_of_each_trial(kind, seed):
    batch, rates, w, b = ragged(kind, seed)
    error = judge(rates, batch, w, b).error
    gradient = np.einsum("tbo,tbu->ou", error, rates[1:])
    for output, unit in np.ndindex(w.shape):
        nudge = np.zeros_like(w)
        nudge[output, unit] = 0.01
        slope = (judge(rates, batch, w + nudge, b).loss - judge(rates, batch, w - nudge, b).loss) / 0.02
        assert gradient[output, unit] == pytest.approx(slope, rel=5e-3, abs=2e-4)


@pytest.mark.parametrize("kind", ["delayed_match", "path_integration"])
def test_one_mask_for_all_trials_is_the_same_mask_for_each(kind):
    _, batch = draw(kind, n_trials=5)
    rng = np.random.default_rng(2)
    rates = rng.random((len(batch.response) + 1, 5, 4)).astype(np.float32)
    w, b = rng.standard_normal((2, 4)).astype(np.float32), np.zeros(2, np.float32)
    each = Batch(batch.inputs, batch.target, np.repeat(batch.response[:, None], 5, axis=1))
    shared, own = judge(rates, batch, w, b), judge(rates, each, w, b)
    assert (own.loss, own.chance, own.score) == pytest.approx((shared.loss, shared.chance, shared.score), rel=1e-5)
    np.testing.assert_allclose(own.error, shared.error, rtol=1e-4, atol=1e-8)


def test_a_constant_course_scores_zero_where_only_some_steps_count():
    batch, rates, w, _ = ragged("path_integration")
    share = batch.response / batch.response.sum(axis=0) / 6
    mean = (share[..., None] * batch.target).sum(axis=(0, 1)).astype(np.float32)
    judged = judge(rates, batch, np.zeros_like(w), mean)
    assert judged.score == pytest.approx(0.0, abs=1e-5)
    perfect = Batch(batch.inputs, np.broadcast_to(mean, batch.target.shape), batch.response)
    assert judge(rates, perfect, np.zeros_like(w), mean).loss == 0.0


def test_without_contingency_each_trial_keeps_its_response_steps():
    batch, *_ = ragged("delayed_match", n_trials=40)
    yoked = curriculum.without_contingency(batch, np.random.default_rng(1))
    np.testing.assert_array_equal(yoked.response, batch.response)
    assert sorted(yoked.target) == sorted(batch.target)
    assert (yoked.target != batch.target).any()
