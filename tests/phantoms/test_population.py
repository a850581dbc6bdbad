"""A population drawn from a network keeps its law: in each test the network has one trait that must come out again."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr

import synimg
from synimg.errors import SynimgError
from synimg.phantoms import population as module
from synimg.phantoms.clusters import Clusters, fit_clusters, neighbour_correlation
from synimg.phantoms.fit_law import fit_law
from synimg.phantoms.law import is_lasting, moments, size_step
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.network import train
from synimg.phantoms.populate import neuron_frame
from synimg.phantoms.population import Population
from synimg.streams import stream

SEEDS = [1, 2, 3]


def network(seed, n=100, p=0.3, n_axons=0, clustered=False, plastic=1.0, drift=0.2, turnover=0.0, by_branch=False):
    """Contacts and nodes: learning of rank two with heavy tails, homeostasis against the rise of the rate."""
    rng = stream(seed, "test network")
    is_excitatory = np.arange(n) < round(0.8 * n)
    there = rng.random((n, n + n_axons)) < p
    there[:, :n] &= is_excitatory[None] & ~np.eye(n, dtype=bool)
    there[:, n:] = rng.random((n, n_axons)) < 0.7
    post, pre = np.nonzero(there)
    left, right = rng.standard_normal((n, 2)) ** 3 * 0.1, rng.standard_normal((n + n_axons, 2))
    right[n:, 0] += 3.0 * np.sign(left[:, 0].mean())
    is_plastic = rng.random(post.size) < plastic
    learning = (left[post] * right[pre]).sum(axis=1) + 0.02 * rng.standard_normal(post.size)
    learning = np.where(is_plastic, np.clip(learning, -2, 2), 0.0)
    size = 1 + (rng.random(post.size) < 0.15)
    edge = np.repeat(np.arange(post.size), size)
    post, pre, learning, is_plastic = (x[edge] for x in (post, pre, learning, is_plastic))
    mean = np.bincount(post, learning, n) / np.bincount(post, minlength=n)
    rise = 3 * mean + 0.3 * rng.standard_normal(n)
    factor = np.clip(-0.8 * rise, -0.6, 0.6)
    along = rng.random(post.size)
    if clustered:  # learning follows a field with a reach of three contacts, with some blur
        for i in range(n):
            own = np.flatnonzero(post == i)
            apart = np.abs(along[own][:, None] - along[own]) * own.size
            wave = np.linalg.cholesky(np.exp(-apart / 3) + 0.3 * np.eye(own.size)) @ rng.standard_normal(own.size)
            along[own[np.argsort(learning[own])]] = along[own[np.argsort(wave)]]
    ln_a = 3.7 + 0.7 * rng.standard_normal(post.size)
    homeostasis = factor[post]
    if by_branch:
        homeostasis = homeostasis + 0.2 * np.sign(along - 0.5) * np.where(post % 2, 1, -1)
    ln = np.stack([learning, homeostasis, drift * np.exp(-0.5 * (ln_a - 3.7)) * rng.standard_normal(post.size)])
    born = (rng.random(post.size) < turnover) & (size[edge] == 1)
    ln[:, born] *= 0.5
    dead = (rng.random(post.size) < turnover * (ln_a < 3.7)) & ~born
    rate = np.exp(rng.standard_normal(n) - 1)
    contacts = {
        "source": pre,
        "target": post,
        "edge": edge,
        "along": along,
        "head_volume_um3": np.exp(1.3 * ln_a - 8),
        "a_first": np.exp(ln_a),
        "a_start": np.where(born, 0.0, np.exp(ln_a)),
        "a_end": np.where(dead, 0.0, np.exp(ln_a + ln.sum(axis=0))),
        "is_plastic": is_plastic.astype(np.uint8),
        "formed_update": np.where(born, rng.integers(0, 100, post.size), -1),
        "formed_cause": np.where(born, 2, -1),
        "eliminated_update": np.where(dead, rng.integers(0, 100, post.size), -1),
        "eliminated_cause": np.where(dead, 2, -1),
        **{f"ln_{cause}": x for cause, x in zip(CAUSES, ln, strict=True)},
    }
    nodes = {"is_excitatory": is_excitatory, "rate_start": rate, "rate_end": rate * np.exp(rise)}
    return contacts, nodes


def attributes_of(learned):
    """Contacts and nodes of a trained network without turnover, as they lie in its file."""
    wiring, ledger = learned.wiring, learned.ledger
    never = np.full(ledger.a.size, -1)
    contacts = {
        "source": wiring.contact_pre,
        "target": wiring.contact_post,
        "edge": wiring.contact_edge,
        "along": wiring.along,
        "head_volume_um3": wiring.head_volume_um3,
        "a_first": wiring.a_first,
        "a_start": ledger.a_start,
        "a_end": ledger.a,
        "is_plastic": learned.is_plastic[wiring.contact_edge],
        **{f"{what}_{of}": never for what in ("formed", "eliminated") for of in ("update", "cause")},
        **{f"ln_{cause}": ledger.log[cause].value for cause in CAUSES},
    }
    rates = {"rate_start": learned.rate_start, "rate_end": learned.rate_end}
    return contacts, {"is_excitatory": wiring.is_excitatory, **rates}


def drawn(law, n_synapses, seed=1, n_neurons=None):
    """All contacts of a population, and the traits of its neurons."""
    people = Population(law, n_synapses, seed, n_neurons)
    blocks = [people.block(k) for k in range(people.n_blocks)]
    contact = {name: np.concatenate([b.contact[name] for b in blocks]) for name in blocks[0].contact}
    return contact, np.concatenate([b.trait for b in blocks])


@pytest.fixture(scope="module", params=SEEDS)
def both(request):
    """A network with all that can happen, and a population four times as large."""
    contacts, nodes = network(request.param, turnover=0.1)
    return contacts, nodes, drawn(fit_law(contacts, nodes, largest_ln=2.0), 4 * contacts["target"].size)


def test_causes_add_up_in_both_scales_for_every_contact(both):
    _, _, (c, _) = both
    np.testing.assert_allclose(sum(c[cause] for cause in CAUSES), c["a_end"] - c["a_start"], rtol=0, atol=1e-12)
    lasts = (c["a_start"] > 0) & (c["a_end"] > 0)
    ln_change = np.log(c["a_end"][lasts] / c["a_start"][lasts])
    np.testing.assert_allclose(sum(c[f"ln_{cause}"][lasts] for cause in CAUSES), ln_change, rtol=0, atol=1e-12)
    assert (c["a_start"] == 0).sum() == (c["formed_update"] >= 0).sum() > 0
    assert (c["a_end"] == 0).sum() == (c["eliminated_update"] >= 0).sum() > 0


def test_no_pair_is_connected_twice_and_contacts_of_a_connection_learn_alike(both):
    _, _, (c, _) = both
    _, first = np.unique(c["edge"], return_index=True)
    assert (c["source"] != c["target"]).all()
    assert len(set(zip(c["target"][first], c["source"][first], strict=True))) == first.size
    lasting = is_lasting(c)
    same = np.diff(c["edge"][lasting]) == 0
    assert same.sum() > 500
    np.testing.assert_array_equal(np.diff(c["ln_learning"][lasting])[same], 0.0)


@pytest.mark.parametrize("name", [*(f"ln_{cause}" for cause in CAUSES), "a_first", "along"])
def test_marginals_are_the_network_s(both, name):
    contacts, _, (c, _) = both
    # 0.04: a sample of the network's size, some 2 900, differs by 1.36 sqrt(1/n + 1/4n) = 0.03 in 1 of 20;
    # contacts of a neuron share homeostasis, so it has the sample size of the neurons
    bound = 0.15 if name == "ln_homeostasis" else 0.04
    assert ks_2samp(contacts[name], c[name]).statistic < bound
    if name.startswith("ln_"):
        assert c[name].std() == pytest.approx(contacts[name].std(), rel=0.15)


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_neuron_s_synapses_have_in_common_is_kept(both, cause):
    contacts, nodes, (c, traits) = both
    before = moments(contacts["target"], contacts[f"ln_{cause}"], nodes["rate_start"].size)["share_between"]
    after = moments(c["target"], c[f"ln_{cause}"], len(traits))["share_between"]
    assert after == pytest.approx(before, abs=0.06)


def test_homeostasis_goes_with_the_neuron_s_rates_and_learning(both):
    contacts, nodes, (c, traits) = both

    def ties(post, of, rise):
        n = np.bincount(post, minlength=rise.size)
        mean = {cause: np.bincount(post, of[f"ln_{cause}"], rise.size) / np.maximum(n, 1) for cause in CAUSES}
        return spearmanr(np.column_stack([rise, mean["learning"], mean["homeostasis"]])).statistic[
            np.triu_indices(3, 1)
        ]

    before = ties(contacts["target"], contacts, np.log(nodes["rate_end"] / nodes["rate_start"]))
    after = ties(c["target"], c, traits[:, 6] - traits[:, 5])
    np.testing.assert_allclose(after, before, atol=0.2)  # correlations of 100 neurons have a standard error of 0.1


def test_learning_keeps_its_rank(both):
    contacts, nodes, _ = both
    n = nodes["rate_start"].size
    c, _ = drawn(fit_law(contacts, nodes, largest_ln=2.0), contacts["target"].size)

    def shares(of):
        matrix = np.zeros((n, n))
        lasting = of["formed_update"] < 0
        matrix[of["target"][lasting], of["source"][lasting]] = of["ln_learning"][lasting]
        share = np.linalg.svd(matrix, compute_uv=False) ** 2
        return share[:2].sum() / share.sum()

    shuffled = contacts | {"ln_learning": stream(1, "shuffle").permutation(contacts["ln_learning"])}
    assert abs(shares(c) - shares(contacts)) < 0.1
    assert shares(contacts) - shares(shuffled) > 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_set_how_much_a_synapse_drifts_and_whether_it_dies(seed):
    contacts, nodes = network(seed, turnover=0.2)
    c, _ = drawn(fit_law(contacts, nodes, largest_ln=2.0), 4 * contacts["target"].size)
    for of in (contacts, c):
        small = np.log(of["a_first"]) < 3.7
        stays = is_lasting(of)
        slope = np.polyfit(np.log(of["a_first"][stays]), np.log(np.abs(of["ln_drift"][stays])), 1)[0]
        assert slope == pytest.approx(-0.5, abs=0.12)
        dead = of["eliminated_update"] >= 0
        assert dead[~small].mean() < 0.1 * dead[small].mean()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("clustered", [False, True])
def test_learning_clusters_along_the_dendrite_as_in_the_network(seed, clustered):
    contacts, nodes = network(seed, clustered=clustered)
    law = fit_law(contacts, nodes, largest_ln=2.0)
    assert (law.clusters.nearest > 0.3) == clustered
    c, _ = drawn(law, 2 * contacts["target"].size)
    before, after = (
        neighbour_correlation(x["target"], x["edge"], x["along"], x["ln_learning"])[0] for x in (contacts, c)
    )
    np.testing.assert_allclose(after[:3], before[:3], atol=0.12)
    assert (after[0] > 0.3) == clustered


def test_shuffled_places_are_not_called_clusters():
    contacts, _ = network(1)
    post, edge = contacts["target"], contacts["edge"]
    places = [stream(k, "places").random(post.size) for k in range(5)]
    found = [fit_clusters(post, edge, along, contacts["ln_learning"]) for along in places]
    assert found == [Clusters(0.0, 1.0)] * 5


def test_homeostasis_of_stretches_stays_on_their_place():
    contacts, nodes = network(1, by_branch=True)
    c, _ = drawn(fit_law(contacts, nodes, largest_ln=2.0), 2 * contacts["target"].size)
    for of in (contacts, c):
        n = np.bincount(of["target"])
        own = of["ln_homeostasis"] - (np.bincount(of["target"], of["ln_homeostasis"]) / n)[of["target"]]
        outer = of["along"] > 0.5
        means = [np.bincount(of["target"][side], own[side], n.size) / n for side in (outer, ~outer)]
        assert np.median(np.abs(means[0] - means[1])) == pytest.approx(0.2, abs=0.02)


def test_homeostasis_that_grows_with_size_still_does():
    contacts, nodes = network(1)
    step = size_step(contacts["target"], contacts["a_first"])
    contacts["ln_homeostasis"] = contacts["ln_homeostasis"] * (0.5 + step / 9)
    c, _ = drawn(fit_law(contacts, nodes, largest_ln=2.0), 2 * contacts["target"].size)
    step = size_step(c["target"], c["a_first"])
    large = np.abs(c["ln_homeostasis"][step == 9]).mean() / np.abs(c["ln_homeostasis"][step == 0]).mean()
    assert large == pytest.approx(3.0, rel=0.1)


def test_synapses_that_may_not_learn_do_not():
    contacts, nodes = network(1, plastic=0.3)
    c, _ = drawn(fit_law(contacts, nodes, largest_ln=2.0), 3 * contacts["target"].size)
    assert (c["ln_learning"][~c["is_plastic"]] == 0).all()
    assert c["is_plastic"].mean() == pytest.approx(0.3, abs=0.02)
    assert (np.abs(c["ln_learning"][c["is_plastic"]]) > 0).all()


def test_axons_from_outside_keep_their_number_and_their_learning():
    contacts, nodes = network(1, n_axons=10)
    n = nodes["rate_start"].size
    c, traits = drawn(fit_law(contacts, nodes, largest_ln=2.0), 3 * contacts["target"].size)
    outside, before = c["source"] >= len(traits), contacts["source"] >= n
    assert outside.mean() == pytest.approx(before.mean(), abs=0.02)
    assert c["source"].max() == len(traits) + round(10 * len(traits) / n) - 1
    assert c["ln_learning"][outside].std() == pytest.approx(contacts["ln_learning"][before].std(), rel=0.2)
    assert c["ln_learning"][~outside].std() == pytest.approx(contacts["ln_learning"][~before].std(), rel=0.2)


def test_without_a_cause_nothing_comes_of_it():
    contacts, nodes = network(1, plastic=0.0, drift=0.0)
    c, _ = drawn(fit_law(contacts, nodes), contacts["target"].size)
    for name in ("ln_learning", "learning", "ln_drift", "drift"):
        np.testing.assert_array_equal(c[name], 0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_learning_all_or_none_stays_so(seed):
    contacts, nodes = network(seed)
    contacts["ln_learning"] = np.where(stream(seed, "all or none").random(contacts["target"].size) < 0.2, 0.6, 0.0)
    contacts["ln_learning"] = contacts["ln_learning"][np.unique(contacts["edge"], return_index=True)[1]][
        contacts["edge"]
    ]
    c, traits = drawn(fit_law(contacts, nodes), 20 * contacts["target"].size)
    # the quantile at the step between both lies on the line from one to the other
    assert (np.isin(c["ln_learning"], [0.0, 0.6])).mean() > 0.99
    assert (c["ln_learning"] > 0.3).mean() == pytest.approx((contacts["ln_learning"] > 0.3).mean(), abs=0.01)
    share = moments(c["target"], c["ln_learning"], len(traits))["share_between"]
    assert share == pytest.approx(len(traits) / c["target"].size, rel=0.25)  # no more than sampling, 1 / contacts


def test_rates_that_are_unknown_stay_unknown():
    contacts, nodes = network(1)
    unknown = {name: np.full(nodes["rate_start"].size, np.nan) for name in ("rate_start", "rate_end")}
    law = fit_law(contacts, nodes | unknown, largest_ln=2.0)
    neurons = neuron_frame(Population(law, 4000, 1).block(0), law)
    assert neurons[["rate_start", "rate_end"]].isna().all(axis=None)
    assert neurons["scale_factor"].between(np.exp(-0.7), np.exp(0.7)).all()


@pytest.mark.parametrize(("n_synapses", "n_neurons"), [(5000, None), (12345, 200), (20000, 1000)])
def test_there_are_as_many_synapses_and_neurons_as_asked(n_synapses, n_neurons):
    contacts, nodes = network(1)
    c, traits = drawn(fit_law(contacts, nodes, largest_ln=2.0), n_synapses, n_neurons=n_neurons)
    assert c["target"].size == n_synapses
    assert len(traits) == n_neurons or n_neurons is None
    np.testing.assert_array_equal(np.unique(c["target"]), np.arange(len(traits)))


def test_a_block_is_the_same_whatever_else_is_drawn(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    contacts, nodes = network(1, turnover=0.1)
    law = fit_law(contacts, nodes, largest_ln=2.0)
    people = Population(law, 9000, 1)
    assert people.n_blocks >= 8
    blocks = [people.block(k) for k in range(people.n_blocks)]
    alone = Population(law, 9000, 1).block(5)
    for name, values in alone.contact.items():
        np.testing.assert_array_equal(values, blocks[5].contact[name])
    ends = [b.first_row + b.contact["target"].size for b in blocks]
    assert [b.first_row for b in blocks] == [0, *ends[:-1]]
    other = Population(law, 9000, 2).block(5)
    assert not np.array_equal(other.contact["source"], alone.contact["source"])


def test_a_presynaptic_cell_is_the_same_for_all_its_partners():
    people = Population(fit_law(*network(1)), 4000, 1)
    unit = np.arange(0, people.n_neurons, 3)
    whole = people._drawn(np.arange(people.n_neurons))
    for some, every in zip(people._drawn(unit), whole, strict=True):
        np.testing.assert_array_equal(some, every[unit])


def test_a_network_without_causes_has_no_law():
    contacts, nodes = network(1)
    contacts["ln_drift"] = np.full(contacts["target"].size, np.nan)
    with pytest.raises(SynimgError, match="without causes"):
        fit_law(contacts, nodes)


@pytest.mark.slow
def test_a_population_is_to_a_larger_network_as_larger_networks_are_to_each_other():
    """Four networks of 96 units, four of 192, four populations of the latter's size from the former's laws.

    What is compared has no unit: how far learning reaches falls with the size of a network (docs/science.md), its shape,
    what neurons have in common, its rank and its ties do not. The bound is that of Student's t for four and four at the
    chance of one in 1000, 6.0, with the spread of either side.
    """
    base = synimg.preset("tiny")

    def trained(n_units, seed):
        learned = train(base.model_copy(update={"network": base.network.model_copy(update={"n_units": n_units})}), seed)
        return attributes_of(learned)

    def facts(contacts, n):
        post, learning = contacts["target"], contacts["ln_learning"]
        matrix = np.zeros((n, n))
        matrix[post, contacts["source"]] = learning
        share = np.linalg.svd(matrix, compute_uv=False) ** 2 / np.sum(learning**2)
        count = np.bincount(post, minlength=n)
        mean = {cause: np.bincount(post, contacts[f"ln_{cause}"], n) / count for cause in ("learning", "homeostasis")}
        return {
            "90 % quantile of |learning| / sd": np.quantile(np.abs(learning), 0.9) / learning.std(),
            "between neurons, learning": moments(post, learning, n)["share_between"],
            "sd of homeostasis": contacts["ln_homeostasis"].std(),
            "sd of drift": contacts["ln_drift"].std(),
            "three factors": share[:3].sum() / share.sum(),
            "learning and homeostasis": spearmanr(mean["learning"], mean["homeostasis"]).statistic,
        }

    seeds = [*SEEDS, 4]
    small, large = ([trained(n, seed + n) for seed in seeds] for n in (96, 192))
    people = [
        drawn(fit_law(*source, largest_ln=2.0), target["target"].size, seed, 192)[0]
        for source, (target, _), seed in zip(small, large, seeds, strict=True)
    ]
    wanted = pd.DataFrame([facts(contacts, 192) for contacts, _ in large])

    def distance(found):
        found = pd.DataFrame([facts(contacts, 192) for contacts in found])
        return (found.mean() - wanted.mean()).abs() / np.sqrt((found.var() + wanted.var()) / 4)

    assert (distance(people) < 6.0).all()
    shuffled = [c | {"ln_learning": stream(1, "shuffle").permutation(c["ln_learning"])} for c in people]
    assert distance(shuffled)["three factors"] > 6.0
