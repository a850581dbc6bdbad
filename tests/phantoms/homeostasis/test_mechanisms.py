"""Each mechanism moves a neuron towards its set point, and each moves its synapses in its own way."""

import numpy as np
import pytest

from synimg import config
from synimg.family import names, part
from synimg.phantoms.homeostasis.branch_local import branches
from synimg.phantoms.homeostasis.protocol import Contacts
from synimg.phantoms.network import train
from synimg.streams import stream

FOLDER = "synimg.phantoms.homeostasis"
TINY = config.preset("tiny")
BY_RATE = [kind for kind in names(FOLDER) if kind not in {"off", "branch_local"}]


def some_contacts(seed=1, n_units=40, n_inputs=100):
    rng = np.random.default_rng(seed)
    post = np.repeat(np.arange(n_units), n_inputs)
    pre, ln_start = rng.integers(0, n_units, post.size), np.log(60) + 0.8 * rng.standard_normal(post.size)
    return Contacts(pre, post, ln_start, rng.random(post.size))


def after(mechanism, rate, n_steps=400, contacts=None):
    """Change of ln receptors per contact once the rates have stayed the same for some steps; set points are 1."""
    contacts = contacts or some_contacts()
    target = np.ones(40)
    memory, total = mechanism.start(contacts, target, np.random.default_rng(1)), np.zeros(contacts.post.size)
    for _ in range(n_steps):
        change, memory = mechanism.step(rate, target, np.exp(contacts.ln_start + total), contacts, memory)
        total += change
    return total


@pytest.mark.parametrize("kind", BY_RATE)
@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_inputs_grow_when_the_neuron_is_too_quiet_and_shrink_when_it_is_too_busy(kind, rate):
    total = after(part(FOLDER, kind)(), np.full(40, rate))
    per_neuron = np.bincount(some_contacts().post, total)
    assert (np.sign(per_neuron) == np.sign(1.0 - rate)).all()


@pytest.mark.parametrize("kind", ["off", *BY_RATE])
def test_at_the_set_point_nothing_moves(kind):
    np.testing.assert_allclose(after(part(FOLDER, kind)(), np.ones(40)), 0, atol=1e-12)


@pytest.mark.parametrize("kind", BY_RATE)
def test_units_silent_from_the_start_stay_and_those_that_fall_silent_are_scaled_up(kind):
    mechanism, contacts, rate_start = part(FOLDER, kind)(), some_contacts(), np.repeat([0.0, 1.0], 20)
    target = mechanism.target(rate_start, np.random.default_rng(1))
    memory = mechanism.start(contacts, target, np.random.default_rng(1))
    change, _ = mechanism.step(np.zeros(40), target, np.exp(contacts.ln_start), contacts, memory)
    was_silent = contacts.post < 20
    assert (change[was_silent] == 0).all()
    if kind != "sliding_threshold":  # of BCM, a silent unit's synapses never move
        assert (change[~was_silent] >= 0).all()
        assert change[~was_silent].max() > 0


@pytest.mark.parametrize("kind", names(FOLDER))
def test_in_a_silent_network_nothing_becomes_infinite(kind):
    mechanism, contacts = part(FOLDER, kind)(), some_contacts()
    silent = np.zeros(40)
    target = mechanism.target(silent, np.random.default_rng(1))
    memory = mechanism.start(contacts, target, np.random.default_rng(1))
    for _ in range(20):
        change, memory = mechanism.step(silent, target, np.exp(contacts.ln_start), contacts, memory)
        assert np.isfinite(change).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", BY_RATE)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_a_network_rates_end_nearer_to_their_set_points(kind, seed):
    mechanism = part(FOLDER, kind)(rate_per_update=0.005)
    off = {name: part(f"synimg.phantoms.{folder}", "off")() for name, folder in (("rule", "rules"), ("drift", "drift"))}
    training = TINY.training.model_copy(update={"n_updates": 400, "test_every": 400})
    network = train(TINY.model_copy(update={"homeostasis": mechanism, "training": training, **off}), seed)

    target = mechanism.target(network.rate_start, stream(seed, "homeostasis", "target"))
    awake = network.rate_start > 0.01
    before, now = (np.abs(np.log(np.maximum(r, 1e-3) / target))[awake] for r in (network.rate_start, network.rate_end))
    assert np.median(now) < 0.8 * np.median(before)
    assert max(network.ledger.error()) < 1e-12


