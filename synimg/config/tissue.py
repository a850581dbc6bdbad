"""The section `tissue` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Tissue(Model):
    """Dendrites and spines in the block."""

    n_imaged_neurons: int = Field(64, ge=1, description="neurons whose dendrites are in the block; of either type")
    dendrite_um_per_um3: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="dendrite per volume of tissue, of as many neurons as that takes; 0: of n_imaged_neurons",
    )
    labelled_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of these neurons that express tag and parent label (sparse labelling); the others are there and dark",
    )
    morphologies: tuple[str, ...] = Field(
        (),
        description="SWC, ASC or H5 files to import; empty: every dendrite is grown. Paths are relative to this file",
    )
    spine_density_per_um: float = Field(1.5, gt=0, le=10, description="spines per um of dendrite (L2/3 and L5: 1 to 2)")
    segment_um: float = Field(
        12.0,
        gt=1,
        description="mean way of a growing tip to its branching, if it will branch; in two real cells 30 and 35",
    )
    fork_share: float = Field(
        1.0, gt=0, le=1, description="share of the sections after a branching that branch again; of real cells 0.4"
    )
    bend: float = Field(
        0.14,
        ge=0,
        le=0.5,
        description="sd of the change of direction of a grown dendrite in 0.4 um, along each axis [rad]; of real cells 0.03",
    )
    pace_sd_ln: float = Field(
        0.0,
        ge=0,
        le=1,
        description="sd of ln of a grown section's pace about its mother's, so that some reach far; of real cells 0.4",
    )
    n_primary_dendrites: int = Field(
        1, ge=1, le=20, description="dendrites by which a grown neuron reaches from its soma, outside, into the block"
    )
    dendrite_radius_um: float = Field(0.3, gt=0.05, le=3, description="radius of grown dendrites (diameter 0.5 to 1.5)")
    neck_length_um: float = Field(
        0.7,
        ge=0,
        description="mean neck, dendrite to head: 0.43 to 0.51 in CA1 (Harris 1992), 1.87 in ferret V1 (Scholl 2021); see docs",
    )
    psd_density_per_um2: float = Field(980.0, gt=0, description="receptors per um^2 of PSD (Tanaka 2005: about 1000)")
