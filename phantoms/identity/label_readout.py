"""A label read out in place at every synapse, with errors: in-situ sequencing of a barcode, say."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from synimg.phantoms.identity.base import WithoutDyes
from synimg.phantoms.identity.protocol import Ints
from synimg.streams import stream


class LabelReadout(WithoutDyes):
    """Every imaged synapse gets a read-out of its parent's label, sometimes wrong, sometimes lost.

    Notes
    -----
    No paper states how often an in-situ read-out at a synapse errs: 80 to 95 % right is a range to work with. Barcodes of
    whole neurons were found in 91 +- 6 % (Kebschull et al. 2016, Neuron 91:975).
    """

    kind: Literal["label_readout"] = "label_readout"
    error_rate: float = Field(0.05, ge=0, lt=1, description="probability that a read-out names another neuron")
    loss_rate: float = Field(0.05, ge=0, lt=1, description="probability that a synapse has no read-out")
    jitter_um: float = Field(0.1, ge=0, le=2, description="sd of a read-out's place around its synapse, per axis")

    def barcodes(self, neuron_id: Ints, seed: int) -> list[str]:
        """A random label of 12 bases per neuron."""
        bases = np.array(list("ACGT"))
        return ["".join(bases[stream(seed, "identity", "bases", int(i)).integers(0, 4, 12)]) for i in neuron_id]

    def known(self, neuron_id: Ints, seed: int) -> dict[str, Any]:
        """The stated error rate, and the neurons that are labelled."""
        return {"kind": self.kind, "error_rate": self.error_rate, "neuron_id": [int(i) for i in neuron_id]}

    def readouts(self, tissue: Any, seed: int) -> pd.DataFrame | None:
        """One row per read-out: where, and which neuron it names."""
        rng = stream(seed, "identity", "readout")
        n = tissue.is_imaged.size  # drawn for every contact, so that one does not depend on which others are imaged
        lost, wrong = rng.random(n) < self.loss_rate, rng.random(n) < self.error_rate
        shift, other = self.jitter_um * rng.standard_normal((n, 3)), rng.random(n)
        shown = np.flatnonzero(tissue.is_imaged & ~lost)
        row, n_neurons = tissue.neuron_row[shown], tissue.neuron_id.size
        if n_neurons > 1:
            step = 1 + np.floor(other[shown] * (n_neurons - 1)).astype(np.int64)
            row = np.where(wrong[shown], (row + step) % n_neurons, row)
        points = tissue.position_um[shown] + shift[shown]
        return pd.DataFrame(
            {
                "readout_id": np.arange(1, shown.size + 1),
                **{f"{axis}_um": points[:, i] for i, axis in enumerate("zyx")},
                "neuron_id": tissue.neuron_id[row],
                "error_rate": self.error_rate,
            }
        )


part = LabelReadout
