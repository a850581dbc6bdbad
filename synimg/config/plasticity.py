"""The section `plasticity` of a configuration."""

from typing import Literal

from pydantic import Field

from synimg.model import Model


class Plasticity(Model):
    """Which synapses may learn; homeostasis and drift act on all."""

    synapses: tuple[Literal["EE", "EI", "input"], ...] = Field(
        ("EE", "EI"),
        description="synapses that may learn: of units on excitatory ones, on inhibitory ones; of the inputs' axons",
    )
    largest_ln: float = Field(
        2.0, gt=0, le=20, description="learning moves ln receptors of a synapse by this at most, up or down"
    )
    readout: bool = Field(True, description="whether the read-out learns, or stays as it is")
    readout_from_task: int = Field(1, ge=1, description="the first of several tasks in which the read-out learns")
