"""The configuration of one animal: what the network is, what it learns, how it is tagged, imaged and recorded.

A TOML file holds it. Every parameter is spelt out once, here or in its family's file, with unit, bounds, default and
source; `to_toml` writes them out as comments.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pydantic
from pydantic import Field

from synimg.cameras.protocol import Camera
from synimg.errors import SynimgError, nearest
from synimg.family import member, names
from synimg.model import Model, VoxelUm
from synimg.optics.bleed_through import separable

Positive = Field(gt=0)
FIRST_CHANNEL = "pulse"
"""The channel that is recorded first: the sample moves between channels, so that places are those of this one."""
MOST_SHIFT_UM = 5.0
"""Farthest that channels lie apart; chromatic shifts are below 0.3 um, a stage that drifts moves some um."""


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


class Training(Model):
    """The window between pulse and chase, in which all causes act at the same time."""

    window_days: float = Field(2.0, gt=0, le=100, description="time from the pulse to death [days]")
    n_updates: int = Field(400, ge=1, description="batches of trials in the window")
    batch: int = Field(32, ge=1, description="trials per batch")
    readout_learning_rate: float = Field(0.002, gt=0, description="Adam step of the read-out weights")
    criterion: float = Field(
        0.9, gt=0, le=1, description="test accuracy (R2 for a course to follow) that counts as learned"
    )
    test_every: int = Field(10, ge=1, description="updates between tests")
    test_trials: int = Field(256, ge=16, description="trials of a test; the same ones every time")
    learned_threshold_ln: float = Field(
        0.2, gt=0, description="a synapse is 'learned' if learning moved ln receptors by more than this"
    )
    input_gain: float = Field(
        1.0, ge=0, le=2, description="gain of the task's inputs within the window; below 1 deprives"
    )
    feedback: Literal["contingent", "yoked"] = Field(
        "contingent", description="errors and rewards belong to the trial, or to another trial (a yoked control)"
    )
    counterfactuals: bool = Field(True, description="run again without each cause, for the causal truth")


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


class Receptors(Model):
    """Spines and their AMPA receptors at the start of the window, and their turnover."""

    contacts_per_edge: tuple[float, ...] = Field(
        (0.891, 0.0922, 0.0138, 0.0030),
        description="probability of 1, 2, ... contacts of a connection (Dorkenwald 2022, Table 1)",
    )
    head_volume_small_log10_um3: tuple[float, float] = Field(
        (-1.42, 0.24), description="mean and sd of the small spine heads' log10 volume (Dorkenwald 2022, Table 2)"
    )
    head_volume_large_log10_um3: tuple[float, float] = Field(
        (-0.77, 0.22), description="mean and sd of the large ones (same table)"
    )
    share_large: tuple[float, ...] = Field(
        (0.19, 0.42, 0.64),
        description="share of large heads in connections of 1, 2, ... contacts, the last for more (same paper, Tables 2, 3)",
    )
    state_correlation: float = Field(
        0.64, ge=0, le=1, description="phi of small or large between contacts of a connection (same paper, Fig. 4)"
    )
    psd_exponent: float = Field(0.74, gt=0, description="slope of ln PSD area on ln head volume (Scholl, ferret V1)")
    psd_sd_ln: float = Field(0.3, ge=0, description="scatter of ln PSD area around that line")
    receptors_mean: float = Field(60.0, gt=0, description="mean AMPA receptors per synapse; 20 to 100 (Harris 2012)")
    exchange_per_day: float = Field(
        0.4, ge=0, description="receptor exchange rate k; 1/k = 2.5 days (a free parameter)"
    )
    depression: Literal["reduced_insertion", "label_blind_removal"] = Field(
        "reduced_insertion", description="how a synapse shrinks; label-blind removal hides it from the ratio"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.contacts_per_edge or abs(sum(self.contacts_per_edge) - 1) > 1e-6 or min(self.contacts_per_edge) < 0:
            raise ValueError(f"contacts_per_edge sums to {sum(self.contacts_per_edge):g}; probabilities sum to 1")
        if not self.share_large or not all(0 <= share <= 1 for share in self.share_large):
            raise ValueError(
                f"share_large = {list(self.share_large)}: give at least one share, each from 0 to 1, "
                "for connections of 1, 2, ... contacts"
            )
        return self

    @property
    def share_large_overall(self) -> float:
        """Expected share of large heads among all contacts."""
        numbers = range(1, len(self.contacts_per_edge) + 1)
        contacts = [n * p for n, p in zip(numbers, self.contacts_per_edge, strict=True)]
        large = [
            c * self.share_large[min(n, len(self.share_large)) - 1] for n, c in zip(numbers, contacts, strict=True)
        ]
        return sum(large) / sum(contacts)


class Volume(Model):
    """The imaged block."""

    shape_vox: tuple[int, int, int] = Field((48, 512, 512), description="voxels along z, y, x")
    voxel_um: VoxelUm = Field((0.2, 0.07, 0.07), description="voxel size along z, y, x [um]")
    chunk_vox: tuple[int, int, int] = Field((16, 256, 256), description="chunk of the zarr arrays and block of work")
    shard_vox: tuple[int, int, int] = Field(
        (0, 0, 0),
        description="for large volumes, a multiple of chunk_vox: one file and block of work of many chunks; 0: a file each",
    )

    @pydantic.field_validator("shape_vox", "chunk_vox")
    @classmethod
    def _whole(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("every entry must be 1 voxel or more (z, y, x)")
        return value

    @pydantic.model_validator(mode="after")
    def _whole_shards(self) -> Self:
        pairs = list(zip(self.shard_vox, self.chunk_vox, strict=True))
        if any(self.shard_vox) and not all(shard > 0 and shard % chunk == 0 for shard, chunk in pairs):
            raise ValueError(
                f"shard_vox = {list(self.shard_vox)} is not a multiple of chunk_vox = {list(self.chunk_vox)} on every axis"
            )
        return self

    @property
    def block_vox(self) -> tuple[int, int, int]:
        """Voxels of a file, which are a block of work."""
        return self.shard_vox if any(self.shard_vox) else self.chunk_vox

    @property
    def size_um(self) -> tuple[float, float, float]:
        """Edge lengths of the block [um]."""
        return tuple(n * s for n, s in zip(self.shape_vox, self.voxel_um, strict=True))  # type: ignore[return-value]


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


class Dyes(Model):
    """Signal in the receptor channels."""

    photons_per_receptor: float = Field(40.0, gt=0, description="mean detected-light photons per labelled receptor")
    photons_shape: float = Field(4.0, gt=0, description="shape of the Gamma law of one dye's photons (1 / CV^2)")
    background_photons: float = Field(6.0, ge=0, description="mean background per voxel in the receptor channels")
    background_cv: float = Field(0.25, ge=0, lt=0.5, description="relative sd of its smooth variation")
    background_scale_um: float = Field(4.0, gt=0.5, description="distance over which the background varies")
    pulse_emission_nm: float = Field(671.0, gt=300, lt=1100, description="emission of the pulse dye (JFX673)")
    chase_emission_nm: float = Field(571.0, gt=300, lt=1100, description="emission of the chase dye (JF552)")


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


class Optics(Model):
    """What a microscope does to the light besides its point spread function; as given, nothing."""

    exposure: float = Field(
        1.0, gt=0, le=1000, description="light of all kinds, relative to the photons stated elsewhere"
    )
    bleed_through: Annotated[tuple[tuple[str, str, float], ...], pydantic.AfterValidator(separable)] = Field(
        (), description='light of one channel in another: ["pulse", "chase", 0.02] puts 2 % of pulse into chase'
    )
    illumination_falloff: float = Field(
        0.0, ge=0, le=0.95, description="loss of light in the corners of the field, growing with the distance squared"
    )
    attenuation_length_um: float = Field(
        0.0,
        ge=0,
        description="depth at which light has fallen to 1/e: 200 two-photon, 50 to 100 visible (Helmchen and Denk 2005); 0: none",
    )
    bleached_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the dye bleached by the end of the scan, which goes from the first plane on",
    )
    chromatic_shift_um: dict[str, tuple[float, float, float]] = Field(
        {}, description="by channel, z, y, x: { pulse = [0.15, 0.04, 0.04] }; lateral 0.02 to 0.1, axial 0.1 to 0.3"
    )
    motion_sd_um: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0),
        description="sd along z, y, x of what the sample moves after the first channel, pulse, by each other",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for name, shift in {**self.chromatic_shift_um, "motion_sd_um": self.motion_sd_um}.items():
            if max(map(abs, shift)) > MOST_SHIFT_UM:
                where = name if name == "motion_sd_um" else f"chromatic_shift_um of '{name}'"
                raise ValueError(
                    f"{where} = {list(shift)}: {MOST_SHIFT_UM:g} um is the most; it is in micrometres, 0.1 for 100 nm"
                )
        if min(self.motion_sd_um) < 0:
            raise ValueError(f"motion_sd_um = {list(self.motion_sd_um)}: a standard deviation is 0 or more")
        return self

    @property
    def is_uneven(self) -> bool:
        """Whether brightness is not 1 everywhere."""
        return self.exposure != 1 or max(self.illumination_falloff, self.attenuation_length_um, self.bleached_share) > 0

    def at_depth(self, depth_um: Any) -> Any:
        """Share of the light that is left on the way from a depth in the tissue [um]."""
        return np.exp(-depth_um / self.attenuation_length_um) if self.attenuation_length_um else 1.0

    def brightness(
        self, place_vox: Any, shape_vox: tuple[int, int, int], voxel_z_um: float, first_depth_um: float = 0.0
    ) -> Any:
        """Light from places (..., 3) [voxels] of an image: the exposure, on the axis at the surface of the tissue."""
        z = place_vox[..., 0]
        light = self.exposure * (1.0 - self.bleached_share) ** (z / max(shape_vox[0] - 1, 1))
        light = light * self.at_depth(first_depth_um + z * voxel_z_um)
        middle = [0.5 * (n - 1) for n in shape_vox[1:]]
        corner = max(middle[0] ** 2 + middle[1] ** 2, 1.0)
        squared = (place_vox[..., 1] - middle[0]) ** 2 + (place_vox[..., 2] - middle[1]) ** 2
        return light * np.maximum(1.0 - self.illumination_falloff * squared / corner, 0.0)

    def shift_um(self, channel: str, rng: np.random.Generator) -> Any:
        """Where a channel shows what lies at 0, (3,) [um]: its chromatic shift, and but for the first a motion from `rng`."""
        moved = rng.standard_normal(3) * self.motion_sd_um
        return np.array(self._chromatic(channel)) + (0.0 if channel == FIRST_CHANNEL else moved)

    def known_shift_um(self, channel: str) -> tuple[float, float, float] | None:
        """What an experimenter knows of that: the chromatic shift, by beads; None where the sample has moved besides."""
        return None if max(self.motion_sd_um) > 0 and channel != FIRST_CHANNEL else self._chromatic(channel)

    def _chromatic(self, channel: str) -> tuple[float, float, float]:
        return self.chromatic_shift_um.get(channel, (0.0, 0.0, 0.0))

    def leaks(self, channels: list[str]) -> list[tuple[int, int, float]]:
        """Bleed-through as (from, to, share) by the channels' indices; pairs with a channel that is not there left out."""
        known = {name: i for i, name in enumerate(channels)}
        pairs = ((known.get(a), known.get(b), share) for a, b, share in self.bleed_through)
        return [(a, b, share) for a, b, share in pairs if a is not None and b is not None and share > 0]


