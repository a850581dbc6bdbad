"""Blocks of presynaptic cells by neurons, found from the evidence of their synapses."""

from functools import cache

import numpy as np
import pytest
from scipy.special import logit

from synimg.analysis.calls import called
from synimg.analysis.mixture.structure import LEAST_GAIN, find_block, has_structure
from synimg.analysis.separate.hierarchical import hierarchical
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario

N, N_CELLS, PRIOR, EFFECT = 4000, 100, 0.1, 1.8


def synapses(seed, probability):
    """Partners, truth and evidence of synapses that learn with the probability of their cells' membership."""
    rng = np.random.default_rng(seed)
    pre, post = rng.integers(0, N_CELLS, (2, N))
    active, learning = rng.random((2, N_CELLS)) < 0.3
    learned = rng.random(N) < probability(active[pre], learning[post])
    evidence = EFFECT * (rng.standard_normal(N) + EFFECT * learned) - EFFECT**2 / 2
    return pre, post, learned, evidence, active[pre] & learning[post]


def block_of(pre, post, evidence):
    return find_block(evidence, np.full(N, logit(PRIOR)), pre, post)


def taught(active, learning):
    return np.where(active & learning, 0.85, 0.02)


@pytest.mark.parametrize("seed", range(5))
def test_partners_tell_nearly_as_much_as_the_block_itself(seed):
    pre, post, learned, evidence, inside = synapses(seed, taught)
    block = block_of(pre, post, evidence)
    known = average_precision(learned, evidence + logit(np.where(inside, 0.85, 0.02)))
    assert block.gain > 5 * LEAST_GAIN
    assert average_precision(learned, evidence + block.log_odds) > 0.95 * known
    assert average_precision(learned, evidence) < 0.8 * known


@pytest.mark.parametrize(
    "probability",
    [lambda active, learning: np.full(N, PRIOR), lambda active, learning: np.where(learning, 0.6, 0.02)],
    ids=["everywhere alike", "in some neurons more, whoever the partner"],
)
def test_no_block_without_presynaptic_structure(probability):
    for seed in range(5):
        pre, post, _, evidence, _ = synapses(seed, probability)
        assert block_of(pre, post, evidence).gain < LEAST_GAIN


def test_a_synapse_does_not_vouch_for_itself():
    """Where every synapse has partners of its own, no evidence however strong moves a prior."""
    evidence = np.where(np.arange(N) % 10 == 0, 8.0, -2.0)
    block = block_of(np.arange(N), np.arange(N), evidence)
    assert np.ptp(block.log_odds) < 0.05
    assert block.gain < LEAST_GAIN


def test_names_of_cells_do_not_matter():
    pre, post, _, evidence, _ = synapses(1, taught)
    other = np.random.default_rng(2).permutation(N_CELLS)
    found, again = block_of(pre, post, evidence), block_of(other[pre], other[post], evidence)
    np.testing.assert_allclose(found.log_odds, again.log_odds, atol=1e-3)


def test_axons_must_come_back():
    assert has_structure(np.repeat(np.arange(100), 5))
    assert not has_structure(np.arange(500))
    assert not has_structure(np.repeat(np.arange(20), 5))


@cache
def low_rank(seed):
    """What the mixture finds in the scenario, and which synapses learned."""
    drawn = draw(scenario("low_rank"), seed)
    return hierarchical(drawn.table, 1), drawn.truth["is_learned"].to_numpy(bool)


def test_hierarchical_uses_pre_ids_and_says_so():
    result, learned = low_rank(22)
    assert average_precision(learned, result.synapses["p_learning"].to_numpy()) > 0.85  # 0.6 without pre_id
    block = result.info["diagnosis"]["structure"]["potentiated"]
    assert block["gain_nats"] > LEAST_GAIN
    assert 0.2 < block["share_active_pre"] < 0.4
    assert any("presynaptic cells" in said for said in result.info["assumptions"])


@pytest.mark.slow
def test_false_discoveries_of_structure_stay_at_nominal():
    false, n = np.zeros(2), np.zeros(2)
    for seed in (21, 22, 23):
        result, learned = low_rank(seed)
        for k, nominal in enumerate((0.05, 0.10)):
            chosen = called(result.synapses["lfdr"].to_numpy(), nominal)
            false[k] += (~learned[chosen]).sum()
            n[k] += chosen.sum()
    nominal = np.array([0.05, 0.10])
    assert (n > 500).all()
    assert (false / n < nominal + 3.0 * np.sqrt(nominal * (1 - nominal) / n)).all()


def test_presynaptic_ids_that_tell_nothing_change_nothing(short_chain):
    drawn = draw(scenario("sparse_both_signs").model_copy(update={"n_neurons": 20}), 1)
    table = drawn.table.assign(pre_id=drawn.truth["pre_id"] % 20)
    with_pre, without = hierarchical(table, 1), hierarchical(drawn.table, 1)
    assert with_pre.info["diagnosis"]["structure_gain_nats"] == 0.0
    assert with_pre.synapses.equals(without.synapses)
