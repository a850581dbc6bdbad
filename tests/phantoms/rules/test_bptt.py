"""Backpropagation through time follows the real slope of the loss."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.judge import judge
from synimg.phantoms.network import train
from synimg.phantoms.rules.bptt import Bptt, bptt_gradient
from synimg.phantoms.rules.eprop import eprop_gradient
from synimg.phantoms.rules.protocol import Trials
from synimg.phantoms.wiring import build_wiring

TINY = config.preset("tiny")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_gradient_is_the_slope_of_the_loss(seed):
    rng = np.random.default_rng(seed)
    wiring = build_wiring(TINY, seed)
    batch = TINY.task.draw(16, TINY.network.dt_ms, rng)
    readout = Readout.start(TINY.task.n_outputs, TINY.network.n_units, rng)
    weights = wiring.weights(wiring.a_start)

    def loss(w):
        return judge(run_trials(wiring, w, batch, 0.0, rng), batch, readout.w, readout.b).loss

    rates = run_trials(wiring, weights, batch, 0.0, rng)
    judged = judge(rates, batch, readout.w, readout.b)
    trials = Trials(
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
        perturbation=None,
        inputs=batch.inputs,
        salience=None,
        w_in=wiring.w_in,
    )
    full = bptt_gradient(trials)
    # along the gradient itself the loss rises by its square, up to curvature and float32
    direction = full / np.linalg.norm(full)
    step = np.float32(1e-2)
    slope = (loss(weights + step * direction) - loss(weights - step * direction)) / (2 * step)
    assert slope == pytest.approx(np.linalg.norm(full), rel=0.03)
    local = eprop_gradient(trials, readout.w)
    assert (full * local).sum() / np.linalg.norm(full) / np.linalg.norm(local) < 0.999


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_learns_the_task_and_the_ledger_is_exact(seed):
    learned = train(TINY.model_copy(update={"rule": Bptt()}), seed)
    assert learned.criterion_update[0] is not None
    assert max(learned.ledger.error()) < 1e-12
