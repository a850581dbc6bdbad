"""Inhibitory synapses of a neuron say by what factor its inhibition changed."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.inhibition import with_inhibition
from synimg.errors import SynimgError

TABLE = pd.DataFrame({"synapse_id": [1, 2, 3, 4], "neuron_id": [5, 5, 6, 7]})


@pytest.fixture
def file(tmp_path):
    """Neuron 5 doubled its inhibition against neuron 6; neuron 7 has two inhibitory synapses, neuron 8 no excitatory one."""
    neuron = np.repeat([5, 6, 7, 8], [4, 4, 2, 4])
    table = pd.DataFrame({"synapse_id": np.arange(neuron.size), "neuron_id": neuron, "r_old": 1000.0})
    table.assign(r_new=np.where(neuron == 5, 3000.0, 1000.0)).to_csv(tmp_path / "gephyrin.csv", index=False)
    return tmp_path / "gephyrin.csv"


def test_a_neuron_takes_the_mean_log_turnover_of_its_inhibitory_synapses(file):
    table, said = with_inhibition(TABLE, file)
    five, _, six, seven = table["inhibition_ln"]
    assert five - six == pytest.approx(np.log(2.0), abs=1e-3)
    assert np.isnan(seven)
    assert said == "2 of 3 neurons have inhibitory synapses in gephyrin.csv"


def test_inhibition_of_other_neurons_is_refused(file):
    with pytest.raises(SynimgError, match=r"gephyrin.csv: no neuron of the table has 3 or more"):
        with_inhibition(TABLE.assign(neuron_id=99), file)


def test_a_table_that_knows_its_inhibition_takes_no_other(file):
    with pytest.raises(SynimgError, match="has a column inhibition_ln"):
        with_inhibition(TABLE.assign(inhibition_ln=1.0), file)
