"""What each rule knows of the gradient: from nothing to all of it."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.judge import judge
from synimg.phantoms.network import train
from synimg.phantoms.rules.bptt import bptt_gradient
from synimg.phantoms.rules.cubic_hebb import CubicHebb
from synimg.phantoms.rules.eprop import Eprop, eprop_gradient
from synimg.phantoms.rules.mdgl import Mdgl, mdgl_gradient, type_means
from synimg.phantoms.rules.node_perturbation import NodePerturbation
from synimg.phantoms.rules.protocol import Shape, Trials
from synimg.phantoms.rules.reward_hebb import RewardHebb
from synimg.phantoms.tasks.protocol import Batch
from synimg.phantoms.wiring import build_wiring

TINY = config.preset("tiny")


def some_trials(seed, n_trials=32, perturbation_sd=0.0, repeats=1):
    rng = np.random.default_rng(seed)
    wiring = build_wiring(TINY, seed)
    batch = TINY.task.draw(n_trials, TINY.network.dt_ms, rng)
    if repeats > 1:
        batch = Batch(batch.inputs.repeat(repeats, axis=1), batch.target.repeat(repeats), batch.response)
        n_trials *= repeats
    readout = Readout.start(2, TINY.network.n_units, rng)
    weights = wiring.weights(wiring.a_start)
    noise = rng.standard_normal((len(batch.inputs), n_trials, TINY.network.n_units), dtype=np.float32)
    noise *= np.float32(perturbation_sd)
    rates = run_trials(wiring, weights, batch, 0.0, rng, noise)
    judged = judge(rates, batch, readout.w, readout.b)
    return Trials(
        rates=rates,
        max_rate=wiring.max_rate,
        error=judged.error,
        w_out=readout.w,
        weights=weights,
        leak=wiring.leak,
        is_excitatory=wiring.is_excitatory,
        progress=1.0,
        trial_loss=judged.trial_loss,
        condition=batch.target,
        perturbation=noise,
        inputs=batch.inputs,
        salience=None,
        w_in=wiring.w_in,
    )


def cosine(a, b, where):
    a, b = a[where], b[where]
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_modulators_bring_the_gradient_nearer_to_the_whole_one(seed):
    trials = some_trials(seed)
    whole, where = bptt_gradient(trials), trials.weights > 0
    eprop = cosine(eprop_gradient(trials, trials.w_out), whole, where)
    assert cosine(mdgl_gradient(trials, local=True), whole, where) > eprop > 0


def test_without_connections_modulators_add_nothing():
    trials = some_trials(1)
    alone = Trials(**(vars(trials) | {"weights": np.zeros_like(trials.weights)}))
    np.testing.assert_allclose(mdgl_gradient(alone, True), eprop_gradient(alone, alone.w_out), atol=1e-7)


def test_type_means_keep_the_sign_of_the_cell_and_the_sum_over_a_type():
    trials = some_trials(1)
    for local in (True, False):
        mean = type_means(trials, local)
        assert (mean[:, trials.is_excitatory] >= 0).all()
        assert (mean[:, ~trials.is_excitatory] <= 0).all()
        pair = np.ix_(trials.is_excitatory, trials.is_excitatory)
        assert mean[pair].sum() == pytest.approx(trials.weights[pair].sum(), rel=1e-4)
    np.testing.assert_array_equal(type_means(trials, True) != 0, trials.weights != 0)


def test_perturbed_trials_estimate_the_whole_gradient():
    # one trial again and again: what else makes trials better or worse averages out far more slowly
    trials = some_trials(1, n_trials=1, perturbation_sd=0.02, repeats=20_000)
    rule = NodePerturbation(noise=0.02)
    estimate, _ = rule.gradient(trials, rule.begin(96, 2, np.random.default_rng(1)))
    unperturbed = some_trials(1, n_trials=1)
    assert cosine(estimate, bptt_gradient(unperturbed), trials.weights > 0) > 0.5


def test_random_feedback_stays_the_same_for_the_whole_window():
    rule = Eprop(feedback="random")
    memory = rule.start(3, Shape(96, 4, 2), np.random.default_rng(1))
    _, (_, after) = rule.step(some_trials(1), np.array([0, 1, 2]), np.array([3, 4, 5]), memory)
    np.testing.assert_array_equal(after, memory[1])


def test_the_cube_of_a_product_summed_over_time_is_one_matrix_product():
    trials = some_trials(1, n_trials=3, perturbation_sd=0.1)
    rule = CubicHebb(keep_mean=0.0)
    fast = trials.rates[1:] - trials.rates[:-1]
    better = -(trials.trial_loss - [trials.trial_loss[trials.condition == c].mean() for c in trials.condition])
    slow = sum(
        better[b] * (fast[t, b][:, None] * trials.rates[t, b][None]) ** 3 for t in range(len(fast)) for b in range(3)
    )
    gradient, _ = rule.gradient(trials, rule.begin(96, 2, np.random.default_rng(1)))
    np.testing.assert_allclose(gradient, -slow, rtol=1e-3, atol=1e-5 * np.abs(slow).max())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rule", [Eprop(feedback="random"), Mdgl(), NodePerturbation(), RewardHebb(), CubicHebb()])
def test_the_network_learns_and_the_ledger_is_exact(rule, seed):
    learned = train(TINY.model_copy(update={"rule": rule}), seed)
    assert learned.history.score.max() > 0.7  # chance is 0.5; 4.5 sigma with 128 test trials
    log, linear = learned.ledger.error()
    assert log < 1e-12
    assert linear < 1e-12 * max(1.0, learned.ledger.a.max())
