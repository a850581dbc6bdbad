"""The configuration of one animal: what the network is, what it learns, how it is tagged, imaged and recorded."""

from typing import Any, Self

import pydantic
from pydantic import Field

from synimg.config.axons import Axons
from synimg.config.cohort import Cohort
from synimg.config.dyes import Dyes
from synimg.config.imported import Imported
from synimg.config.microscope_values import microscope, over
from synimg.config.network import Network
from synimg.config.optics import Optics
from synimg.config.plasticity import Plasticity
from synimg.config.receptors import Receptors
from synimg.config.record import Record
from synimg.config.surroundings import Surroundings
from synimg.config.tissue import Tissue
from synimg.config.training import Training
from synimg.config.volume import Volume
from synimg.family import member
from synimg.model import Model


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
        return over(microscope(values["microscope"]), rest)

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


def families() -> dict[str, str]:
    """Configuration sections that name a part of a family, with the family's folder."""
    phantoms = {name: f"synimg.phantoms.{name}s" for name in ("task", "rule", "gate", "tag")}
    kept = {
        name: f"synimg.phantoms.{name}" for name in ("homeostasis", "drift", "turnover", "consolidation", "identity")
    }
    listed = {"next_tasks": "synimg.phantoms.tasks", "preparation": "synimg.phantoms.preparation"}
    return phantoms | kept | listed | {"psf": "synimg.psf", "camera": "synimg.cameras"}
