"""Old and new receptors follow the published identities."""

import numpy as np
import pytest

from synimg import config
from synimg.phantoms.receptors import draw_counts, survival
from synimg.phantoms.spines import head_volumes, receptors_of

TINY = config.preset("tiny")
KT = TINY.receptors.exchange_per_day * TINY.training.window_days


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("growth", [0.7, 1.0, 1.6])
def test_log_turnover_is_kt_plus_ln_growth(seed, growth):
    a_start = np.full(20_000, 60.0)
    counts = draw_counts(a_start, growth * a_start, TINY, seed)
    y = np.log((counts.r_old + counts.r_new).sum() / counts.r_old.sum())
    assert y == pytest.approx(KT + np.log(growth), abs=0.01)  # 5 sigma: 1 / sqrt(60 * 0.45 * 20000) = 0.0014, and N


def test_label_blind_removal_hides_a_loss_from_the_ratio():
    np.testing.assert_allclose(
        survival(np.array([0.5, 1.0, 2.0]), 0.8, "label_blind_removal"), np.exp(-0.8) * np.array([0.5, 1, 1])
    )
    np.testing.assert_allclose(
        survival(np.array([0.1, 0.5, 2.0]), 0.8, "reduced_insertion"), [0.1, np.exp(-0.8), np.exp(-0.8)]
    )


def test_labelling_and_blocking_have_their_efficiencies():
    tag = TINY.tag
    labelled = tag.label(np.full(200_000, 30), np.full(200_000, 20), np.random.default_rng(1))
    assert labelled.old.mean() == pytest.approx(30 * tag.pulse_efficiency, rel=0.002)
    leak = 30 * (1 - tag.pulse_efficiency) * (1 - tag.blocking_efficiency)
    assert labelled.new.mean() == pytest.approx((20 + leak) * tag.chase_efficiency, rel=0.002)


def contacts(seed, n_edges=90_000):
    """Connection of each contact, with the published numbers of contacts."""
    rng, share = np.random.default_rng(seed + 5), TINY.receptors.contacts_per_edge
    return np.repeat(np.arange(n_edges), rng.choice(np.arange(1, len(share) + 1), n_edges, p=share))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spine_sizes_are_those_of_dorkenwald_2022(seed):
    volume = head_volumes(contacts(seed), TINY.receptors, np.random.default_rng(seed))
    assert np.median(volume) == pytest.approx(0.047, abs=0.005)  # of the mixture in their table 2
    assert np.log(volume).std() == pytest.approx(0.83, abs=0.05)
    assert 1.0 < volume.std() / volume.mean() < 1.1
    assert 0.50 < np.sort(volume)[-volume.size // 5 :].sum() / volume.sum() < 0.60
    receptors = receptors_of(volume, TINY.receptors, np.random.default_rng(seed + 9))
    assert receptors.mean() == pytest.approx(60, rel=0.02)
