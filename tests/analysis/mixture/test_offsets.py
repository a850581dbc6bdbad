"""Neurons whose synapses are larger than others'."""

import numpy as np
import pytest

from synimg.analysis.mixture.offsets import ln_offsets, offset_share
from synimg.analysis.separate.hierarchical import hierarchical
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def sizes(offset_sd, seed, n_neurons=60, n_each=40):
    rng = np.random.default_rng(seed)
    offset = offset_sd * rng.standard_normal(n_neurons)
    neuron = np.repeat(np.arange(n_neurons), n_each)
    return offset[neuron] + 0.6 * rng.standard_normal(neuron.size), neuron, offset


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_share_between_neurons_is_found(seed):
    ln, neuron, offset = sizes(0.4, seed)
    true = offset.var() / ln.var()
    assert offset_share(ln, neuron, float(ln.var()), 0.0) == pytest.approx(true, rel=0.1)
    assert np.std(ln_offsets(ln, neuron, true, float(ln.var())) - offset + offset.mean()) < 0.12


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_no_offset(seed):
    ln, neuron, _ = sizes(0.0, seed)
    assert offset_share(ln, neuron, 0.36, 0.0) == 0.0


@pytest.mark.slow
def test_the_factors_intervals_hold_where_neurons_differ_in_size():
    held = []
    for seed in (21, 22):
        drawn = draw(scenario("size_offsets_low_counts"), seed)
        found = hierarchical(drawn.table, 1).neurons.merge(drawn.neurons, on="neuron_id", suffixes=("", "_true"))
        held.append(found["scale_factor_true"].between(found["scale_factor_lo"], found["scale_factor_hi"]).mean())
    assert np.mean(held) > 0.9  # .83 where totals are taken one by one


def test_neurons_that_differ_in_size_do_not_pass_for_removal(short_chain):
    table = draw(scenario("size_offsets_low_counts"), 1021).table  # by 49 in ln likelihood, if all were of one size
    info = hierarchical(table, 1).info
    assert info["parameters"]["depression"] == "reduced_insertion"
    assert info["diagnosis"]["gains_ln_likelihood"]["removal"] < 0.0
