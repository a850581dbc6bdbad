"""The same table by three methods

Measures nothing and generates nothing: takes the sample's table, separates it in three ways, and asks the truth which of them
ranks the learned synapses best.
"""

from matplotlib.figure import Figure

import synimg
from synimg.store.dataset import Dataset
from synimg.viewers.figures.precision_recall import precision_recall
from synimg.viewers.sample import sample_dataset
from synimg.viewers.source import Source

METHODS = ("hierarchical", "neuron_mode", "raw")


def main() -> Figure:
    """The picture."""
    source = Source(Dataset.open(sample_dataset()))
    table = source.separated[["synapse_id", "neuron_id", "neuron_prob", "r_old", "r_old_se", "r_new", "r_new_se"]]
    rankings = {name: synimg.separate(table, name).synapses["p_learning"].to_numpy(float) for name in METHODS}
    return precision_recall(source.learned, rankings)


if __name__ == "__main__":
    main().savefig("methods.png", dpi=130)
