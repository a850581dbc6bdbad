"""A lab's own recording of old and new receptors: from a stack in any format to the table that `separate` takes."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import __version__, compute
from synimg.analysis.beforehand import refuse_unfit
from synimg.analysis.foreign_image import OF_8_BITS, voxel_size_of
from synimg.analysis.lab_recording import LabRecording
from synimg.analysis.measure import Found, measure_voxels
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.plausible import is_top
from synimg.analysis.recording import TYPICAL_PHOTONS, Recording
from synimg.analysis.traces import NO_TRACES, Tracing, outside, with_parents
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.channels import group_channels
from synimg.store.morphology import Trace
from synimg.store.parts import Parts, key_of
from synimg.store.place import Place, exchanged, stated_position_um
from synimg.store.results import INDEX, filling
from synimg.store.tables import read_table
from synimg.store.volume import as_array, lost_boxes, projection, stack_shape

Floats = NDArray[np.float64]
Draw = Callable[[Path, NDArray[np.uint16], Found, Sequence[Trace], Floats], None]
"""Draws pictures into a folder: (folder, maximum along z (channel, y, x), what was found, traces, voxel size)."""
VOXELS = "voxels"


@dataclass(frozen=True)
class Lab:
    """How recordings are to be measured.

    recording : what is known of them
    settings : how to find and fit synapses
    tracing : dendrites in the images; without any all synapses count as one neuron's
    """

    recording: LabRecording
    settings: MeasureSettings = field(default_factory=MeasureSettings)
    tracing: Tracing = field(default_factory=Tracing)

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "synimg": __version__,
            "recording": self.recording.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "traces": self.tracing.facts(),
        }


@dataclass(frozen=True)
class MeasuredRecording:
    """One recording: its name, the folder with its tables, what a user must know, and how many synapses were found."""

    name: str
    folder: Path
    notes: list[str]
    n_synapses: int


def measure_recordings(
    paths: list[Path],
    channels: dict[str, str],
    lab: Lab,
    out: Path,
    voxel_um: tuple[float, ...] | None = None,
    where: tuple[int | None, str | None] = (None, None),
    report: compute.Report = compute.silent,
    draw: Draw | None = None,
) -> list[MeasuredRecording]:
    """Measure recordings of old and new receptors, each into a folder of `out` that has its name.

    Parameters
    ----------
    paths : list of Path
        Stacks: TIFF, OME-Zarr, or files of a microscope whose bioio reader is installed.
    channels : dict of str
        ``old`` and ``new``: index, name in the file, or ending of the files' names (`synimg.store.channels.group_channels`).
    lab : Lab
        What is known of them, and how to measure.
    out : Path
        Folder for the results: ``synapses``, ``detections`` (.parquet), ``quality.json``, ``result.json`` per recording.
    voxel_um : tuple of float, optional
        Voxel size (z, y, x), if the files do not state it.
    where : tuple
        Workers and scheduler, as in `generate`.
    report : callable
        As in `generate`.
    draw : callable, optional
        Draws pictures of a recording.

    Raises
    ------
    SynimgError
        If an image cannot be read, is no stack, does not fit what is said of it, or all traces lie outside it.

    Notes
    -----
    Voxels are read some planes at a time, and a call that was stopped goes on from the tiles that it had finished. Where no
    photons of a receptor are stated, `r_old` and `r_new` are photons.
    """
    images, left_out = group_channels(paths, [f"{name}={value}" for name, value in channels.items()])
    stacks = {name: _stack(name, places, voxel_um) for name, places in images.items()}
    with filling(out, images) as scratch:
        for name, stack in stacks.items():
            try:
                _measure_one(scratch / name, stack, lab, where, report, draw)
            except SynimgError:
                shutil.rmtree(
                    scratch / name, ignore_errors=True
                )  # of what cannot be measured nothing is to be gone on with
                raise
            shutil.rmtree(scratch / name / VOXELS, ignore_errors=True)
            Parts.clear(scratch / name)
        found = [_read(scratch / name) for name in images]
        found = [replace(one, folder=out / one.name) for one in found]
        warnings = left_out + [f"{one.name}: {sentence}" for one in found for sentence in one.notes]
        write_json(scratch / INDEX, lab.facts() | {"recordings": list(images), "warnings": warnings})
    return found


@dataclass(frozen=True)
class _Stack:
    """A recording before it is measured: where its channels lie, its shape and voxel size, and what is to be said of that."""

    places: dict[str, Place]
    shape: tuple[int, int, int]
    voxel_um: Floats
    said: list[str]

    @property
    def size_um(self) -> Floats:
        """Along z, y, x."""
        return np.array(self.shape) * self.voxel_um


def _stack(name: str, places: dict[str, Place], voxel_um: tuple[float, ...] | None) -> _Stack:
    """A recording, if it is a stack of two channels.

    Raises
    ------
    SynimgError
        If it is not.
    """
    size, said = voxel_size_of(name, places, voxel_um)
    if size.size != 3:
        raise SynimgError(f"{name}: receptors are counted in stacks; give the voxel size as Z,Y,X")
    shape, is_8bit = stack_shape(places)
    if shape[0] == 1:
        raise SynimgError(
            f"{name}: has one plane; receptors are counted in stacks, in which a synapse shows in several"
        )
    if places["old"] == places["new"]:
        raise SynimgError(f"{name}: old and new receptors cannot be in one channel; check --old and --new")
    return _Stack(places, shape, size, said + exchanged(places) + [OF_8_BITS] * is_8bit)


def _measure_one(
    folder: Path,
    stack: _Stack,
    lab: Lab,
    where: tuple[int | None, str | None],
    report: compute.Report,
    draw: Draw | None,
) -> None:
    """Measure a recording into `folder`, unless that was done before in the same way."""
    files = {name: place.identity() for name, place in stack.places.items()}
    key = key_of([lab.facts(), files, lab.tracing.identity(), stack.voxel_um.tolist()])
    if (folder / INDEX).is_file():
        if read_json(folder / INDEX)["key"] == key:
            return
        (folder / INDEX).unlink()
    said = [*stack.said, *outside(lab.tracing.traces, stack.size_um)]
    voxel: Any = tuple(stack.voxel_um.tolist())
    recording = lab.recording.recording(voxel, lab.settings.psf == "puncta", stack.shape[0])
    refuse_unfit(recording, stack.size_um, str(stack.places["old"].path))
    image = as_array(stack.places, folder / VOXELS, report)
    brightest = projection(image)
    recording, of_top = _saturating(recording, brightest)
    said += lost_boxes(image)[1] + of_top + _not_round(recording)

    def parented(detections: pd.DataFrame) -> pd.DataFrame:
        if not lab.tracing.traces:
            said.append(NO_TRACES)
            return detections.assign(neuron_id=1, neuron_prob=np.nan)
        traced, more = with_parents(detections, lab.tracing)
        said.extend(more)
        return traced

    found = measure_voxels(image, recording, lab.settings, parented, (folder, files), where, report)
    found = _in_unit(found, lab.recording)
    found.write(folder)
    if draw is not None:
        draw(folder, brightest, found, lab.tracing.traces, stack.voxel_um)
    facts = {
        "key": key,
        "files": {name: str(place.path) for name, place in stack.places.items()},
        "places": files,
        "settings": lab.settings.model_dump(mode="json"),
        "voxel_um": list(voxel),
        "shape_vox": list(stack.shape),
        "position_um": stated_position_um(next(iter(stack.places.values()))),
        "unit": lab.recording.unit,
        "recording": _seen(recording, found),
        "warnings": [*_of_unit(lab.recording), *said],
    }
    write_json(folder / INDEX, facts)


def _seen(recording: Recording, found: Found) -> dict[str, Any]:
    """The recording with the widths and shifts with which it was measured."""
    return recording.model_dump(mode="json", exclude={"identity"}) | {"channels": found.facts["channels"]}


def _in_unit(found: Found, lab: LabRecording) -> Found:
    """What was found with its counts in photons, where no receptor's photons are stated."""
    if lab.is_light_known:
        return found
    scale = {name: TYPICAL_PHOTONS for name in ("r_old", "r_old_se", "r_new", "r_new_se")}
    scale["r_old_new_cov"] = TYPICAL_PHOTONS**2
    synapses = found.synapses.assign(**{name: found.synapses[name] * factor for name, factor in scale.items()})
    limit = found.quality.detection_limit_receptors
    update = {"unit": lab.unit, "detection_limit_receptors": None if limit is None else limit * TYPICAL_PHOTONS}
    return replace(found, synapses=synapses, quality=found.quality.model_copy(update=update))


