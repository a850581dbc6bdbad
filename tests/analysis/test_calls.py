"""Which synapses are called, and of how many a separation is sure."""

import numpy as np
import pandas as pd

from synimg.analysis.calls import called, n_called, n_sure

LFDR = np.array([0.3, 0.01, 0.9, 0.05])


def test_the_called_are_the_largest_set_whose_mean_lfdr_is_low_enough():
    assert called(LFDR, 0.05).tolist() == [False, True, False, True]
    assert called(LFDR, 0.12).tolist() == [True, True, False, True]
    assert [n_called(np.sort(LFDR), nominal) for nominal in (0.005, 0.05, 0.12)] == [0, 2, 3]


def test_sure_is_who_has_a_probability_of_learning_of_four_fifths():
    table = pd.DataFrame({"p_learning": [0.79, 0.8, 0.95], "lfdr": [0.1, 0.5, 0.05]})
    assert n_sure(table) == 2
    assert n_sure(table.assign(lfdr=np.nan)) == 0
