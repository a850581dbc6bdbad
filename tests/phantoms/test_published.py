"""The phantom reproduces published numbers; each test names its source and tolerance (NUMBERS.md 8)."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.spines import head_volumes

TINY = config.preset("tiny")
PURE = TINY.receptors.model_copy(  # heads show their state
    update={"head_volume_small_log10_um3": (-1.42, 0.0), "head_volume_large_log10_um3": (-0.77, 0.0)}
)


def pairs(seed, settings, n_contacts=2, n_edges=20_000):
    """Head volumes (n_contacts, n_edges) of connections with as many contacts."""
    volume = head_volumes(np.repeat(np.arange(n_edges), n_contacts), settings, np.random.default_rng(seed))
    return volume.reshape(-1, n_contacts).T


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_two_contacts_of_a_connection_have_correlated_volumes(seed):
    # r = 0.42 over ln volumes, 0.3 to 0.55 (Dorkenwald et al. 2022, Fig. 4)
    assert np.corrcoef(np.log(pairs(seed, TINY.receptors)))[0, 1] == pytest.approx(0.42, abs=0.03)
    assert 0.3 < np.corrcoef(pairs(seed, TINY.receptors))[0, 1] < 0.55
    # connections apart share nothing, also on one dendrite: -0.11 and -0.08 in shuffled pairs
    first, second = np.log(pairs(seed, TINY.receptors))
    assert abs(np.corrcoef(first[1:], second[:-1])[0, 1]) < 0.035  # 5 sigma


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_what_two_contacts_share_is_their_state(seed):
    # phi = 0.637; both small 0.490, one of each 0.177, both large 0.333 (same paper, Table 3); the rest is uncorrelated
    is_large = pairs(seed, PURE) > 0.1
    assert np.corrcoef(is_large)[0, 1] == pytest.approx(0.637, abs=0.03)
    n_large = is_large.sum(axis=0)
    np.testing.assert_allclose([np.mean(n_large == k) for k in (0, 1, 2)], [0.490, 0.177, 0.333], atol=0.02)
    volume = np.log(pairs(seed, TINY.receptors))  # the same seed draws the same states
    assert abs(np.corrcoef(volume[:, n_large == 2])[0, 1]) < 0.06  # 5 sigma


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("n_contacts", "share"), [(1, 0.19), (2, 0.42), (3, 0.64), (5, 0.64)])
def test_heads_are_large_the_more_often_the_more_contacts_a_connection_has(seed, n_contacts, share):
    # weights of the large state by number of contacts (same paper, Tables 2 and 3)
    volume = pairs(seed, PURE, n_contacts)
    assert np.mean(volume > 0.1) == pytest.approx(share, abs=0.02)


def test_the_share_of_large_heads_over_all_is_that_of_the_whole_sample():
    # 0.23 over all 1960 heads (Table 2), fitted apart from the shares by number of contacts
    assert TINY.receptors.share_large_overall == pytest.approx(0.23, abs=0.02)
