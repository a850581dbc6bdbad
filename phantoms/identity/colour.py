"""Combinatorial colour: every neuron expresses several cytosolic dyes at random levels (Brainbow, Tetbow)."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HEX = ("56B4E9", "E69F00", "CC79A7", "F0E442", "009E73", "D55E00")


class Colour(Model):
    """Dyes in the cytosol, whose ratio names the neuron (Livet et al. 2007; Sakaguchi et al. 2018).

    Notes
    -----
    The mixture of dyes is uniform over all mixtures (a flat Dirichlet law), as after independent random copy numbers;
    the total is log-normal and varies little, as with the strong promoters of Tetbow. The code book is what a reading
    at the somata gives: it carries the expression error once, and the dye at a synapse carries it once more.
    """

    kind: Literal["colour"] = "colour"
    emission_nm: tuple[float, ...] = Field(
        (450.0, 480.0, 510.0, 540.0), min_length=2, max_length=6, description="emission of the dyes, 2 to 6 of them"
    )
    brightness_sd_ln: float = Field(0.25, ge=0, le=2, description="sd of ln total level over neurons")
    expression_cv: float = Field(0.05, ge=0, le=0.5, description="relative error of a level between soma and dendrite")
    photons_per_um3: float = Field(60000.0, gt=0, description="photons of a dye at level 1 per um^3 of cytosol")
    background_photons: float = Field(10.0, ge=0, description="mean background per voxel in the dye channels")

    def dye_channels(self) -> list[tuple[str, str, float]]:
        """Name, colour and emission of every dye channel."""
        return [(f"dye_{k + 1}", HEX[k % len(HEX)], nm) for k, nm in enumerate(self.emission_nm)]

    def codes(self, neuron_id: Ints, seed: int) -> Floats:
        """Level (n, n_dyes) of every dye in the dendrites of every neuron."""
        return self._soma_codes(neuron_id, seed) * self._error(neuron_id, seed, "dendrite")

    def photons(self, level: Floats | float) -> Any:
        """Photons per um^3 at a dye level."""
        return self.photons_per_um3 * level

    def dye_background_photons(self) -> float:
        """Mean background per voxel."""
        return self.background_photons

    def barcodes(self, neuron_id: Ints, seed: int) -> list[str]:
        """Levels as text."""
        return ["/".join(f"{level:.3f}" for level in code) for code in self.codes(neuron_id, seed)]

    def known(self, neuron_id: Ints, seed: int) -> dict[str, Any]:
        """The code book, read at the somata with the expression error."""
        book = self._soma_codes(neuron_id, seed) * self._error(neuron_id, seed, "soma")
        return {
            "kind": self.kind,
            "expression_cv": self.expression_cv,
            "neuron_id": [int(i) for i in neuron_id],
            "codebook": [[float(v) for v in code] for code in book],
        }

    def readouts(self, tissue: Any, seed: int) -> pd.DataFrame | None:
        """None: colour is in the image."""
        return None

    def _soma_codes(self, neuron_id: Ints, seed: int) -> Floats:
        n_dyes = len(self.emission_nm)
        codes = np.empty((neuron_id.size, n_dyes))
        for row, neuron in enumerate(neuron_id):
            rng = stream(seed, "identity", "level", int(neuron))
            codes[row] = n_dyes * rng.dirichlet(np.ones(n_dyes)) * np.exp(self.brightness_sd_ln * rng.standard_normal())
        return codes

    def _error(self, neuron_id: Ints, seed: int, where: str) -> Floats:
        n_dyes = len(self.emission_nm)
        draws = [stream(seed, "identity", where, int(i)).standard_normal(n_dyes) for i in neuron_id]
        return np.exp(self.expression_cv * np.array(draws).reshape(-1, n_dyes))


part = Colour
