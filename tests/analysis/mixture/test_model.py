"""The law of a synapse's growth: skewed learning, drift and homeostasis by the size that was there at the pulse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from synimg.analysis.mixture.counts import GROWTH, Sizes
from synimg.analysis.mixture.irregular import Born
from synimg.analysis.mixture.model import UP, Form, Model, Slab, densities, factor_step
from synimg.analysis.mixture.preference import expected_size

SIZES = Sizes.normal(4.0, 0.6)


def model(**changes):
    """A model in which drift falls with size."""
    form = Form(drift_exponent=0.25, down=False)
    return Model(form, 0.8, SIZES, Born.first(np.full(50, 4.0)), (0.25,), (0.0,), **changes)


@given(mean=st.floats(0.2, 1.5), relative=st.floats(0.2, 1.0))
def test_the_parts_of_learning_have_its_mean_and_its_spread(mean, relative):
    centre, variance = Slab(0.1, mean, mean * relative).parts
    assert centre.mean() == pytest.approx(mean, rel=1e-6)
    assert variance.mean() + centre.var() == pytest.approx((mean * relative) ** 2, rel=1e-6)
    assert np.all(np.diff(centre) > 0)
    assert centre[0] > 0


def test_growth_by_learning_and_drift_has_the_skew_of_a_gamma_law():
    slab = Slab(0.1, 0.55, 0.3)
    drift = 0.2
    found = densities(model(drift_sd=drift, slabs=(slab, Slab())), np.array([4.0]), np.zeros(1), np.array([0.04]))
    by_size = drift * np.sqrt(found.profile[0])
    shape, scale = (slab.mean / slab.sd) ** 2, slab.sd**2 / slab.mean
    effect = gamma.ppf((np.arange(400) + 0.5) / 400, shape, scale=scale)
    step = GROWTH[1] - GROWTH[0]
    exact = step * norm.pdf(GROWTH[:, None], effect, by_size[:, None]).mean(axis=1)
    normal = step * norm.pdf(GROWTH, slab.mean, np.hypot(by_size, slab.sd))
    off = np.abs(found.weight[0, :, UP, 0] - exact).sum()
    assert off < 0.35 * np.abs(normal - exact).sum()


def test_a_noisy_total_says_less_of_the_size_at_the_pulse():
    rng = np.random.default_rng(1)
    size = 4.0 + 0.6 * rng.standard_normal(20_000)
    noisy = size + 0.4 * rng.standard_normal(size.size)
    expected = expected_size(SIZES, noisy, 0.4**2)
    high = noisy > 4.6
    assert expected[high].mean() == pytest.approx(size[high].mean(), abs=0.02)
    assert noisy[high].mean() > size[high].mean() + 0.2


def test_the_grid_of_factors_is_as_fine_as_they_vary_little():
    wide = model(branch_sd=0.03)
    narrow = replace(wide, factor_sd=(0.03,))
    assert factor_step(wide) == 0.05
    assert factor_step(narrow) < 1.5 * 0.03
    assert factor_step(replace(wide, form=Form(by_branch=True))) == factor_step(narrow)
