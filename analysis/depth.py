"""Do counts change with depth? A trend among the synapses themselves, which may be the light's or the tissue's."""

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.schema import PLACE

Floats = NDArray[np.float64]
N_BINS = 6
LEAST_SYNAPSES = 100
CELL_UM = 5.0
"""Synapses in a cube of this edge tend to be of one dendrite and so alike: they count as one draw."""
SURE, WORTH_SAYING = 3.5, 0.1
FACES = 3.0
"""PSF widths to the first and the last plane within which a part of the light is cut off."""


class DepthTrend(Model):
    """Counts against depth."""

    change: float = Field(description="ln of counts per um of depth, after what is stated of attenuation and bleaching")
    change_se: float = Field(description="its standard error")
    depth_um: float = Field(description="over which it was seen")
    medians: list[tuple[float, float, float]] = Field(
        default_factory=list, description="depth [um], median electrons of a synapse there, its standard error"
    )

    @property
    def over_image(self) -> float:
        """Factor by which counts change over the depth, less one."""
        return float(np.expm1(self.change * self.depth_um))

    def warnings(self) -> list[str]:
        """A sentence, if the trend is beyond chance and matters."""
        is_sure = abs(self.change) > SURE * self.change_se
        if not is_sure or abs(self.change * self.depth_um) < WORTH_SAYING:
            return []
        error = np.exp(self.change * self.depth_um) * self.change_se * self.depth_um
        return [
            f"synapses {'lose' if self.change < 0 else 'gain'} {abs(self.over_image):.0%} (+- {error:.0%}) of their counts over "
            f"{self.depth_um:.0f} um of depth: light that fades, bleaching over the scan, or tissue that differs; nothing was "
            "corrected for it (what is known is stated as [attenuation] in the file of --recording)"
        ]


def depth_trend(detections: pd.DataFrame, electrons: Floats, psf_z_um: float, last_um: float) -> DepthTrend | None:
    """The trend of counts with depth; None where there are too few synapses or planes.

    Parameters
    ----------
    detections : DataFrame
        Their places.
    electrons : (n,) ndarray [electrons]
        Of both channels, over the light that is stated for their depth.
    psf_z_um : float
        Axial width of the point spread function.
    last_um : float
        Depth of the last plane.

    Notes
    -----
    Least squares of ln counts on depth; the errors allow for likeness within cubes of `CELL_UM` (a sandwich of sums over
    cubes). Dim synapses that are lost where it is dark make a trend look weaker than it is.
    """
    points = detections[PLACE].to_numpy(float)
    margin = FACES * psf_z_um
    used = (points[:, 0] > margin) & (points[:, 0] < last_um - margin) & (electrons > 0)
    if used.sum() < LEAST_SYNAPSES:
        return None
    z, value = points[used, 0], np.log(electrons[used])
    away = z - z.mean()
    spread = float((away**2).sum())
    if spread <= 0 or np.ptp(z) < 2.0 * margin:
        return None
    slope = float((away * value).sum() / spread)
    left = away * (value - value.mean() - slope * away)
    cells = pd.DataFrame(np.floor(points[used] / CELL_UM)).groupby([0, 1, 2]).ngroup().to_numpy()
    sums = np.bincount(cells, left)
    n_cells = max(len(sums), 2)
    se = float(np.sqrt((sums**2).sum() * n_cells / (n_cells - 1)) / spread)
    edges = np.linspace(z.min(), z.max(), N_BINS + 1)
    medians = []
    for low, high in pairwise(edges):
        part = value[(z >= low) & (z <= high)]
        if len(part) >= 5:
            middle = float(np.exp(np.median(part)))
            error = 1.2533 * 1.4826 * float(np.median(np.abs(part - np.median(part)))) / np.sqrt(len(part))
            medians.append((0.5 * (low + high), middle, middle * float(error)))
    return DepthTrend(change=slope, change_se=se, depth_um=float(np.ptp(z)), medians=medians)
