"""A gate makes a binary truth: what may learn, and what stays."""

import numpy as np
import pytest

from synimg import config
from synimg.errors import SynimgError
from synimg.family import names, part
from synimg.phantoms.gates.protocol import Edges
from synimg.phantoms.network import train

FOLDER = "synimg.phantoms.gates"
TINY = config.preset("tiny")


def some_edges(seed=1, n=5000):
    rng = np.random.default_rng(seed)
    moved = rng.standard_normal(n) ** 2
    return Edges(rng.random(n), rng.choice(["EE", "EI", "input"], n), lambda: moved)


@pytest.mark.parametrize("kind", [k for k in names(FOLDER) if k not in ("open", "cell_type")])
def test_the_stated_share_may_learn(kind):
    chosen = part(FOLDER, kind)(share=0.15).choose(some_edges(), np.random.default_rng(1))
    assert chosen.mean() == pytest.approx(0.15, abs=1e-3)


def test_each_class_has_its_own_share():
    edges = some_edges()
    gate = part(FOLDER, "cell_type")(share_ee=0.5, share_ei=0.0, share_input=0.1)
    chosen = gate.choose(edges, np.random.default_rng(1))
    shares = [chosen[edges.synapse_class == name].mean() for name in ("EE", "EI", "input")]
    np.testing.assert_allclose(shares, [0.5, 0.0, 0.1], atol=1e-3)


def test_distant_connections_are_the_longest_and_learned_ones_the_most_eager():
    edges = some_edges()
    for kind, by in (("distant", edges.distance), ("learned", edges.eagerness())):
        chosen = part(FOLDER, kind)(share=0.2).choose(edges, np.random.default_rng(1))
        assert by[chosen].min() >= by[~chosen].max()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["random", "learned"])
def test_few_plastic_synapses_learn_the_task_and_the_others_stay(kind, seed):
    learned = train(TINY.model_copy(update={"gate": part(FOLDER, kind)(share=0.1)}), seed)
    moved = learned.ledger.log["learning"].value != 0
    may = learned.is_plastic[learned.wiring.contact_edge]
    assert not moved[~may].any()
    assert moved[may].mean() > 0.5  # silent units have no gradient, and bounded learning wakes fewer of them
    assert learned.history.score.max() > 0.85
    assert max(learned.ledger.error()) < 1e-12


def test_a_class_that_may_not_learn_stays():
    learned = train(TINY.model_copy(update={"plasticity": config.Plasticity(synapses=("EI",))}), 1)
    on_excitatory = learned.wiring.is_excitatory[learned.wiring.contact_post]
    assert (learned.ledger.log["learning"].value[on_excitatory] == 0).all()
    assert (learned.ledger.log["learning"].value[~on_excitatory] != 0).mean() > 0.6


def test_recurrent_synapses_learn_the_task_for_a_readout_that_stays_random():
    learned = train(TINY.model_copy(update={"plasticity": config.Plasticity(readout=False)}), 1)
    assert learned.readouts[0].n_steps == 0
    assert learned.history.score.max() > 0.85


def test_nothing_recurrent_learns_where_no_class_may():
    learned = train(TINY.model_copy(update={"plasticity": config.Plasticity(synapses=())}), 1)
    assert (learned.ledger.log["learning"].value == 0).all()
    assert learned.readouts[0].n_steps > 0


def test_a_run_that_diverges_says_where_and_by_what():
    wild = part("synimg.phantoms.rules", "eprop")(learning_rate=0.2, max_step_ln=1.0, momentum=0.0)
    network = TINY.network.model_copy(update={"spectral_radius": 2.9})
    with pytest.raises(
        SynimgError, match=r"diverged at update \d+ .*eprop.*learning_rate 0.2.*the mean rate is .* the busiest unit"
    ):
        train(TINY.model_copy(update={"rule": wild, "network": network}), 1)
