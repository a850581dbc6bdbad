"""The suite's tables are pinned: a change that nobody meant is noticed."""

import pytest

from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.pinned import N_SEEDS, is_as_pinned, pinned
from synimg.phantoms.scenarios.suite import SUITE


def test_every_table_is_pinned_and_no_two_are_alike():
    assert list(pinned()) == list(SUITE)
    prints = [one for seeds in pinned().values() for one in seeds]
    assert len(set(prints)) == len(prints) == N_SEEDS * len(SUITE)


@pytest.mark.parametrize("name", ["low_counts", "wrong_parents", "shuffled_labels"])
def test_tables_are_those_that_the_version_means(name):
    drawn = draw(SUITE[name], 2)
    assert is_as_pinned(name, 2, drawn.fingerprint())
    assert is_as_pinned(name, 1, drawn.fingerprint()) is False
    assert is_as_pinned(name, N_SEEDS + 1, drawn.fingerprint()) is None
    assert is_as_pinned("low_counts_imaged", 1, drawn.fingerprint()) is None


def test_a_fingerprint_minds_numbers_and_not_their_last_digits():
    drawn = draw(SUITE["low_counts"].model_copy(update={"n_neurons": 4}), 1)
    before, checksum = drawn.fingerprint(), drawn.checksum()
    drawn.table["r_old"] *= 1.0 + 1e-15
    assert drawn.fingerprint() == before
    assert drawn.checksum() != checksum
    drawn.table.loc[0, "r_old"] *= 1.001
    assert drawn.fingerprint() != before
