"""The network learns, and what moves it is what the configuration says."""

import numpy as np
import pytest

from synimg import config
from synimg.family import names, part
from synimg.phantoms.activity import run_trials
from synimg.phantoms.network import train
from synimg.phantoms.rules.eprop import eprop_signal
from synimg.phantoms.rules.protocol import Trials
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import build_wiring

TINY = config.preset("tiny")


def with_part(section, kind):
    return TINY.model_copy(
        update={
            section: part(f"synimg.phantoms.{section}s" if section == "rule" else f"synimg.phantoms.{section}", kind)()
        }
    )


def test_the_eligibility_trace_never_kept_gives_the_gradient_of_one_that_is():
    rng = np.random.default_rng(1)
    n_steps, n_batch, n_units, n_classes = 9, 3, 7, 2
    rates = np.maximum(rng.standard_normal((n_steps + 1, n_batch, n_units)), 0).astype(np.float32)
    error = rng.standard_normal((n_steps, n_batch, n_classes)).astype(np.float32)
    w_out = rng.standard_normal((n_classes, n_units)).astype(np.float32)
    leak = rng.uniform(0.05, 0.5, n_units).astype(np.float32)
    slow = np.zeros((n_units, n_units))
    for b in range(n_batch):
        trace = np.zeros((n_units, n_units))
        for t in range(n_steps):
            trace = (1 - leak)[:, None] * trace + leak[:, None] * rates[t, b][None, :]
            signal = (error[t, b] @ w_out) * (rates[t + 1, b] > 0)
            slow += signal[:, None] * trace
    trials = Trials(
        rates=rates,
        max_rate=np.inf,
        error=error,
        w_out=w_out,
        weights=Weights(np.zeros((n_units, n_units), np.float32), np.zeros((n_units, 1), np.float32)),
        leak=leak,
        is_excitatory=leak > 0,
        progress=1.0,
        trial_loss=leak[:n_batch],
        condition=np.zeros(n_batch, np.int64),
        answer=None,
        perturbation=None,
        inputs=np.zeros((n_steps, n_batch, 1), np.float32),
        salience=None,
        chance=np.zeros(n_batch, np.float32),
    )
    gradient = np.einsum("tbi,tbj->ij", eprop_signal(trials, w_out), rates[:-1])
    np.testing.assert_allclose(gradient, slow, rtol=1e-4, atol=1e-5)


def test_dale_s_law_holds_and_inhibition_balances_excitation():
    wiring = build_wiring(TINY, 1)
    weights = wiring.weights(wiring.a_start).recurrent
    assert (weights[:, wiring.is_excitatory] >= 0).all()
    assert (weights[:, ~wiring.is_excitatory] <= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-3)
    assert np.abs(np.linalg.eigvals(weights.astype(float))).max() == pytest.approx(1.2, rel=1e-3)


