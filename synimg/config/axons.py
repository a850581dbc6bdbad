"""The section `axons` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Axons(Model):
    """Axons of presynaptic neurons that cross the block, filled with their neuron's dyes; as given, none."""

    um_per_um3: float = Field(
        0.0, ge=0, le=5, description="labelled axon per volume; all axons of cortex are 4 (Braitenberg and Schuz 1998)"
    )
    radius_um: float = Field(0.12, gt=0.02, le=1, description="radius between boutons (diameter 0.2 to 0.3)")
    bouton_radius_um: float = Field(0.3, gt=0.05, le=1, description="radius of a bouton")
    bouton_interval_um: float = Field(
        4.5, gt=1, description="mean distance of boutons: 3 to 6 (Shepherd and Harris 1998)"
    )
    branch_interval_um: float = Field(
        90.0, gt=5, description="mean axon per branching: 71 and 134 in two reconstructed cortical cells, 87 together"
    )
