"""How likely a count is if what was expected is known to a factor."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

from synimg.analysis.mixture.totals import ln_evidence, moments


def by_quadrature(count, mean, sd):
    """Integral of the likelihood over what is expected."""

    def density(x):
        prior = np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
        return prior * np.exp(count * x - np.exp(x) - gammaln(count))

    top = np.log(count)
    middle = (mean / sd**2 + top * count) / (1 / sd**2 + count)
    return np.log(quad(density, min(mean, top) - 3, max(mean, top) + 3, points=[middle], limit=400, epsabs=0.0)[0])


@pytest.mark.parametrize("count", [0.5, 3.0, 40.0, 900.0])
@pytest.mark.parametrize("away", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("sd", [0.3, 0.7])
def test_the_evidence_of_a_count_is_its_likelihood_over_all_that_may_have_been_expected(count, away, sd):
    law = (0.7, 0.3), (1.0, 1.4), (sd, 1.2 * sd)
    offset, level = np.array([np.log(count) + away - 1.0]), np.array([[0.0, 0.3]])
    found = ln_evidence(np.array([count]), offset, level, np.zeros(1, np.int64), law)
    for k, step in enumerate(level[0]):
        each = [np.log(w) + by_quadrature(count, m + offset[0] + step, s) for w, m, s in zip(*law, strict=True)]
        assert found[0, k] == pytest.approx(np.logaddexp(*each), abs=0.005 + 1e-4 * abs(each[0]))


def test_many_receptors_are_as_many_as_are_counted_and_few_are_as_many_as_were_expected():
    _, mean, variance = moments(np.array([2000.0, 0.5]), np.array([0.2, 1.0]), 0.25)
    assert mean[0] == pytest.approx(0.0, abs=0.001)
    assert variance[0] == pytest.approx(1 / 2000, rel=0.01)
    assert 0.5 < mean[1] < 1.0
