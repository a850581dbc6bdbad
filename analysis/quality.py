"""How far a measurement can be trusted, in a few numbers and, first of all, in sentences that warn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg.analysis.damage import place_of
from synimg.analysis.depth import DepthTrend, depth_trend
from synimg.analysis.noise_rate import FalseRate
from synimg.analysis.recording import Recording
from synimg.analysis.replica import Outcome
from synimg.analysis.scale import Scale, scale_of
from synimg.analysis.survey import OpticsCheck
from synimg.analysis.widening import detection_limit
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.atomic import read_json
from synimg.store.image import Box

Floats = NDArray[np.float64]
FILE = "quality.json"
UNASSIGNED = 0.5
MOST_PLACES = 3
"""Places that a sentence names."""
LEAST_MISFIT = 1.5
"""Chi square per voxel beyond which a punctum does not look like its model: 60 voxels scatter by 0.18."""
MANY = {"share_merged": 0.1, "share_saturated": 0.01, "share_unassigned": 0.2, "share_misfit": 0.1, "share_false": 0.1}


class Missing(Model):
    """Where an image could not be read, and so was not measured."""

    places: list[str] = Field(default_factory=list, description="damaged chunks and planes: voxels and micrometres")
    share: float = Field(0.0, ge=0, le=1, description="of the image, in them and too near to them for a fit")

    @classmethod
    def of(cls, damaged: Sequence[Box], voxel_um: Sequence[float], share: float) -> "Missing":
        """What is missing where chunks or planes are damaged."""
        return cls(places=[place_of(box, voxel_um) for box in damaged], share=share)

    def notes(self) -> dict[str, str] | None:
        """What the table itself says of it, wherever it goes."""
        return {"missing": self.sentences()[0]} if self.places else None

    def sentences(self) -> list[str]:
        """That the table is incomplete, if it is."""
        if not self.places:
            return []
        n, more = len(self.places), len(self.places) - MOST_PLACES
        what = "1 part of the image is" if n == 1 else f"{n} parts of the image are"
        where = "; ".join(self.places[:MOST_PLACES]) + (f"; and {more} more" if more > 0 else "")
        return [
            f"the table is incomplete: {what} missing, damaged or empty, at {where}; there and within a fit's reach, "
            f"{self.share:.0%} of the image, nothing was measured"
        ]


class Quality(Model):
    """The quality report of a measurement; null where it cannot be told."""

    n_synapses: int = Field(description="synapses in the table")
    volume_um3: float = Field(description="volume of the image that was measured")
    density_per_um3: float = Field(description="synapses found per volume")
    detection_limit_receptors: float | None = Field(description="count at which half of the synapses are found")
    share_found: float | None = Field(description="share of the synapses that is found, from replicas")
    share_false: float | None = Field(description="share of the table that is no synapse, from replicas")
    share_merged: float | None = Field(description="mean probability that a neighbour was not told apart")
    share_saturated: float = Field(description="synapses with a saturated voxel")
    false_per_um3: FalseRate | None = Field(None, description="finds per volume that noise alone makes")
    share_unassigned: float | None = Field(
        description=f"synapses whose parent is known with a probability below {UNASSIGNED}; null where parents are not looked for"
    )
    share_misfit: float = Field(
        description=f"synapses that do not look like their model: chi square per voxel above {LEAST_MISFIT}"
    )
    misfit: float | None = Field(description="median chi square per voxel of a synapse; 1 where the model is right")
    optics: OpticsCheck = Field(
        description="what bright puncta say of the point spread function and the channels' shift"
    )
    scale: Scale = Field(
        default_factory=Scale, description="errors that all counts share, by what the recording states"
    )
    depth: DepthTrend | None = Field(None, description="whether counts change with depth; null if there are too few")
    missing: Missing = Field(default_factory=Missing, description="what could not be read")
    unit: str = Field("receptors", description="of counts; photons where no receptor's light is known")

    def warnings(self) -> list[str]:
        """What a user must know before the numbers, a sentence each."""
        said = self.missing.sentences() + self.optics.warnings()
        if not self.n_synapses:
            return ["no synapse was found: the table is empty", *said]
        for name, sentence in (
            ("share_merged", "of the synapses are likely to hold a neighbour that was not told apart (merged_prob)"),
            ("share_saturated", "of the synapses are saturated: their counts are too low"),
            (
                "share_unassigned",
                f"of the synapses have no parent that is known with a probability of {UNASSIGNED} or more",
            ),
            (
                "share_misfit",
                "of the synapses do not look like their model: check the point spread function and the camera",
            ),
            ("share_false", "of the table are no synapses, by what replicas show"),
        ):
            value = getattr(self, name)
            if value is not None and value > MANY[name]:
                said.append(f"{value:.0%} {sentence}")
        if unseen := [f"'{c.channel}'" for c in self.optics.channels if c.axial is None]:
            said.append(
                f"the point spread function of {' and '.join(unseen)} could not be checked: too few bright synapses stand alone; "
                "if it is wrong so are counts, and nothing shows it"
            )
        said += self.depth.warnings() if self.depth is not None else []
        if self.share_merged is None:
            said.append("too few synapses to tell how well crowded ones are measured: standard errors are the bound")
        return said

    def headlines(self) -> dict[str, str]:
        """The numbers as text."""

        def percent(value: float | None) -> str:
            return "-" if value is None else f"{value:.1%}"

        limit, optics = self.detection_limit_receptors, self.optics
        rows = {
            "synapses, per um^3": f"{self.n_synapses}, {self.density_per_um3:.3g}",
            "half are found at": "-" if limit is None else f"{limit:.0f} {self.unit}",
            "found, false (by replicas)": f"{percent(self.share_found)}, {percent(self.share_false)}",
            "false by noise, per um^3": "-" if self.false_per_um3 is None else self.false_per_um3.text(),
            "merged, saturated": f"{percent(self.share_merged)}, {percent(self.share_saturated)}",
            "without a sure parent": percent(self.share_unassigned),
            "chi square per voxel": "-" if self.misfit is None else f"{self.misfit:.2f}",
        }
        rows |= self.scale.headlines()
        if self.depth is not None:
            change, se = (100.0 * v * self.depth.depth_um for v in (self.depth.change, self.depth.change_se))
            rows["counts over depth"] = f"{change:+.1f} +- {se:.1f} % (ln) over {self.depth.depth_um:.0f} um"
        for c in optics.channels:
            if c.noise_ratio is not None:
                rows[f"noise of {c.channel} over expected"] = (
                    f"{c.noise_ratio:.3f} +- {c.noise_ratio_se:.3f} (variance)"
                )
            if c.axial is not None and c.lateral is not None:
                rows[f"PSF of {c.channel} over stated"] = (
                    f"{1 + c.axial.excess:.3f} +- {c.axial.se_um / c.axial.stated_um:.3f} axially, "
                    f"{1 + c.lateral.excess:.3f} +- {c.lateral.se_um / c.lateral.stated_um:.3f} laterally"
                )
        if optics.shift_um is not None:
            shift = ", ".join(f"{v:.3f}" for v in optics.shift_um)
            rows[f"{optics.channels[1].channel} beside {optics.channels[0].channel}"] = f"{shift} um"
        return rows

    def facts(self) -> dict[str, Any]:
        """JSON-ready: warnings first."""
        values = self.model_dump(mode="json", exclude=None if self.unit == "photons" else {"unit"})
        return {"warnings": self.warnings(), "headlines": self.headlines(), **values}


def quality_of(
    detections: pd.DataFrame,
    recording: Recording,
    outcomes: list[Outcome],
    optics: OpticsCheck,
    size_um: Floats,
    missing: Missing,
    false_per_um3: FalseRate | None,
) -> Quality:
    """The quality report of detections with their parents, from the replicas' outcomes and the check of the optics."""
    volume_um3 = float(np.prod(size_um)) * (1.0 - missing.share)
    there = pd.concat([o.there for o in outcomes])
    found = pd.concat([o.found for o in outcomes])
    known = there[~there["is_probe"]]
    limit = detection_limit(there)
    n = len(detections)
    light, _ = recording.light(detections["z_um"].to_numpy(float))
    electrons = detections[["pulse_electrons", "chase_electrons"]].sum(axis=1).to_numpy(float) / light

    def share(which: pd.Series) -> float:
        return float(which.mean()) if n else 0.0

    merged = detections["merged_prob"]
    return Quality(
        n_synapses=n,
        volume_um3=volume_um3,
        density_per_um3=n / volume_um3 if volume_um3 > 0 else 0.0,
        detection_limit_receptors=None
        if limit is None
        else limit * _receptors_per_electron(detections, recording) * (float(np.mean(1.0 / light)) if n else 1.0),
        share_found=float(known["is_found"].mean()) if len(known) else None,
        share_false=float(1.0 - found["is_true"].mean()) if len(found) and len(known) else None,
        share_merged=float(merged.mean()) if merged.notna().any() else None,
        share_saturated=share(detections["is_saturated"]),
        false_per_um3=false_per_um3,
        share_unassigned=_share_unassigned(detections, recording),
        share_misfit=share(detections["misfit"] > LEAST_MISFIT),
        misfit=float(detections["misfit"].median()) if n else None,
        optics=optics,
        scale=scale_of(recording),
        depth=depth_trend(detections, electrons, float(recording.psf_um[0]), float(size_um[0]) - recording.voxel_um[0]),
        missing=missing,
    )


