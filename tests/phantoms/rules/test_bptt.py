"""Backpropagation through time follows the real slope of the loss."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.batches import trials_of
from synimg.phantoms.judge import judge
from synimg.phantoms.network import train
from synimg.phantoms.rules.bptt import Bptt, bptt_signal
from synimg.phantoms.rules.eprop import eprop_signal
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import build_wiring

TINY = config.preset("tiny")


def everywhere(signal, trials):
    """The gradient (post, source) that a postsynaptic factor makes of all pairs of a source and a unit."""
    sources = np.concatenate([trials.rates[:-1], trials.inputs], axis=-1)
    return np.einsum("tbi,tbj->ij", signal, sources)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_gradient_is_the_slope_of_the_loss_by_recurrent_and_by_input_weights(seed):
    rng = np.random.default_rng(seed)
    wiring = build_wiring(TINY, seed)
    batch = TINY.task.draw(16, TINY.network.dt_ms, rng)
    readout = Readout.start(TINY.task.n_outputs, TINY.network.n_units, rng)
    weights = wiring.weights(wiring.a_start)
    n = wiring.leak.size

    def loss(step):
        moved = Weights(weights.recurrent + step[:, :n], weights.inputs + step[:, n:])
        return judge(run_trials(wiring, moved, batch, 0.0, rng), batch, readout.w, readout.b).loss

    rates = run_trials(wiring, weights, batch, 0.0, rng)
    trials = trials_of(wiring, weights, readout, batch, rates, np.zeros(16, np.float32))
    full = everywhere(bptt_signal(trials), trials)
    local = everywhere(eprop_signal(trials, readout.w), trials)
    for part in (np.s_[:, :n], np.s_[:, n:]):
        # along the gradient itself the loss rises by its square, up to curvature and float32
        direction = np.zeros_like(full)
        direction[part] = full[part] / np.linalg.norm(full[part])
        step = np.float32(3e-3) * direction
        slope = (loss(step) - loss(-step)) / 6e-3
        assert slope == pytest.approx(np.linalg.norm(full[part]), rel=0.01)
        assert (direction * local).sum() / np.linalg.norm(local[part]) < 0.999


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_learns_the_task_and_the_ledger_is_exact(seed):
    learned = train(TINY.model_copy(update={"rule": Bptt()}), seed)
    assert learned.criterion_update[0] is not None
    assert max(learned.ledger.error()) < 1e-12