def test_scaling_moves_all_inputs_of_a_neuron_alike():
    total = after(part(FOLDER, "scaling")(), np.linspace(0.5, 2, 40)).reshape(40, -1)
    np.testing.assert_allclose(total, total[:, :1].repeat(100, axis=1), atol=1e-12)


def test_divergent_scaling_leaves_the_smallest_and_grows_with_size():
    # factor about 1 for the smallest, rising with amplitude: Hanes et al. 2020
    contacts = some_contacts()
    total = after(part(FOLDER, "divergent")(), np.full(40, 0.5))
    factor = np.exp(total)[np.argsort(contacts.ln_start)]
    assert factor[:40].mean() == pytest.approx(1.0, abs=0.03)
    assert (np.diff(factor.reshape(10, -1).mean(axis=1)) > 0).all()


def test_sleep_like_scaling_takes_a_fifth_and_spares_the_largest_fifth():
    # de Vivo et al. 2017: -18 % on average, about 20 % of the synapses spared
    contacts = some_contacts()
    sleep = part(FOLDER, "sparing")(smallest_factor=1 - 0.18 / 0.8)
    total = after(sleep, np.full(40, 4.0))
    assert np.mean(np.exp(total)) - 1 == pytest.approx(-0.18, abs=0.005)
    largest = np.concatenate(
        [np.flatnonzero(contacts.post == i)[np.argsort(contacts.ln_start[contacts.post == i])[-20:]] for i in range(40)]
    )
    assert (total[largest] == 0).all()
    assert (np.delete(total, largest) < 0).all()


def test_the_sliding_threshold_moves_active_inputs_more():
    contacts = some_contacts()
    rate = np.where(np.arange(40) < 20, 2.0, 0.5)
    total = np.abs(after(part(FOLDER, "sliding_threshold")(), rate, 50))
    busy = rate[contacts.pre] > 1
    assert total[busy].mean() == pytest.approx(4 * total[~busy].mean(), rel=0.2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_branch_brings_its_own_input_back_and_leaves_the_others_alone(seed):
    contacts, mechanism = some_contacts(seed), part(FOLDER, "branch_local")(set_point_sd_ln=0.0, synapses_per_branch=20)
    branch = branches(contacts, 20)
    assert np.bincount(branch).size == 40 * 5
    a, rate = np.exp(contacts.ln_start), np.ones(40)
    memory = mechanism.start(contacts, rate, np.random.default_rng(seed))
    _, memory = mechanism.step(rate, rate, a, contacts, memory)
    lost = a * np.where((branch == 7) & (np.arange(a.size) % 3 == 0), 0.0, 1.0)
    total = np.zeros(a.size)
    for _ in range(2000):
        change, memory = mechanism.step(rate, rate, lost * np.exp(total), contacts, memory)
        total += change
    assert (total[branch != 7] == 0).all()
    kept = (branch == 7) & (lost > 0)
    factor = min(a[branch == 7].sum() / lost[branch == 7].sum(), 2.0)
    np.testing.assert_allclose(np.exp(total[kept]), factor, rtol=0.02)


def test_the_mirror_gives_inhibition_the_inverse_factor():
    mirror = part(FOLDER, "inhibitory_mirror")()
    contacts = some_contacts()
    memory = mechanism_after(mirror, np.linspace(0.5, 2, 40), contacts)
    per_neuron = after(mirror, np.linspace(0.5, 2, 40), contacts=contacts).reshape(40, -1).mean(axis=1)
    np.testing.assert_allclose(mirror.ln_inhibition(memory), -per_neuron, atol=1e-12)


def mechanism_after(mechanism, rate, contacts, n_steps=400):
    target = np.ones(40)
    memory = mechanism.start(contacts, target, np.random.default_rng(1))
    for _ in range(n_steps):
        _, memory = mechanism.step(rate, target, np.exp(contacts.ln_start), contacts, memory)
    return memory