class Imported(Model):
    """A network from another simulator in place of ours; empty: the network is built and trained here."""

    edges: str = Field(
        "", description="table (.parquet, .csv) of pre, post, weight_before, weight_after, or SONATA edges (.h5)"
    )
    edges_after: str = Field("", description="SONATA edges after the window, where each file has syn_weight alone")
    cells: str = Field("", description="table of cell_id, cell_type (E or I), and x, y, rate_start, rate_end if known")
    population: str = Field("", description="edge population of a SONATA file with several")


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


class Config(Model):
    """One animal, from the network to the camera."""

    animal_id: str = Field("mouse01", pattern=r"^[A-Za-z0-9_.-]+$", description="name of the animal")
    group: str = Field("trained", min_length=1, description="trained, yoked, deprived, naive, ...")
    seed: int = Field(1, ge=0, lt=2**63, description="the same seed gives the same bytes")
    network: Network = Field(default_factory=Network)
    imported: Imported = Field(default_factory=Imported)
    task: member("synimg.phantoms.tasks") = Field({"kind": "cue_accumulation"})  # type: ignore[valid-type]
    next_tasks: tuple[member("synimg.phantoms.tasks"), ...] = Field(  # type: ignore[valid-type]
        (), description="further tasks, one after the other, as [[next_tasks]]; the window is divided equally"
    )
    rule: member("synimg.phantoms.rules") = Field({"kind": "eprop"})  # type: ignore[valid-type]
    plasticity: Plasticity = Field(default_factory=Plasticity)
    gate: member("synimg.phantoms.gates") = Field({"kind": "open"})  # type: ignore[valid-type]
    consolidation: member("synimg.phantoms.consolidation") = Field({"kind": "none"})  # type: ignore[valid-type]
    homeostasis: member("synimg.phantoms.homeostasis") = Field({"kind": "scaling"})  # type: ignore[valid-type]
    drift: member("synimg.phantoms.drift") = Field({"kind": "log_ou"})  # type: ignore[valid-type]
    turnover: member("synimg.phantoms.turnover") = Field({"kind": "off"})  # type: ignore[valid-type]
    training: Training = Field(default_factory=Training)
    record: Record = Field(default_factory=Record)
    receptors: Receptors = Field(default_factory=Receptors)
    tag: member("synimg.phantoms.tags") = Field({"kind": "surface_pulse_chase"})  # type: ignore[valid-type]
    volume: Volume = Field(default_factory=Volume)
    tissue: Tissue = Field(default_factory=Tissue)
    axons: Axons = Field(default_factory=Axons)
    dyes: Dyes = Field(default_factory=Dyes)
    identity: member("synimg.phantoms.identity") = Field({"kind": "colour"})  # type: ignore[valid-type]
    surroundings: Surroundings = Field(default_factory=Surroundings)
    preparation: tuple[member("synimg.phantoms.preparation"), ...] = Field(  # type: ignore[valid-type]
        (), description="what is done to the tissue, one step after the other, as [[preparation]]"
    )
    optics: Optics = Field(default_factory=Optics)
    psf: member("synimg.psf") = Field({"kind": "gaussian"})  # type: ignore[valid-type]
    camera: member("synimg.cameras") = Field({"kind": "scmos"})  # type: ignore[valid-type]
    cohort: Cohort = Field(default_factory=Cohort)

    @property
    def first_depth_um(self) -> float:
        """Depth of the first plane in the tissue; 0 for a point spread function that is the same at all depths."""
        return float(getattr(self.psf, "first_depth_um", 0.0))

    @pydantic.model_validator(mode="before")
    @classmethod
    def _take_microscope(cls, values: Any) -> Any:
        """A `microscope` is a set of values that hold where the configuration says nothing else."""
        if not isinstance(values, dict) or "microscope" not in values:
            return values
        rest = {key: value for key, value in values.items() if key != "microscope"}
        return _over(microscope(values["microscope"]), rest)

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.next_tasks) >= self.training.n_updates:
            raise ValueError(
                f"training.n_updates = {self.training.n_updates} leaves no update for each of "
                f"{len(self.next_tasks) + 1} tasks; enlarge it"
            )
        if self.rule.draws_action and any(task.answer != "choice" for task in (self.task, *self.next_tasks)):
            raise ValueError(f"rule '{self.rule.kind}' draws an action; it needs tasks that are answered by a choice")
        if self.training.feedback == "yoked" and self.training.batch < 2:
            raise ValueError("training.batch = 1 leaves no other trial for yoked feedback; take 2 or more")
        if "input" in self.plasticity.synapses and not self.network.axons_per_input:
            raise ValueError(
                'plasticity.synapses has "input", but inputs come over fixed weights; set network.axons_per_input'
            )
        if not self.imported.edges and (self.imported.cells or self.imported.edges_after):
            raise ValueError("imported.edges is missing: the file with the edges")
        if self.imported.edges and any(getattr(self.cohort, g) for g in ("trained", "yoked", "deprived", "naive")):
            raise ValueError("an imported network is one animal; leave out the section cohort")
        if self.tissue.dendrite_um_per_um3 and self.tissue.morphologies:
            raise ValueError(
                "tissue.dendrite_um_per_um3 is for dendrites that are grown; with tissue.morphologies set n_imaged_neurons"
            )
        counted = not self.imported.edges and not self.tissue.dendrite_um_per_um3
        if counted and self.tissue.n_imaged_neurons > self.network.n_units:
            raise ValueError(
                f"tissue.n_imaged_neurons = {self.tissue.n_imaged_neurons}, but the network has only "
                f"{self.network.n_units} units; image fewer or enlarge network.n_units"
            )
        return self