WITH_AXONS = TINY.model_copy(
    update={
        "network": TINY.network.model_copy(update={"axons_per_input": 20}),
        "plasticity": TINY.plasticity.model_copy(update={"synapses": ("input",)}),
    }
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_inputs_over_axons_are_as_strong_as_fixed_ones_and_tell_the_inputs_apart(seed):
    fixed, over_axons = build_wiring(TINY, seed), build_wiring(WITH_AXONS, seed)
    w_in = over_axons.weights(over_axons.a_start).inputs
    assert np.sqrt((w_in**2).mean()) == pytest.approx(np.sqrt((fixed.w_in**2).mean()), rel=0.15)
    np.testing.assert_allclose(w_in.mean(axis=1), 0, atol=1e-4)
    afferent = over_axons.from_axon
    assert over_axons.a_first[afferent[over_axons.contact_edge]].mean() == pytest.approx(60, rel=0.15)
    same = over_axons.weights(over_axons.a_start).recurrent
    np.testing.assert_allclose(same, fixed.weights(fixed.a_start).recurrent, rtol=1e-5)


@pytest.mark.parametrize("rule", ["eprop", "bptt", "cubic_hebb"])
def test_synapses_of_inputs_alone_learn_and_the_ledger_is_exact(rule):
    chosen = part("synimg.phantoms.rules", rule)()
    learned = train(WITH_AXONS.model_copy(update={"rule": chosen}), 1)
    afferent = learned.wiring.from_axon[learned.wiring.contact_edge]
    moved = learned.ledger.log["learning"].value
    assert (moved[~afferent] == 0).all()
    assert (moved[afferent] != 0).mean() > 0.5
    assert learned.ledger.log["drift"].value[afferent].std() > 0.02
    assert max(learned.ledger.error()) < 1e-12


def test_axons_reach_units_near_their_place_where_inputs_have_an_order():
    network = WITH_AXONS.network.model_copy(update={"input_kernel_width": 0.1})
    wiring = build_wiring(WITH_AXONS.model_copy(update={"network": network}), 1)
    afferent = wiring.from_axon
    x_axon = wiring.axon_position[wiring.pre[afferent] - wiring.leak.size, 0]
    assert np.corrcoef(x_axon, wiring.position[wiring.post[afferent], 0])[0, 1] > 0.8


def test_activity_decays_to_nothing_without_input_or_noise():
    wiring = build_wiring(TINY, 1)
    batch = TINY.task.draw(2, 20.0, np.random.default_rng(1))
    silent = type(batch)(batch.inputs * 0, batch.target, batch.response)
    assert run_trials(wiring, wiring.weights(wiring.a_start), silent, 0.0, np.random.default_rng(1)).max() == 0


@pytest.mark.parametrize("kind", names("synimg.phantoms.rules"))
def test_a_silent_network_has_rates_of_0_and_every_number_stays_finite(kind):
    quick = TINY.training.model_copy(update={"n_updates": 3, "input_gain": 0.0, "test_trials": 16})
    network = TINY.network.model_copy(update={"noise_sd": 0.0, "n_units": 32})
    learned = train(with_part("rule", kind).model_copy(update={"training": quick, "network": network}), 1)
    assert (learned.rate_end == 0).all()
    for values in (learned.ledger.a, learned.ln_factor, learned.history.loss, learned.history.score):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_eprop_reaches_the_criterion_and_the_ledger_is_exact(seed):
    learned = train(TINY, seed)
    assert learned.criterion_update[0] is not None
    assert max(learned.ledger.error()) < 1e-12
    for cause in ("learning", "homeostasis", "drift"):
        assert learned.ledger.log[cause].value.std() > 0.02


def test_the_readout_alone_learns_without_moving_a_recurrent_synapse():
    learned = train(with_part("rule", "readout_only"), 1)
    assert (learned.ledger.log["learning"].value == 0).all()
    assert learned.history.loss[-1] < learned.history.loss[0]


def test_with_learning_off_nothing_is_learned():
    learned = train(with_part("rule", "off"), 1)
    assert (learned.ledger.log["learning"].value == 0).all()
    assert learned.readouts[0].n_steps == 0


@pytest.mark.parametrize("cause", ["learning", "homeostasis", "drift"])
def test_a_counterfactual_lacks_its_cause_and_keeps_the_rest_of_the_world(cause):
    short = TINY.model_copy(update={"training": TINY.training.model_copy(update={"n_updates": 10})})
    with_all, without = train(short, 1), train(short, 1, without=cause)
    assert (without.ledger.log[cause].value == 0).all()
    np.testing.assert_array_equal(with_all.wiring.a_start, without.wiring.a_start)
    if cause != "drift":
        np.testing.assert_allclose(with_all.ledger.log["drift"].value, without.ledger.log["drift"].value, atol=1e-12)


def test_homeostasis_moves_all_inputs_of_a_neuron_by_one_factor_within_its_caps():
    learned = train(TINY, 1)
    change = learned.ledger.log["homeostasis"].value
    np.testing.assert_allclose(change, learned.ln_factor[learned.wiring.contact_post], atol=1e-12)
    assert np.abs(learned.ln_factor).max() <= np.log(2) + 1e-12


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drift_has_the_stated_spread(seed):
    law = part("synimg.phantoms.drift", "log_ou")(sd_per_day=0.2, tau_drift_days=10.0)
    rng, drift = np.random.default_rng(seed), np.zeros(20_000)
    for _ in range(50):
        drift += law.step(drift, None, 2.0 / 50, rng)[0]
    expected = 0.2 * np.sqrt(5 * (1 - np.exp(-0.4)))
    assert drift.std() == pytest.approx(expected, rel=0.025)  # 5 sigma: sd of an sd is 1/sqrt(2n)
