"""What each rule knows of the gradient: from nothing to all of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from synimg import config
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.batches import trials_of
from synimg.phantoms.network import train
from synimg.phantoms.rules.bptt import Bptt
from synimg.phantoms.rules.cubic_hebb import CubicHebb
from synimg.phantoms.rules.eprop import Eprop, eprop_signal
from synimg.phantoms.rules.mdgl import Mdgl, by_type, mdgl_signal
from synimg.phantoms.rules.node_perturbation import NodePerturbation
from synimg.phantoms.rules.protocol import Shape
from synimg.phantoms.rules.reward_hebb import RewardHebb
from synimg.phantoms.tasks.protocol import Batch
from synimg.phantoms.weights import Weights, at_edges
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
    chance = rng.random(n_trials, np.float32)
    return replace(trials_of(wiring, weights, readout, batch, rates, chance, noise), progress=1.0)


def at(edges, rule, trials):
    """The gradient by the weights of the edges (post, pre), as a rule knows it."""
    factor, _ = rule.at_post(trials, rule.begin(96, 2, np.random.default_rng(1)))
    return at_edges(factor, rule.at_pre(trials.rates[:-1]), *edges, one_by_one=False)


def excitatory(trials):
    return np.nonzero(trials.weights.recurrent > 0)


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_modulators_bring_the_gradient_nearer_to_the_whole_one(seed):
    trials = some_trials(seed)
    whole, local, modulated = (at(excitatory(trials), rule, trials) for rule in (Bptt(), Eprop(), Mdgl()))
    assert cosine(modulated, whole) > cosine(local, whole) > 0


def test_without_connections_modulators_add_nothing():
    trials = some_trials(1)
    alone = replace(trials, weights=Weights(np.zeros_like(trials.weights.recurrent), trials.weights.inputs))
    np.testing.assert_allclose(mdgl_signal(alone, True), eprop_signal(alone, alone.w_out), atol=1e-7)


def test_type_means_keep_the_sign_of_the_cell_and_the_sum_over_a_type():
    trials = some_trials(1)
    weights = trials.weights.recurrent
    for local in (True, False):
        mean = by_type(trials, local).recurrent
        assert (mean[:, trials.is_excitatory] >= 0).all()
        assert (mean[:, ~trials.is_excitatory] <= 0).all()
        pair = np.ix_(trials.is_excitatory, trials.is_excitatory)
        assert mean[pair].sum() == pytest.approx(weights[pair].sum(), rel=1e-4)
    np.testing.assert_array_equal(by_type(trials, True).recurrent != 0, weights != 0)


@pytest.mark.parametrize("rule", [Bptt(), Eprop(), Mdgl(), Mdgl(local=False), CubicHebb()], ids=lambda rule: rule.kind)
def test_sparse_weights_give_the_activity_and_the_gradient_of_dense_ones(rule):
    trials = some_trials(1)
    edges = excitatory(trials)
    sparse = Weights(csr_array(trials.weights.recurrent), trials.weights.inputs)
    np.testing.assert_allclose(
        sparse.forward(trials.rates[9]), trials.weights.forward(trials.rates[9]), rtol=1e-4, atol=1e-5
    )
    factor, _ = rule.at_post(replace(trials, weights=sparse), rule.begin(96, 2, np.random.default_rng(1)))
    one_by_one = at_edges(factor, rule.at_pre(trials.rates[:-1]), *edges, one_by_one=True)
    dense = at(edges, rule, trials)
    np.testing.assert_allclose(one_by_one, dense, rtol=1e-3, atol=1e-4 * np.abs(dense).max())


def test_perturbed_trials_estimate_the_whole_gradient():
    # one trial again and again: what else makes trials better or worse averages out far more slowly
    trials = some_trials(1, n_trials=1, perturbation_sd=0.02, repeats=5_000)
    estimate = at(excitatory(trials), NodePerturbation(noise=0.02), trials)
    unperturbed = some_trials(1, n_trials=1)
    assert cosine(estimate, at(excitatory(trials), Bptt(), unperturbed)) > 0.5


def test_random_feedback_stays_the_same_for_the_whole_window():
    rule = Eprop(feedback="random")
    memory = rule.start(3, Shape(96, 4, 2, n_updates=1, is_contingent=True), np.random.default_rng(1))
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
    gradient = at(np.indices(slow.shape).reshape(2, -1), rule, trials)
    np.testing.assert_allclose(gradient, -slow.ravel(), rtol=1e-3, atol=1e-5 * np.abs(slow).max())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rule", [Eprop(feedback="random"), Mdgl(), NodePerturbation(), RewardHebb(), CubicHebb()])
def test_the_network_learns_and_the_ledger_is_exact(rule, seed):
    learned = train(TINY.model_copy(update={"rule": rule}), seed)
    assert learned.history.score.max() > 0.7  # chance is 0.5; 4.5 sigma with 128 test trials
    log, linear = learned.ledger.error()
    assert log < 1e-12
    assert linear < 1e-12 * max(1.0, learned.ledger.a.max())
