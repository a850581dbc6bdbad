"""How an image is measured."""

from typing import Literal

from pydantic import Field

from synimg.model import Model


class MeasureSettings(Model):
    """How an image is measured."""

    candidate_significance: float = Field(
        3.7, gt=0, description="least LoG response of a candidate, in sd of the noise"
    )
    near_significance: float = Field(
        2.5, gt=0, description="the same beside a known punctum, whose fit has taken some of a neighbour's light in"
    )
    least_gain: float = Field(28.0, gt=0, description="least 2 ln likelihood ratio of a punctum against nothing")
    n_rounds: int = Field(3, ge=1, le=6, description="searches of the residual")
    merge_sigma: float = Field(0.8, ge=0, description="puncta nearer than this many PSF widths are one")
    split_excess: float = Field(
        0.15, gt=0, description="variance beyond a synapse's at which a punctum is tried as two, in squared PSF widths"
    )
    split_um: float = Field(0.8, ge=0, description="puncta nearer than this may be parts of one synapse")
    same_disc: float = Field(1.2, ge=0, description="puncta nearer than this many radii of their common disc are one")
    least_crowd: float = Field(
        0.1,
        ge=0,
        description="other puncta expected within 2.5 PSF widths from which on a disc is no wider than its receptors need",
    )
    split_gain_per_electron: float = Field(
        0.25,
        ge=0,
        description="least 2 ln likelihood ratio of two puncta against one, per electron of a receptor, at even odds",
    )
    split_share_per_electron: float = Field(
        0.0004,
        ge=0,
        description="least gain of such a part, as a share of the brighter one's, for a disc wider than the PSF, likewise",
    )
    background_um: float = Field(0.6, gt=0, description="width of the local mean that gives the background")
    tile_vox: tuple[int, int, int] = Field(
        (64, 192, 192), description="block of work; the result depends on it slightly"
    )
    halo_vox: tuple[int, int, int] = Field((8, 20, 20), description="margin around a tile that is fitted too")
    n_spread_tiles: int = Field(4, ge=1, description="tiles from which the synapses' width is estimated")
    n_replica_tiles: int = Field(
        4, ge=1, description="tiles of which replicas with known truth are measured: true errors and detection limit"
    )
    psf: Literal["stated", "puncta"] = Field(
        "stated",
        description="whether the point spread function's widths are those stated or those that bright puncta show",
    )
    least_parent_prob: float = Field(
        0.5, ge=0, lt=1, description="a synapse whose likeliest parent has a lower probability has no parent"
    )
    readout_gate_um: float = Field(0.6, gt=0, description="farthest that a label read-out may lie from its synapse")
