"""What the mixture says of every synapse."""

import numpy as np
from scipy.stats import norm

from synimg.analysis.calls import called
from synimg.analysis.mixture.summary import called_by

SD = 0.7


def test_calls_keep_their_rate_over_tables_whose_share_is_known_to_a_third():
    """Tables of one true share, taken for more or less: those taken for more have more calls, and more false ones."""
    rng = np.random.default_rng(1)
    n, truth = 4000, 0.1
    by_mean, by_share_alike = np.zeros(2), np.zeros(2)
    for error in norm.ppf((np.arange(60) + 0.5) / 60):
        learned = rng.random(n) < truth
        x = rng.standard_normal(n) + 2.6 * learned
        ratio = np.exp(2.6 * x - 0.5 * 2.6**2)
        taken_for = np.log(truth) + SD * error
        shares = np.exp(taken_for + SD * np.linspace(-2.5, 2.5, 12))
        weights = np.exp(-0.5 * np.linspace(-2.5, 2.5, 12) ** 2)
        each = np.array([s * ratio / (s * ratio + 1.0 - s) for s in np.minimum(shares, 0.9)], np.float32)
        for sums, p in (
            (by_mean, (weights / weights.sum()) @ each),
            (by_share_alike, called_by(each, weights / weights.sum())),
        ):
            chosen = called(1.0 - p, 0.1)
            sums += chosen.sum(), (chosen & ~learned).sum()
    assert by_mean[1] / by_mean[0] > 0.12
    assert 0.08 < by_share_alike[1] / by_share_alike[0] < 0.11


def test_models_that_call_alike_keep_their_weights():
    each = np.tile(np.linspace(0.0, 1.0, 50, dtype=np.float32), (3, 1))
    np.testing.assert_allclose(called_by(each, np.array([0.5, 0.3, 0.2])), each[0], rtol=1e-6)
