"""The section `cohort` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Cohort(Model):
    """Animals of several groups from one configuration; all zero: one animal, as it is."""

    trained: int = Field(0, ge=0, le=999, description="animals that learn the task")
    yoked: int = Field(0, ge=0, le=999, description="animals with the same inputs and the feedback of other trials")
    deprived: int = Field(0, ge=0, le=999, description="animals without task and with weak inputs")
    naive: int = Field(0, ge=0, le=999, description="animals without task")
    deprived_gain: float = Field(0.3, ge=0, le=1, description="gain of the inputs of deprived animals")
    exchange_sd_ln: float = Field(
        0.05,
        ge=0,
        le=1,
        description="spread of ln exchange rate over animals; 0.46 of 13.5 days (Mohar 2025, Fig. 2f, g)",
    )
    photons_sd_ln: float = Field(0.1, ge=0, le=1, description="spread of ln photons per receptor over animals")
