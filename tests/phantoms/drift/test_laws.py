"""Each drift law keeps the distribution of sizes that it is known for."""

import numpy as np
import pytest

from synimg import config
from synimg.family import names, part
from synimg.phantoms.network import train

FOLDER = "synimg.phantoms.drift"
TINY = config.preset("tiny")


def run(law, a_start, days, n_steps, seed):
    rng = np.random.default_rng(seed)
    memory, drift = law.start(a_start, rng), np.zeros(a_start.size)
    for _ in range(n_steps):
        change, memory = law.step(drift, memory, days / n_steps, rng)
        drift += change
    return drift


def sizes(seed, n=20_000):
    return np.exp(np.log(50) + 0.8 * np.random.default_rng(seed + 100).standard_normal(n))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_timescales_forget_fast_and_slowly(seed):
    law = part(FOLDER, "two_timescale")(fast_sd_ln=0.2, tau_fast_days=3.0, slow_sd_ln=0.6, tau_slow_days=90.0)
    for days in (1.0, 10.0):
        drift = run(law, sizes(seed), days, 40, seed)
        variance = sum(2 * sd**2 * (1 - np.exp(-days / tau)) for sd, tau in ((0.2, 3.0), (0.6, 90.0)))
        assert drift.std() == pytest.approx(np.sqrt(variance), rel=0.025)  # 5 sigma


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_day_of_drift_stays_below_what_was_measured_with_noise(seed):
    # Yasumatsu et al. 2008: sd of 20 % of the volume a day, measurement noise included
    for kind in names(FOLDER):
        drift = run(part(FOLDER, kind)(), sizes(seed), 1.0, 50, seed)
        assert np.std(np.expm1(drift)) < 0.21


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kesten_sizes_keep_their_mean_and_forget_where_they_started(seed):
    law = part(FOLDER, "kesten")()
    start = sizes(seed)
    late = start * np.exp(run(law, start, 60.0, 600, seed))
    assert late.mean() == pytest.approx(start.mean(), rel=0.03)
    assert np.corrcoef(start, late)[0, 1] < 0.1
    assert np.log(late).std() > 0.2
    soon = run(law, start, 5.0, 50, seed)
    assert np.corrcoef(np.log(start), soon)[0, 1] < -0.3  # the small grow, the large shrink: Statman et al. 2014


@pytest.mark.parametrize("kind", names(FOLDER))
def test_the_result_does_not_depend_on_how_the_window_is_divided(kind):
    law = part(FOLDER, kind)()
    coarse, fine = (run(law, sizes(1), 2.0, n, 1).std() for n in (20, 200))
    assert coarse == pytest.approx(fine, rel=0.05)


@pytest.mark.parametrize("kind", names(FOLDER))
def test_the_ledger_is_exact_under_every_law(kind):
    short = TINY.training.model_copy(update={"n_updates": 40})
    learned = train(TINY.model_copy(update={"drift": part(FOLDER, kind)(), "training": short}), 1)
    assert max(learned.ledger.error()) < 1e-12
