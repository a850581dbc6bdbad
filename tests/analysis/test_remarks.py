"""What looks odd in a synapse table is said by every built-in method, and nothing is said of a table that is in order."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.remarks import remarks
from synimg.analysis.separation import separate

N = 60
TABLE = pd.DataFrame(
    {
        "synapse_id": range(N),
        "animal_id": "a",
        "group": "trained",
        "neuron_id": np.arange(N) // 20,
        "r_old": 40.0 + np.arange(N) % 7,
        "r_old_se": 3.0,
        "r_new": 20.0 + np.arange(N) % 5,
        "r_new_se": 3.0,
    }
)


@pytest.mark.parametrize(
    ("table", "sentences"),
    [
        (TABLE, []),
        (TABLE.assign(pathway="a", place_on_axis=0.5, group="deprived", my_score=1), []),
        (TABLE.assign(eligibilty=1.0), ["column 'eligibilty' is not used; did you mean 'eligibility'?"]),
        (TABLE.assign(eligibility=1.0, eligibility2=1.0), []),
        (TABLE.assign(Group="yoked"), ["column 'Group' is not used, for there is 'group'"]),
        (TABLE.rename(columns={"group": "Group"}), ["column 'Group' is not used; did you mean 'group'?"]),
        (
            TABLE.rename(columns={"r_old_se": "r_old_sem"}),
            [
                "column 'r_old_sem' is not used; did you mean 'r_old_se'?",
                "the table has no 'r_old_se': counts in 'r_old' are taken to be free of measurement error",
            ],
        ),
        (
            TABLE.drop(columns=["r_old_se", "r_new_se"]),
            ["the table has no standard errors: counts are taken to be free of measurement error"],
        ),
        (
            TABLE.assign(group="Controls"),
            [
                "group 'Controls' is not taken for controls, which are called yoked, naive or control; did you mean 'control'?"
            ],
        ),
        (
            TABLE.assign(group=["yokd"] * 20 + ["Yoked "] * 20 + [None] * 20),
            ["group 'yokd' is not taken for controls, which are called yoked, naive or control; did you mean 'yoked'?"],
        ),
        (
            TABLE.assign(r_old=TABLE["r_old"] / 1000, r_new=TABLE["r_new"] / 1000),
            [
                "half of the synapses have a total of 0.065 or less: 'r_old' and 'r_new' are numbers of receptors, whose scatter "
                "follows from them; divide intensities by that of one receptor first"
            ],
        ),
    ],
)
def test_what_looks_odd_is_said_and_nothing_else(table, sentences):
    assert remarks(table) == sentences


def test_a_column_of_the_user_s_that_is_asked_about_is_used():
    assert remarks(TABLE.assign(pre=1), "pre") == remarks(TABLE.assign(branch=1), "branch") == []
    assert remarks(TABLE.assign(branch=1)) == ["column 'branch' is not used; did you mean 'branch_id'?"]


@pytest.mark.parametrize("method", ["raw", "rank_order", "neuron_median", "neuron_mode", "auto"])
def test_every_built_in_method_says_it(method):
    assert "column 'eligibilty' is not used" in separate(TABLE.assign(eligibilty=1.0), method).info["warnings"][-1]


def test_a_user_s_method_may_read_any_column():
    def mine(table):
        return table[["synapse_id"]].assign(p_learning=0.5)

    assert separate(TABLE.assign(eligibilty=1.0), mine).info["warnings"] == []
