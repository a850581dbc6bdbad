"""A detection threshold is seen in the sizes, and what it hides is counted in."""

import numpy as np
import pytest

from synimg.analysis.mixture.counts import Sizes
from synimg.analysis.mixture.threshold import chance_seen, find_threshold, unseen_drift, unseen_sizes

SIZES = Sizes((0.6, 0.4), (3.6, 4.2), (0.5, 0.4))


def sizes_of(rng, n):
    large = rng.random(n) < SIZES.weight[1]
    centre, width = np.array(SIZES.centre)[large.astype(int)], np.array(SIZES.width)[large.astype(int)]
    return centre + width * rng.standard_normal(n)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cut_is_found_and_thinning_out_is_none(seed):
    total = np.exp(sizes_of(np.random.default_rng(seed), 4000))
    assert find_threshold(total) is None
    assert find_threshold(total[total > 30.0]) == pytest.approx(np.log(30.0), abs=0.01)


def test_what_is_seen_and_what_is_missing_are_those_of_a_simulation():
    rng = np.random.default_rng(1)
    n, factor, drift = 400_000, 0.2, 0.3
    start, moved = sizes_of(rng, n), drift * rng.standard_normal(n)
    seen = start + factor + moved > 3.4
    chance = chance_seen(3.4, 0.0, SIZES, np.zeros(1), np.array([drift**2]), np.array([factor]))
    assert chance[0, 0] == pytest.approx(seen.mean(), abs=0.003)
    sizes, missing = unseen_sizes(3.4, SIZES, factor, drift**2)
    assert missing.sum() == pytest.approx((~seen).sum() / seen.sum(), rel=0.02)
    assert sizes @ missing / missing.sum() == pytest.approx(start[~seen].mean(), abs=0.01)
    # to the accuracy of one normal for the sizes
    assert unseen_drift(3.4, SIZES, factor, drift**2, drift**2) == pytest.approx(np.mean(moved[~seen] ** 2), rel=0.1)
