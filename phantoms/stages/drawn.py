"""What the network on disk looks like in tissue: drawn again, with the same numbers, wherever it is needed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from synimg.config import Config
from synimg.phantoms.prepare import preparation_of, prepared, tissue_config
from synimg.phantoms.receptors import Counts, draw_counts
from synimg.phantoms.stages.network_file import load_network
from synimg.phantoms.surroundings import Crowd, crowd_of
from synimg.phantoms.tissue import Tissue, build_tissue, tree_of
from synimg.phantoms.wiring import Attributes, Wiring
from synimg.store.dataset import Dataset


@dataclass(frozen=True)
class Drawn:
    """Receptors and tissue of a network.

    wiring : the network
    contacts, nodes : attributes of its contacts and units, as they are on disk
    counts : receptors of each contact
    grown : the tissue as it grew
    tissue : the tissue as the microscope finds it, after its preparation
    """

    wiring: Wiring
    contacts: Attributes
    nodes: Attributes
    counts: Counts
    grown: Tissue
    tissue: Tissue


def draw(dataset: Dataset, config: Config, trees: list[Any]) -> Drawn:
    """Receptors and tissue of the network on disk; quick, and the same every time."""
    wiring, _, contacts, nodes = load_network(dataset.path / "truth" / "network.h5")
    counts = draw_counts(contacts["a_start"], contacts["a_end"], config, config.seed)
    imported = [tree_of(*arrays) for arrays in trees]
    grown = build_tissue(tissue_config(config), wiring, contacts["a_end"], config.seed, imported)
    shown = prepared(grown, preparation_of(config, config.seed), config.volume.size_um)
    return Drawn(wiring, contacts, nodes, counts, grown, shown)


def crowd_around(config: Config, drawn: Drawn) -> Crowd | None:
    """What glows besides the network; where causes are not known, other synapses change as the network's do."""
    contacts, n_imaged = drawn.contacts, int(drawn.tissue.is_imaged.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.log(contacts["a_end"] / contacts["a_start"])
    unlearned = contacts["ln_drift"] + contacts["ln_homeostasis"]
    ln_change = np.where(np.isfinite(unlearned), unlearned, whole)
    return crowd_of(config, contacts["a_start"], ln_change, n_imaged, config.seed)
