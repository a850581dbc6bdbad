"""Random numbers depend on their key alone."""

import numpy as np

from synimg.streams import key64, stream


def test_the_same_key_gives_the_same_numbers():
    np.testing.assert_array_equal(stream(1, "a", 2).random(5), stream(1, "a", np.int64(2)).random(5))


def test_another_seed_stage_or_entity_gives_other_numbers():
    assert len({key64(1, "a", 2), key64(2, "a", 2), key64(1, "b", 2), key64(1, "a", 3), key64(1, "a", "2")}) == 5
