"""The section `dyes` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Dyes(Model):
    """Signal in the receptor channels."""

    photons_per_receptor: float = Field(40.0, gt=0, description="mean detected-light photons per labelled receptor")
    photons_shape: float = Field(4.0, gt=0, description="shape of the Gamma law of one dye's photons (1 / CV^2)")
    background_photons: float = Field(6.0, ge=0, description="mean background per voxel in the receptor channels")
    background_cv: float = Field(0.25, ge=0, lt=0.5, description="relative sd of its smooth variation")
    background_scale_um: float = Field(4.0, gt=0.5, description="distance over which the background varies")
    pulse_emission_nm: float = Field(671.0, gt=300, lt=1100, description="emission of the pulse dye (JFX673)")
    chase_emission_nm: float = Field(571.0, gt=300, lt=1100, description="emission of the chase dye (JF552)")
