"""Synapses of neurons that are not in the code book: how many, which, and with what probability, from the image's own evidence."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.others import (
    BESIDE,
    BESIDE_UM,
    HERE,
    LEAST_SYNAPSES,
    Others,
    others_of,
    places_beside,
    sure_parents,
    with_others,
)
from synimg.streams import stream

VOXEL_UM = np.array([0.2, 0.07, 0.07])


def nowhere(n, rng):
    """Evidence at places that belong to nothing in particular: dark, but for those on a dendrite by chance."""
    on = rng.random(n) < 0.2
    snr = np.where(on, rng.lognormal(3.4, 0.6, n), rng.exponential(2.0, n))
    return snr, np.where(on, -rng.exponential(0.6, n), -rng.normal(2.5, 0.8, n).clip(0, 6))


def simulated(n, share_of_others, seed=1):
    """Detections of which `share_of_others` belong to others, and which do not."""
    rng = stream(seed, "test")
    is_known = rng.random(n) >= share_of_others
    dark, apart = nowhere(n, rng)
    snr = np.where(is_known, rng.lognormal(3.9, 0.5, n), dark)
    together = np.where(is_known, -rng.exponential(0.5, n), apart)
    columns = dict(zip(HERE + BESIDE, (snr, together, *nowhere(n, rng)), strict=True))
    return pd.DataFrame(columns).assign(neuron_id=7, neuron_prob=1.0), is_known


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_the_share_of_others_and_every_probability_agree_with_the_truth(share):
    table, is_known = simulated(4000, share)
    others = others_of(table)
    assert others.share == pytest.approx(share, abs=0.05)
    prob = with_others(table, others)["neuron_prob"].to_numpy()
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        these = (prob >= low) & (prob <= low + 0.2)
        if these.sum() > 50:
            assert is_known[these].mean() == pytest.approx(prob[these].mean(), abs=0.08)
    assert prob[is_known].mean() > prob[~is_known].mean() + 0.4


def test_where_all_neurons_are_known_the_share_is_near_0_and_probabilities_stay():
    table, _ = simulated(2000, 0.0)
    others = others_of(table)
    assert others.share < 0.02
    assert with_others(table, others)["neuron_prob"].mean() > 0.98


def test_where_no_neuron_is_known_no_synapse_is_sure_of_one():
    table, _ = simulated(2000, 1.0)
    assert (with_others(table, others_of(table))["neuron_prob"] < 0.5).mean() > 0.97


def test_a_head_without_dye_far_from_any_dendrite_has_no_parent():
    others = others_of(simulated(2000, 0.5)[0])
    table = pd.DataFrame({HERE[0]: [0.0, 60.0], HERE[1]: [-6.0, -0.2], "neuron_id": [3, 4], "neuron_prob": [0.9, 0.9]})
    table = sure_parents(with_others(table.assign(**dict.fromkeys(BESIDE, 0.0)), others), 0.5)
    assert table["neuron_id"].dtype == "Int64"
    assert table["neuron_id"].isna().tolist() == [True, False]
    assert table["neuron_prob"].isna().tolist() == [True, False]
    assert not {*HERE, *BESIDE} & {*table}


def test_few_synapses_tell_no_share():
    assert others_of(simulated(LEAST_SYNAPSES - 1, 0.9)[0]) == Others()
    assert (Others().known_prob(np.array([0.0, 9.0]), np.array([-6.0, 0.0])) == 1.0).all()


def test_places_beside_lie_at_the_same_depth_within_the_block_and_out_of_a_spines_reach():
    rng, shape = stream(1, "test"), (30, 300, 320)
    points = rng.uniform(0, 1, (500, 3)) * (np.array(shape) - 1)
    beside = places_beside(points, shape, VOXEL_UM, rng)
    assert ((beside >= 0) & (beside <= np.array(shape) - 1)).all()
    np.testing.assert_array_equal(beside[:, 0], points[:, 0])
    inner = ((points > 90) & (points < np.array(shape) - 90))[:, 1:].all(axis=1)
    away = np.linalg.norm((beside - points)[inner] * VOXEL_UM, axis=1)
    assert ((away >= BESIDE_UM[0]) & (away <= BESIDE_UM[1])).all()