def _share_unassigned(detections: pd.DataFrame, recording: Recording) -> float | None:
    """Share of the detections without a sure parent; None where parents were not looked for."""
    is_unknown, is_traced = detections["neuron_id"].isna(), "branch_id" in detections
    is_untold = recording.identity.get("kind") == "none" and not is_traced
    if is_untold or not (detections["neuron_prob"].notna() | is_unknown).any():
        return None
    return float(((detections["neuron_prob"] < UNASSIGNED) | is_unknown).mean())


def _receptors_per_electron(detections: pd.DataFrame, recording: Recording) -> float:
    """Receptors per electron of both channels together, in a synapse of the usual share of old and new."""
    electrons = np.array([detections[f"{name}_electrons"].sum() for name in ("pulse", "chase")])
    share = electrons / electrons.sum() if electrons.sum() > 0 else np.full(2, 0.5)
    seen = [
        recording.electrons_per_dye(i) * float(recording.tag[f"{name}_efficiency"])
        for i, name in zip(recording.receptor_index, ("pulse", "chase"), strict=True)
    ]
    return float((share / seen).sum())


def read_quality(folder: Path) -> Quality:
    """The quality report in the folder of a run.

    Raises
    ------
    SynimgError
        If there is none: the run was edited by hand, or measured by an older version.
    """
    if not (folder / FILE).is_file():
        raise SynimgError(
            f"{folder}: has no quality report; measure the image again: synimg measure ... --run {folder.name}"
        )
    facts = read_json(folder / FILE)
    return Quality.parse({k: v for k, v in facts.items() if k in Quality.model_fields}, str(folder / FILE))
