"""The truth tables of synapses and of neurons."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.stages.drawn import Drawn

Floats = NDArray[np.float64]


def synapse_truth(config: Config, drawn: Drawn) -> pd.DataFrame:
    """The truth table, one row per contact of the network; those of neurons that are not imaged have no position."""
    wiring, contacts, tissue = drawn.wiring, drawn.contacts, drawn.tissue
    imaged = tissue.is_imaged
    growth = contacts["a_end"] / contacts["a_first"]
    training = config.training
    known = np.isfinite(contacts["ln_learning"]).all()
    is_learned = (np.abs(contacts["ln_learning"]) > training.learned_threshold_ln) | (
        contacts["formed_cause"] == CAUSES.index("learning")
    )
    parts = {
        name: values
        for name, values in contacts.items()
        if name.startswith(("learning_", "ln_learning_", "eligibility"))
    }

    def day(update: NDArray[Any]) -> Floats:
        return np.where(update >= 0, (update + 1) * training.window_days / training.n_updates, np.nan)

    def cause_of(number: NDArray[Any]) -> pd.Series:
        return pd.Series(np.array([*CAUSES, None], dtype=object)[number], dtype="string")

    source = wiring.source[wiring.contact_edge] - wiring.leak.size
    channel = pd.array(np.maximum(source, 0), dtype="Int64")
    channel[source < 0] = pd.NA
    position = {f"{a}_um": tissue.position_um[:, i] for i, a in enumerate("zyx")}
    return pd.DataFrame(
        {
            "synapse_id": np.arange(1, imaged.size + 1),
            "pre_id": wiring.contact_pre + 1,
            "post_id": wiring.contact_post + 1,
            "edge_id": wiring.contact_edge + 1,
            "synapse_class": wiring.synapse_class[wiring.contact_edge],
            "input_channel": channel,
            "branch_id": pd.array(np.where(imaged, tissue.branch_id, 0), dtype="Int64").copy(),
            **position,
            **{f"tissue_{a}_um": drawn.grown.position_um[:, i] for i, a in enumerate("zyx")},
            "is_imaged": imaged,
            "head_volume_um3": contacts["head_volume_um3"] * growth,
            "a_start": contacts["a_start"],
            "a_end": contacts["a_end"],
            **{cause: contacts[cause] for cause in CAUSES},
            **{f"ln_{cause}": contacts[f"ln_{cause}"] for cause in CAUSES},
            "formed": contacts["formed_update"] >= 0,
            "formed_day": day(contacts["formed_update"]),
            "formed_by": cause_of(contacts["formed_cause"]),
            "eliminated": contacts["eliminated_update"] >= 0,
            "eliminated_day": day(contacts["eliminated_update"]),
            "eliminated_by": cause_of(contacts["eliminated_cause"]),
            **{f"cf_{cause}": contacts[f"cf_{cause}"] for cause in CAUSES if f"cf_{cause}" in contacts},
            **drawn.counts.columns(),
            "is_plastic": contacts["is_plastic"].astype(bool),
            "is_learned": is_learned if known else pd.array([None] * imaged.size, dtype="boolean"),
            **parts,
        }
    ).assign(branch_id=lambda frame: frame["branch_id"].mask(~imaged))


def neuron_truth(config: Config, drawn: Drawn) -> pd.DataFrame:
    """The truth about neurons; those that are not imaged have no soma position."""
    nodes, tissue = drawn.nodes, drawn.tissue
    n = nodes["leak"].size
    row = tissue.neuron_id - 1
    soma = np.full((n, 3), np.nan)
    soma[row] = tissue.soma_um
    imaged = np.zeros(n, bool)
    imaged[row] = True
    pool = pd.array(nodes["pool"], dtype="Int64")
    pool[nodes["pool"] < 0] = pd.NA
    code = pd.Series([None] * n, dtype="object")
    code.iloc[row] = config.identity.barcodes(tissue.neuron_id, config.seed)
    return pd.DataFrame(
        {
            "neuron_id": np.arange(1, n + 1),
            "cell_type": np.where(nodes["is_excitatory"] > 0, "E", "I"),
            "pool": pool,
            **{f"soma_{a}_um": soma[:, i] for i, a in enumerate("zyx")},
            "barcode": code,
            "rate_start": nodes["rate_start"],
            "rate_end": nodes["rate_end"],
            "scale_factor": nodes["scale_factor"],
            "is_imaged": imaged,
        }
    )
