"""Activity as an experimenter has it: filtered, noisy, of a few neurons."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.recording import eligibility, record_activity
from synimg.phantoms.wiring import build_wiring

TINY = config.preset("tiny")


def record(seed=1, **values):
    chosen = TINY.model_copy(update={"record": config.Record(imaged_neurons=30, **values)})
    wiring = build_wiring(chosen, seed)
    weights = wiring.weights(wiring.a_start)
    return wiring, record_activity(chosen, seed, wiring, (weights, weights))


def test_the_chosen_neurons_are_recorded_in_two_sessions():
    _, recorded = record(imaged_trials=5)
    assert recorded.calcium.shape[:2] == (2, 5)
    assert recorded.calcium.shape[3] == recorded.unit.size == 30


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_has_the_stated_sd_and_the_indicator_is_slow(seed):
    _, clean = record(seed, calcium_noise_sd=0.0)
    _, noisy = record(seed, calcium_noise_sd=0.2)
    assert (noisy.calcium - clean.calcium).std() == pytest.approx(0.2, rel=0.02)
    _, fast = record(seed, calcium_noise_sd=0.0, tau_calcium_ms=1.0)

    def roughness(calcium):
        return float((np.diff(calcium, axis=2) ** 2).mean() / calcium.var())

    assert roughness(clean.calcium) < 0.5 * roughness(fast.calcium)


def test_eligibility_is_known_where_both_ends_were_recorded():
    wiring, recorded = record()
    found = eligibility(recorded, wiring.contact_pre, wiring.contact_post)
    both = np.isin(wiring.contact_pre, recorded.unit) & np.isin(wiring.contact_post, recorded.unit)
    np.testing.assert_array_equal(np.isfinite(found), both)
    one = int(np.flatnonzero(both)[0])
    a, b = (
        recorded.calcium[..., np.flatnonzero(recorded.unit == u)[0]].ravel()
        for u in (wiring.contact_pre[one], wiring.contact_post[one])
    )
    assert found[one] == pytest.approx(np.cov(a, b)[0, 1], rel=1e-5)
