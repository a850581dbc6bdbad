"""The section `network` of a configuration."""

from typing import Literal, Self

import pydantic
from pydantic import Field

from synimg.model import Model


class Network(Model):
    """Recurrent network of rate units."""

    n_units: int = Field(256, ge=16, le=4096, description="units, excitatory and inhibitory")
    share_excitatory: float = Field(
        0.8, ge=0, lt=1, description="share of excitatory units (Dale's law); 0 is a striatum"
    )
    connection_probability: float = Field(
        0.25, ge=0, le=1, description="mean probability of a connection; 0.05 to 0.19 in mouse V1 (Ko 2011)"
    )
    kernel_width: float = Field(0.35, gt=0, description="sd of the connection's reach, in sides of the sheet of units")
    spectral_radius: float = Field(1.2, gt=0, lt=3, description="largest modulus of the weight matrix's eigenvalues")
    dt_ms: float = Field(20.0, gt=0, le=50, description="time step")
    tau_fast_ms: float = Field(100.0, gt=0, description="time constant of most units")
    tau_slow_low_ms: float = Field(300.0, gt=0, description="shortest time constant of the slow units")
    tau_slow_high_ms: float = Field(1000.0, gt=0, description="longest time constant of the slow units")
    share_slow: float = Field(0.3, ge=0, le=1, description="share of slow units")
    noise_sd: float = Field(0.05, ge=0, description="private noise of each unit and time step")
    max_rate: float = Field(
        20.0, gt=0, description="rate at which units saturate; working networks have means around 0.3"
    )
    input_density: float = Field(
        0.5, gt=0, le=1, description="share of units that an input, or each of its axons, reaches"
    )
    axons_per_input: int = Field(
        0, ge=0, le=1000, description="axons with synapses of their own that bring in each input; 0: fixed weights"
    )
    input_kernel_width: float = Field(
        0.0, ge=0, description="sd of the axons' reach along x, where inputs lie in their order; 0: anywhere"
    )
    readout: Literal["linear", "pools"] = Field(
        "linear", description="answers from all units' rates, or from the mean rates of one pool of units per answer"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.dt_ms <= self.tau_fast_ms:
            raise ValueError(
                f"dt_ms = {self.dt_ms:g} is longer than tau_fast_ms = {self.tau_fast_ms:g}; take a shorter step"
            )
        if not self.tau_slow_low_ms <= self.tau_slow_high_ms:
            raise ValueError(f"tau_slow_low_ms = {self.tau_slow_low_ms:g} is above tau_slow_high_ms; swap them")
        return self
