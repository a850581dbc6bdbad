"""The robust sd is the sd of a normal law, and does not see a few values that lie far away."""

import numpy as np
import pytest

from synimg.analysis.robust import robust_sd
from synimg.streams import stream


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_the_sd_of_a_normal_law_whatever_a_few_strays_do(seed):
    values = 5.0 + 2.0 * stream(seed, "test").standard_normal(40_000)
    assert robust_sd(values) == pytest.approx(2.0, rel=0.03)  # 5 sigma: its sd is 1.17 / sqrt(n) of it
    values[:4] = 1e9
    assert robust_sd(values) == pytest.approx(2.0, rel=0.03)


def test_it_is_unknown_without_values():
    assert robust_sd(np.zeros(0)) is None
