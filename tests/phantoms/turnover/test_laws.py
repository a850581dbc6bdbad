"""Synapses vanish by size, form anywhere or in clusters, and the ledger knows why."""

import numpy as np
import pytest

from synimg import config
from synimg.family import part
from synimg.phantoms.network import train
from synimg.phantoms.turnover.protocol import Sites

FOLDER = "synimg.phantoms.turnover"
TINY = config.preset("tiny")
SHORT = TINY.training.model_copy(update={"n_updates": 60, "window_days": 4.0})


def some_sites(seed=1, n=40_000, free=0.2, potentiated=0.1):
    rng = np.random.default_rng(seed)
    is_free = rng.random(n) < free
    a = np.where(is_free, 0.0, 50 * np.exp(0.8 * rng.standard_normal(n)))
    learning = np.where(rng.random(n) < potentiated, 0.5, 0.0)
    post = np.repeat(np.arange(400), n // 400)
    return Sites(post, rng.random(n) * 60, a, ~is_free, is_free, learning, int((~is_free).sum()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_mean_hazard_is_as_stated_and_falls_with_size(seed):
    law, sites = part(FOLDER, "size_hazard")(eliminated_per_day=0.1), some_sites(seed)
    died = law.deaths(sites, 0.2, np.random.default_rng(seed + 50))
    assert died.sum() == pytest.approx(0.02 * sites.n_start, rel=0.2)  # 5 sigma at 640 deaths
    hazard = law.hazard(sites)
    large, small = sites.a > 100, sites.is_alive & (sites.a < 25)
    assert hazard[large].mean() < 0.25 * hazard[small].mean()
    assert not died[sites.is_free].any()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ca1_synapses_turn_over_as_published(seed):
    # 40 % over four days in CA1 (Pfeiffer et al. 2018), lives of one to two weeks (Attardo et al. 2015)
    law = part(FOLDER, "size_hazard")(eliminated_per_day=0.1, formed_per_day=0.1)
    learned = train(TINY.model_copy(update={"turnover": law, "training": SHORT}), seed)
    there = learned.ledger.a_start > 0
    gone = there & ~learned.ledger.is_alive
    new = ~there & learned.ledger.is_alive
    assert 0.25 < (gone.sum() + new.sum()) / (there.sum() + learned.ledger.is_alive.sum()) < 0.45
    assert learned.ledger.is_alive.sum() == pytest.approx(there.sum(), rel=0.1)


def test_births_in_clusters_lie_near_potentiated_synapses_of_the_same_neuron():
    law, sites = part(FOLDER, "clustered")(formed_per_day=0.5), some_sites()
    by_cause = {
        cause: contact for contact, cause, birth in law.step(sites, 0.2, np.random.default_rng(51)).events if birth
    }
    beside = by_cause["learning"]
    assert beside.size == pytest.approx(0.33 * (beside.size + by_cause["drift"].size), rel=0.2)
    for contact in beside[:50]:
        strong = (sites.post == sites.post[contact]) & sites.is_alive & (sites.ln_learning > 0.2)
        assert np.abs(sites.along_um[strong] - sites.along_um[contact]).min() <= law.reach_um


@pytest.mark.parametrize("kind", ["size_hazard", "clustered"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_receptors_add_up_for_the_born_and_the_dead(kind, seed):
    law = part(FOLDER, kind)(eliminated_per_day=0.1, formed_per_day=0.1)
    learned = train(TINY.model_copy(update={"turnover": law, "training": SHORT}), seed)
    ledger = learned.ledger
    assert max(ledger.error()) < 1e-12
    assert (ledger.a[~ledger.is_alive] == 0).all()
    causes = {event.cause for event in ledger.events if event.is_birth}
    assert causes == ({"drift"} if kind == "size_hazard" else {"drift", "learning"})
    used = np.concatenate([event.contact for event in ledger.events if event.is_birth])
    assert np.unique(used).size == used.size
    assert learned.wiring.is_potential[used].all()


def test_without_learning_nothing_forms_in_clusters_and_without_drift_nothing_else_happens():
    tiny = TINY.model_copy(update={"turnover": part(FOLDER, "clustered")(), "training": SHORT})
    assert {event.cause for event in train(tiny, 1, without="learning").ledger.events} == {"drift"}
    assert {event.cause for event in train(tiny, 1, without="drift").ledger.events} == {"learning"}
