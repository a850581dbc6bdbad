"""Random numbers depend on their key alone."""

import numpy as np

from synimg.streams import add_noise, key64, later, stream


def test_the_same_key_gives_the_same_numbers():
    np.testing.assert_array_equal(stream(1, "a", 2).random(5), stream(1, "a", np.int64(2)).random(5))


def test_another_seed_stage_or_entity_gives_other_numbers():
    assert len({key64(1, "a", 2), key64(2, "a", 2), key64(1, "b", 2), key64(1, "a", 3), key64(1, "a", "2")}) == 5


def test_a_later_generator_goes_on_where_this_one_will_be():
    rng = stream(1, "a")
    rng.poisson(5.0, 7)
    ahead = later(rng, 12)
    rng.uniform(0, 2 * np.pi, 12)
    np.testing.assert_array_equal(ahead.gamma(4.0, 10.0, 5), rng.gamma(4.0, 10.0, 5))


def test_noise_is_normal_and_does_not_repeat_itself():
    values = np.zeros((3, 41, 1001), np.float32)
    add_noise(values, 2.0, stream(1, "noise"))
    flat = values.ravel() / 2.0
    assert abs(flat.mean()) < 4 / np.sqrt(flat.size)
    assert abs(flat.std() - 1) < 4 / np.sqrt(2 * flat.size)
    assert abs((flat**4).mean() - 3) < 4 * np.sqrt(96 / flat.size)
    assert np.unique(flat).size > 0.98 * flat.size
