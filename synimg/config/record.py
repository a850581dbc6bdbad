"""The section `record` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Record(Model):
    """What is kept of the window while it goes on."""

    n_snapshots: int = Field(10, ge=1, le=10000, description="times at which the causes of all synapses are kept")
    traced_contacts: int = Field(0, ge=0, description="synapses that are recorded more often, drawn at random")
    trace_every: int = Field(1, ge=1, description="updates between records of the traced synapses")
    imaged_neurons: int = Field(0, ge=0, description="neurons whose activity is recorded by a calcium indicator")
    imaged_trials: int = Field(32, ge=2, description="trials of each recording, before the window and at its end")
    tau_calcium_ms: float = Field(400.0, gt=0, description="decay of the indicator; GCaMP6s in vivo about 0.4 to 1 s")
    calcium_noise_sd: float = Field(
        0.1, ge=0, description="sd of the noise per frame, of the mean neuron's response sd"
    )