def _saturating(recording: Recording, brightest: NDArray[np.uint16]) -> tuple[Recording, list[str]]:
    """The recording with a camera of as many bits as its image was clipped at, and a sentence, if that is fewer than stated.

    `brightest` (channel, y, x) is the maximum along z.
    """
    largest = int(brightest.max())
    n = int((brightest == largest).sum())
    if largest >= recording.camera.largest_adu or not is_top(largest, n):
        return recording, []
    bits = largest.bit_length()
    camera = recording.camera.model_copy(update={"bits": bits})
    said = f"{n} columns of voxels reach the grey level {largest} and none is above: they count as saturated, as of {bits} bits"
    return recording.model_copy(update={"camera": camera}), [said]


def _not_round(recording: Recording) -> list[str]:
    """Point spread functions whose widths in the plane differ."""
    widths = {channel.psf_sigma_um for channel in recording.channels}
    return [
        f"a point spread function with sds of {', '.join(f'{w:g}' for w in sigma)} um along z, y, x is not round in the plane, "
        "which few microscopes' is; is the order Z,Y,X?"
        for sigma in sorted(widths)
        if not np.isclose(sigma[1], sigma[2], rtol=0.1)
    ]


def _of_unit(lab: LabRecording) -> list[str]:
    """What counts are, if they are not receptors."""
    if not lab.is_light_known:
        return [
            "r_old and r_new are photons, not receptors: photons_per_receptor is not stated (--recording); shares and ratios of "
            "one dye are right, and old and new compare only as far as their dyes are equally bright"
        ]
    if lab.tag == type(lab.tag)():
        return ["r_old and r_new are labelled receptors: the tag's efficiencies are not stated (--recording)"]
    return []


def _read(folder: Path) -> MeasuredRecording:
    """What was measured into a folder."""
    n_synapses = len(read_table(folder / "synapses.parquet"))
    return MeasuredRecording(folder.name, folder, read_json(folder / INDEX)["warnings"], n_synapses)
