"""The law of the size of changes by learning: what is expected of it, and what a table says."""

import numpy as np
import pytest

from synimg.analysis.mixture.effect import ALIKE, BROAD, as_if_seen, ln_prior
from synimg.analysis.separation import separate
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def test_the_prior_of_the_law_is_a_density():
    mean, ln_sd = np.linspace(-1.5, 2.5, 401), np.linspace(-3.5, 1.0, 226)
    density = np.exp([[ln_prior(m, s) for m in mean] for s in ln_sd])
    assert density.sum() * (mean[1] - mean[0]) * (ln_sd[1] - ln_sd[0]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("law", [ALIKE, BROAD], ids=["alike", "broad"])
def test_a_law_found_like_one_of_both_is_held_by_that_one(law):
    held = as_if_seen(law.mean, law.sd)
    assert held.weight == pytest.approx(law.weight, rel=0.3)
    assert held.sd == pytest.approx(law.sd, rel=0.1)


def test_a_table_says_whether_changes_are_alike_or_of_all_sizes(short_chain):
    found = []
    for sd in (0.22, 0.55):
        law = {"n_neurons": 40, "share_learned": 0.2, "effect_sd_ln": sd}
        drawn = draw(scenario("sparse_potentiation").model_copy(update=law), 2013)
        found.append(separate(drawn.table, "hierarchical", seed=1).info["parameters"]["potentiated_sd"])
    assert found[0] == pytest.approx(0.22, abs=0.05)
    assert found[1] == pytest.approx(0.55, abs=0.1)
