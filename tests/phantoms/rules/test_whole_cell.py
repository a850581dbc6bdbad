"""Learning that doubles all inputs of some cells: published for piriform cortex, and not to be told from homeostasis."""

import numpy as np
import pytest

from synimg import config
from synimg.family import part
from synimg.phantoms.network import train

TINY = config.preset("tiny")


def learned(seed, n_updates=20, feedback="contingent", **settings):
    training = TINY.training.model_copy(update={"n_updates": n_updates, "test_every": n_updates, "feedback": feedback})
    rule = part("synimg.phantoms.rules", "whole_cell")(**settings)
    network = train(TINY.model_copy(update={"rule": rule, "training": training}), seed)
    assert max(network.ledger.error()) < 1e-12
    return network, np.exp(network.ledger.log["learning"].value)


@pytest.mark.parametrize("n_updates", [1, 7, 40])
@pytest.mark.parametrize("factor", [0.5, 2.0, 3.0])
def test_the_factor_is_reached_however_the_window_is_divided(n_updates, factor):
    _, growth = learned(1, n_updates, factor=factor)
    np.testing.assert_allclose(np.unique(growth.round(9)), np.sort([1.0, factor]), rtol=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quarter_of_the_excitatory_cells_grow_as_a_whole_and_no_other_cell(seed):
    network, growth = learned(seed)
    wiring = network.wiring
    doubled = np.bincount(wiring.contact_post, growth > 1.5, wiring.leak.size)
    n_inputs = np.bincount(wiring.contact_post, minlength=wiring.leak.size)
    assert set(np.flatnonzero(doubled)) == set(np.flatnonzero(doubled == n_inputs))
    assert (doubled > 0).sum() == round(0.25 * wiring.is_excitatory.sum())
    assert (doubled[~wiring.is_excitatory] == 0).all()


def test_a_yoked_animal_has_nothing_to_learn():
    _, growth = learned(1, feedback="yoked")
    assert (growth == 1).all()
