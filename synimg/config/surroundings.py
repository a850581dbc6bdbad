"""The section `surroundings` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Surroundings(Model):
    """What glows besides the network's synapses; as given, nothing."""

    synapses_per_um3: float = Field(
        0.0,
        ge=0,
        le=10,
        description="labelled synapses in all; those of other neurons, which do not learn, fill up; cortex 1",
    )
    extrasynaptic_per_um2: float = Field(
        0.0, ge=0, le=500, description="receptors on the dendrites' surface; 19 against 910 in synapses (Tanaka 2005)"
    )
    nonspecific_per_um3: float = Field(0.0, ge=0, le=10, description="specks of stray dye in each receptor channel")
    nonspecific_photons: float = Field(300.0, gt=0, description="mean photons of a speck, exponential")
    granules_per_um3: float = Field(
        0.0, ge=0, le=1, description="autofluorescent granules (lipofuscin), in all channels"
    )
    granule_radius_um: float = Field(0.4, gt=0.05, le=5, description="median radius of a granule")
    granule_photons: float = Field(4000.0, gt=0, description="mean photons of a granule at 550 nm")
    granule_half_nm: float = Field(
        100.0, gt=10, description="wavelength step over which a granule's light falls by half"
    )
