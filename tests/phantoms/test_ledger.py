"""The ledger: causes add up to the change, in both scales."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synimg.phantoms.ledger import CAUSES, Ledger

steps = st.lists(st.tuples(st.sampled_from(CAUSES), st.floats(-0.1, 0.1)), min_size=1, max_size=200)


@settings(deadline=None, max_examples=50)
@given(steps, st.floats(0.5, 400))
def test_causes_add_up_to_the_change(changes, start):
    ledger = Ledger(np.log(np.array([start, 2 * start])), np.array([True, True]))
    for cause, change in changes:
        ledger.book(cause, np.array([change, -change]))
    log, linear = ledger.error()
    assert log < 1e-12
    assert linear < 1e-12 * max(1.0, ledger.a.max())


def test_a_change_is_booked_to_its_cause_alone():
    ledger = Ledger(np.log(np.array([50.0])), np.array([True]))
    ledger.book("drift", np.array([0.1]))
    assert ledger.log["learning"].value == 0
    np.testing.assert_allclose(ledger.linear["drift"].value, 50 * (np.exp(0.1) - 1))
