"""Tables that break the contract are refused, and the sentence says where."""

import pandas as pd
import pytest

from synimg import schema
from synimg.errors import SynimgError

GOOD = pd.DataFrame({"synapse_id": [1, 2], "neuron_id": [7, 7], "r_old": [30.0, 20.0], "r_new": [10.0, 0.0]})


def test_a_table_with_the_required_columns_alone_is_taken():
    assert list(schema.check(GOOD, schema.SYNAPSES, "t").columns) == ["synapse_id", "neuron_id", "r_old", "r_new"]


def test_columns_of_a_lab_s_own_are_kept():
    assert schema.check(GOOD.assign(depth=1.0), schema.SYNAPSES, "t")["depth"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"r_old": [30.0, -1.0]}, "'r_old' = -1 in row 1"),
        ({"r_new": [float("nan"), 1.0]}, "'r_new' is empty or NaN in row 0"),
        ({"r_new": [float("inf"), 1.0]}, "'r_new' = inf"),
        ({"synapse_id": [1, 1]}, "synapse_id 1 occurs more than once"),
        ({"neuron_id": ["a", "b"]}, "'neuron_id' is"),
        ({"neuron_id": [1.5, 2.0]}, "whole numbers"),
        ({"neuron_prob": [0.5, 1.5]}, "'neuron_prob' = 1.5"),
        ({"r_old_se": [-1.0, 1.0]}, "'r_old_se' = -1"),
        (
            {"r_old_se": [3.0, 3.0], "r_new_se": [2.0, 2.0], "r_old_new_cov": [-6.0, 7.0]},
            "'r_old_new_cov' = 7 in row 1; no covariance is beyond the product of r_old_se and r_new_se, 6",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_row(change, sentence):
    with pytest.raises(SynimgError) as error:
        schema.check(GOOD.assign(**change), schema.SYNAPSES, "t.csv")
    assert sentence in str(error.value)


def test_a_misspelt_column_is_named_with_the_nearest():
    with pytest.raises(SynimgError, match="required column 'r_old' is missing; did you mean 'r_odl'"):
        schema.check(GOOD.rename(columns={"r_old": "r_odl"}), schema.SYNAPSES, "t")