def presets() -> list[str]:
    """Names of the presets."""
    return _names_in(_folder())


def preset(name: str) -> Config:
    """The configuration of a preset: the defaults with the preset's changes.

    Raises
    ------
    SynimgError
        For an unknown name, with the nearest known one.
    """
    if name not in presets():
        raise SynimgError(f"unknown preset '{name}'; {nearest(name, presets())}")
    return parse(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"preset {name}")


def microscopes() -> list[str]:
    """Names of the microscopes."""
    return _names_in(resources.files("synimg.microscopes"))


def microscope(name: Any) -> dict[str, Any]:
    """The values of a microscope, as they would stand in a configuration.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest known one.
    """
    if name not in microscopes():
        raise ValueError(f"unknown microscope '{name}'; {nearest(str(name), microscopes())}")
    text = resources.files("synimg.microscopes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def seen_by(config: Config, name: str) -> Config:
    """The configuration with the optics, the camera, the voxels and the preparation of a microscope.

    It shows the same block of tissue: as many voxels as that takes.

    Raises
    ------
    SynimgError
        For an unknown microscope, with the nearest known one.
    """
    try:
        values = microscope(name)
    except ValueError as error:
        raise SynimgError(f"--microscope: {error}") from None
    kept = config.model_dump(exclude={"psf", "camera", "optics", "preparation"})
    seen = Config.parse(kept | values | {"volume": kept["volume"] | values["volume"]}, f"microscope {name}")
    swelling = scale_of(seen.preparation) / scale_of(config.preparation)
    shape = np.round(config.volume.size_um * swelling / np.array(seen.volume.voxel_um)).astype(int)
    volume = seen.volume.model_copy(update={"shape_vox": tuple(np.maximum(shape, 1).tolist())})
    return seen.model_copy(update={"volume": volume})


def scale_of(preparation: tuple[Any, ...]) -> Any:
    """How much longer lengths along z, y, x become by the steps of a preparation, on average (3,)."""
    return np.prod([step.scale for step in preparation], axis=0) if preparation else np.ones(3)


def read_camera(path: str | Path) -> Camera:
    """The section ``camera`` of a TOML file, as ``synimg camera`` writes it; the file of its pixels is found beside it.

    Raises
    ------
    SynimgError
        If there is no such file or section, or the camera has unknown or wrong values.
    """
    path = Path(path)
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; 'synimg camera' writes one")
    values = read_toml(path.read_bytes(), str(path))
    if not isinstance(values.get("camera"), dict):
        raise SynimgError(f"{path}: the section [camera] is missing")
    camera: Camera = camera_beside(Config.parse({"camera": values["camera"]}, str(path)).camera, path)
    return camera


def camera_beside(camera: Any, path: Path) -> Any:
    """A camera whose file of pixels, if it has one, is taken relative to the file `path`."""
    file = getattr(camera, "pixels_file", "")
    return camera.model_copy(update={"pixels_file": str((path.parent / file).resolve())}) if file else camera


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Values of `below` where `above` has none; a section of another kind takes the place of the whole section."""
    merged = below | above
    for key in below.keys() & above.keys():
        old, new = below[key], above[key]
        if isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = old | new
    return merged


def _folder() -> Any:
    return resources.files("synimg.presets")


def _names_in(folder: Any) -> list[str]:
    """Names of the TOML files of a folder."""
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def parse(text: str, where: str) -> Config:
    """The configuration in the TOML `text`; `where` begins the sentence of an error."""
    return Config.parse(read_toml(text, where), where)


def read_toml(text: str | bytes, where: str) -> dict[str, Any]:
    """What a TOML text holds."""
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SynimgError(f"{where}: not valid TOML: {error}") from None


def load(source: "Config | str | Path") -> Config:
    """The configuration of a `Config`, of a TOML file, or of a preset's name.

    Paths of morphologies, of a measured PSF, of a camera's pixels and of an imported network in a file are relative to it.
    """
    if isinstance(source, Config):
        return source
    path = Path(source)
    if not path.exists() and path.suffix != ".toml":
        return preset(str(source))
    if not path.is_file():
        raise SynimgError(f"{path}: no such configuration; 'synimg new {path}' writes one")
    try:
        config = parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise SynimgError(f"{path}: not a text file; a configuration is TOML, 'synimg new' writes one") from None
    files = tuple(str((path.parent / name).resolve()) for name in config.tissue.morphologies)
    found = {
        k: str((path.parent / v).resolve()) for k, v in config.imported.model_dump().items() if v and k != "population"
    }
    psf = config.psf
    if psf.kind == "measured":
        psf = psf.model_copy(update={"file": str((path.parent / psf.file).resolve())})
    camera = camera_beside(config.camera, path)
    if getattr(camera, "pixels_file", ""):
        camera.maps((0, 0), config.volume.shape_vox[1:])  # refuses a sensor that does not fit
    return config.model_copy(
        update={
            "psf": psf,
            "camera": camera,
            "tissue": config.tissue.model_copy(update={"morphologies": files}),
            "imported": config.imported.model_copy(update=found),
        }
    )


def to_toml(config: Config, title: str = "") -> str:
    """The configuration as TOML, each parameter with its meaning, unit and bounds as a comment."""
    lines = [f"# {title}"] if title else []
    lines.append("# Each value is followed by its meaning; 'synimg generate FILE --out DIR' makes the data set.")
    lines += ["", *_fields(config, top=True)]
    for name in type(config).model_fields:
        value = getattr(config, name)
        for part in value if isinstance(value, tuple) and value and isinstance(value[0], Model) else ():
            lines += ["", f"[[{name}]]  # {_headline(part)}", *_fields(part, folder=families()[name])]
        if isinstance(value, Model):
            lines += ["", f"[{name}]  # {_headline(value)}", *_fields(value, folder=families().get(name))]
    return "\n".join(lines) + "\n"


def families() -> dict[str, str]:
    """Configuration sections that name a part of a family, with the family's folder."""
    phantoms = {name: f"synimg.phantoms.{name}s" for name in ("task", "rule", "gate", "tag")}
    kept = {
        name: f"synimg.phantoms.{name}" for name in ("homeostasis", "drift", "turnover", "consolidation", "identity")
    }
    listed = {"next_tasks": "synimg.phantoms.tasks", "preparation": "synimg.phantoms.preparation"}
    return phantoms | kept | listed | {"psf": "synimg.psf", "camera": "synimg.cameras"}


def _headline(model: Model) -> str:
    return (type(model).__doc__ or "").strip().splitlines()[0]


def _fields(model: Model, top: bool = False, folder: str | None = None) -> list[str]:
    lines = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Model) or (isinstance(value, tuple) and value and isinstance(value[0], Model)):
            continue
        comment = field.description or ""
        if name == "kind" and folder:
            comment = f"one of {', '.join(names(folder))}"
        limits = bounds(field)
        lines.append(f"{name} = {to_literal(value)}  # {comment}{f' [{limits}]' if limits else ''}")
    return lines


def bounds(field: pydantic.fields.FieldInfo) -> str:
    """The bounds of a field in words, such as ``>= 0, < 1``; empty where it has none."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    parts = [f"{sign} {getattr(m, key)}" for m in field.metadata for key, sign in signs.items() if hasattr(m, key)]
    return ", ".join(parts)


def to_literal(value: Any) -> str:
    """A value as TOML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(to_literal(v) for v in value) + "]"
    if isinstance(value, dict):
        keys = [key if key.isascii() and key.isidentifier() else to_literal(key) for key in value]
        pairs = ", ".join(f"{key} = {to_literal(v)}" for key, v in zip(keys, value.values(), strict=True))
        return f"{{ {pairs} }}" if pairs else "{}"
    return repr(value)
