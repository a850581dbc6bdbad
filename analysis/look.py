"""A close look at a place of a measured image: its voxels, the fitted model and the residual; and a fit at places by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import compute, schema
from synimg.analysis.beforehand import Shown, as_bright_puncta_show, shown_in_block
from synimg.analysis.block import detections_of, with_dyes
from synimg.analysis.code_book import SHOWN
from synimg.analysis.find import find_puncta
from synimg.analysis.fit import Fit, Scene, fit_puncta, model_of, start
from synimg.analysis.measure import read_parents, recording_of, synapse_table, widened
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.others import Others, with_others
from synimg.analysis.recording import RecordedChannel, Recording
from synimg.analysis.scene import background_again, scene_of
from synimg.analysis.widening import TrueErrors
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.atomic import read_json
from synimg.store.dataset import Dataset
from synimg.store.image import open_array, read_block
from synimg.store.place import place_again
from synimg.store.results import INDEX
from synimg.store.tables import read_notes, read_table
from synimg.store.volume import as_array

Floats = NDArray[np.float64]
HALF_UM = (1.0, 1.2, 1.2)
N_SWEEPS = 12
MOST_PREVIEW_VOX = (64, 128, 128)


@dataclass(frozen=True)
class Measured:
    """What a close look needs of a measured image: opened once, used for many places."""

    image: Path
    recording: Recording
    settings: MeasureSettings
    spread_um2: float
    true_errors: TrueErrors | None
    others: Others
    detections: pd.DataFrame
    readouts: pd.DataFrame | None
    shape_vox: tuple[int, int, int]

    @classmethod
    def open(cls, dataset: Dataset, run: str = "default") -> "Measured":
        """The measurement of a run.

        Raises
        ------
        SynimgError
            If the run has none, or its files are damaged.
        """
        dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
        file = dataset.run(run) / "detections.parquet"
        notes = dataset.index["stages"][f"{run}/measure"]["notes"]
        readouts = dataset.path / "readouts.parquet"
        recording = recording_of(dataset.image)
        where = f"{dataset.path}: errors of {run}"
        used = read_notes(file)  # widths, shift and codes as the measurement had them
        if used.get("channels"):
            channels = tuple(RecordedChannel.parse(c, where) for c in used["channels"])
            recording = recording.model_copy(update={"channels": channels})
        codes = {name: used[name] for name in SHOWN if used.get(name) is not None}
        recording = recording.model_copy(update={"identity": recording.identity | codes})
        return cls(
            image=dataset.image,
            recording=recording,
            settings=MeasureSettings.parse(notes.get("settings", {}), f"{dataset.path}: settings of {run}"),
            readouts=read_table(readouts, schema.READOUTS) if readouts.is_file() else None,
            shape_vox=open_array(dataset.image).shape[-3:],
            **_found(file, where),
        )

    @classmethod
    def of_lab(cls, folder: Path, copy: Path, report: compute.Report = compute.silent) -> "Measured":
        """The measurement of a lab's recording.

        Parameters
        ----------
        folder : Path
            With ``result.json``, as ``synimg measure --old --new`` writes it.
        copy : Path
            Folder for a copy of the voxels, of an image that needs one.
        report : callable
            As in `generate`.

        Raises
        ------
        SynimgError
            If the folder is none, the image is gone or was changed, or files are damaged.
        """
        facts, file = read_json(folder / INDEX), folder / "detections.parquet"
        if not {"places", "recording", "settings"} <= facts.keys() or not file.is_file():
            raise SynimgError(
                f"{folder}: was measured by an older version, or is no recording; measure the image again"
            )
        places, where = {name: place_again(kept) for name, kept in facts["places"].items()}, str(folder / INDEX)
        recording = Recording.parse(facts["recording"] | {"identity": {"kind": "traces"}}, where)
        channels = tuple(
            c.model_copy(update={"label": label}) for c, label in zip(recording.channels, places, strict=True)
        )
        image = as_array(places, copy, report)
        return cls(
            image=image,
            recording=recording.model_copy(update={"channels": channels}),
            settings=MeasureSettings.parse(facts["settings"], where),
            readouts=None,
            shape_vox=open_array(image).shape[-3:],
            **_found(file, where),
        )


def _found(file: Path, where: str) -> dict[str, Any]:
    """What a table of detections and its notes tell of the search: fields of `Measured`."""
    notes = read_notes(file)
    return {
        "spread_um2": float(notes["spread_um2_per_electron"]),
        "true_errors": TrueErrors.parse(notes["true_errors"], where) if notes.get("true_errors") else None,
        "others": Others.parse(notes.get("others", {}), where),
        "detections": read_table(file),
    }


@dataclass(frozen=True)
class Cutout:
    """A small block around a place.

    channels : names of all channels
    called : what the user calls them
    grey : (c, z, y, x) ndarray [grey levels]
    model : (2, z, y, x) ndarray [grey levels] of pulse and chase, background included
    residual : (2, z, y, x) ndarray, data minus model in units of the noise's sd
    first_um : place of the first voxel
    voxel_um : voxel size
    at_um : the place that was asked for
    puncta_um : (n, 3) ndarray, places of the fitted puncta
    """

    channels: tuple[str, ...]
    called: tuple[str, ...]
    grey: NDArray[np.uint16]
    model: Floats
    residual: Floats
    first_um: Floats
    voxel_um: Floats
    at_um: Floats
    puncta_um: Floats


def look(measured: Measured, at_um: Floats, half_um: tuple[float, float, float] = HALF_UM) -> Cutout:
    """The image around a place, with the puncta that were detected there fitted again.

    Parameters
    ----------
    measured : Measured
        The measurement.
    at_um : (3,) ndarray [um]
        z, y, x; it lies in the image.
    half_um : tuple of float
        Half the edge lengths of the block.

    Raises
    ------
    SynimgError
        If the place lies outside the image.
    """
    block = _block(measured, at_um[None], half_um)
    fit = fit_puncta(block.scene, block.known)
    model = model_of(block.scene, fit)
    recording = measured.recording
    voxel = np.array(recording.voxel_um)
    first = np.array(block.first_vox)
    low = np.maximum(np.rint((at_um - np.array(half_um)) / voxel).astype(int), 0) - first
    high = np.minimum(np.rint((at_um + np.array(half_um)) / voxel).astype(int) + 1, measured.shape_vox) - first
    inner = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    z, y, x = (int(v) for v in first + low)
    offset, gain, read = recording.pixels((z, y, x), tuple(int(v) for v in high - low))
    expected, data = model[(slice(None), *inner)], block.scene.data[(slice(None), *inner)]
    return Cutout(
        tuple(c.name for c in recording.channels),
        tuple(c.called for c in recording.channels),
        block.grey[(slice(None), *inner)],
        (expected - read**2) * gain + offset,
        (data - expected) / np.sqrt(np.maximum(expected, 1e-6)),
        (first + low) * voxel,
        voxel,
        at_um,
        (fit.points_vox + first) * voxel,
    )


def fit_at(measured: Measured, places_um: Floats) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detections and synapse table of places chosen by hand, fitted together with what was detected around them.

    Parameters
    ----------
    places_um : (n, 3) ndarray [um]
        z, y, x; the fit moves each by at most one standard deviation of the point spread function along each axis.

    Returns
    -------
    detections, synapses : DataFrame
        A row for each place, in their order.

    Raises
    ------
    SynimgError
        If a place lies outside the image.
    """
    parts = []
    for k, place in enumerate(places_um):
        block = _block(measured, place[None], HALF_UM)
        scene = block.scene
        at = places_um / scene.voxel_um - np.array(block.first_vox)
        # other places by hand in the block take part, so that no one counts its neighbour's receptors
        near = np.flatnonzero(((at > -1) & (at < scene.data.shape[1:])).all(axis=1))
        theta = np.vstack([block.known, start(at[near], np.full((near.size, 2), 20.0), scene)])
        fit = _fit_held(scene, theta, at[near])
        # the light of these places is no background either
        scene = background_again(scene, fit, measured.settings)
        fit = _fit_held(scene, fit.theta, at[near])
        own = np.zeros(len(theta), bool)
        own[len(block.known) + int(np.searchsorted(near, k))] = True
        found = detections_of(measured.recording, scene, fit, own, block.first_vox)
        parts.append(with_dyes(found, block.grey, measured.recording, block.first_vox))
    detections = pd.concat(parts, ignore_index=True)
    size_um = np.array(measured.shape_vox) * measured.recording.voxel_um
    around = pd.concat([measured.detections[PLACE], detections[PLACE]])
    detections = widened(detections, around, measured.true_errors, measured.recording, size_um)
    detections = with_others(detections, measured.others)
    detections = read_parents(detections, measured.recording, measured.settings, measured.readouts)
    return detections, synapse_table(detections, measured.recording)


def _fit_held(scene: Scene, theta: Floats, at_vox: Floats) -> Fit:
    """Puncta from the rows `theta` on, the last of which stay within a width of the places `at_vox` (n, 3) along each axis.

    These are a person's: the fit refines them, and does not run off to a brighter neighbour.
    """
    reach, n = scene.psf_vox.mean(axis=0), len(at_vox)
    for _ in range(N_SWEEPS):
        theta = fit_puncta(scene, theta, n_sweeps=1).theta
        theta[-n:, :3] = np.clip(theta[-n:, :3], at_vox - reach, at_vox + reach)
    return Fit(theta)


@dataclass(frozen=True)
class Preview:
    """What settings detect in a block of an image.

    places_um : (n, 3) ndarray [um] of the puncta
    low_um, high_um : corners of the block
    shown : what bright puncta showed that was used
    """

    places_um: Floats
    low_um: Floats
    high_um: Floats
    shown: Shown


def preview(
    dataset: Dataset, yx_um: tuple[float, float], settings: MeasureSettings, shown: Shown | None = None
) -> Preview:
    """What settings would detect around a place of an image, which need not have been measured.

    Parameters
    ----------
    dataset : Dataset
        With an image.
    yx_um : tuple of float
        Middle of the block, which holds at most `MOST_PREVIEW_VOX` voxels along each axis, so that the answer comes
        while a slider moves; along z it lies in the middle of the image.
    settings : MeasureSettings
        How to measure.
    shown : Shown, optional
        What bright puncta show of the image, if known; that of the block if not.

    Raises
    ------
    SynimgError
        If there is no image, or a chunk of it is missing or damaged.
    """
    dataset.require("image", f"synimg generate ... --out {dataset.path}")
    recording = recording_of(dataset.image)
    voxel, shape = np.array(recording.voxel_um), np.array(open_array(dataset.image).shape[-3:])
    size = np.minimum(MOST_PREVIEW_VOX, shape)
    centre = np.array([shape[0] // 2, *np.rint(np.array(yx_um) / voxel[1:])]).astype(int)
    first = np.clip(centre - size // 2, 0, shape - size)
    box: Any = (tuple(int(v) for v in first), tuple(int(v) for v in size))
    grey = read_block(dataset.image, "0", box)
    shown = shown or shown_in_block(grey, recording, settings, box[0])
    recording, spread_um2 = as_bright_puncta_show(recording, [shown])
    scene = scene_of(grey[recording.receptor_index], recording, settings, spread_um2, box[0])
    _, fit = find_puncta(scene, settings)
    return Preview((fit.points_vox + first) * voxel, (first - 0.5) * voxel, (first + size - 0.5) * voxel, shown)


@dataclass(frozen=True)
class _Block:
    grey: NDArray[np.uint16]
    scene: Scene
    known: Floats
    first_vox: tuple[int, int, int]


def _block(measured: Measured, places_um: Floats, half_um: tuple[float, float, float]) -> _Block:
    """The voxels around places, with the halo that a fit needs, and rows to begin the fit of what was detected there."""
    voxel, shape = np.array(measured.recording.voxel_um), np.array(measured.shape_vox)
    top = (shape - 0.5) * voxel
    if (bad := ((places_um < -0.5 * voxel) | (places_um > top)).any(axis=1)).any():
        where = ", ".join(f"{v:.2f}" for v in places_um[int(np.argmax(bad))])
        size = ", ".join(f"{v:.2f}" for v in top)
        raise SynimgError(f"the place z, y, x = {where} um lies outside the image, which ends at {size} um")
    reach = np.ceil(np.array(half_um) / voxel).astype(int) + np.array(measured.settings.halo_vox)
    low = np.maximum(np.floor(places_um.min(axis=0) / voxel).astype(int) - reach, 0)
    high = np.minimum(np.ceil(places_um.max(axis=0) / voxel).astype(int) + reach + 1, shape)
    first: Any = tuple(int(v) for v in low)
    extent: Any = tuple(int(v) for v in high - low)
    grey = read_block(measured.image, "0", (first, extent))
    scene = scene_of(
        grey[measured.recording.receptor_index], measured.recording, measured.settings, measured.spread_um2, first
    )
    found = measured.detections
    at = found[PLACE].to_numpy(float) / voxel - low
    inside = ((at > -1) & (at < high - low)).all(axis=1)
    electrons = found.loc[inside, ["pulse_electrons", "chase_electrons"]].to_numpy(float)
    known = start(at[inside], electrons, scene) if inside.any() else Fit.none(scene).theta
    scene = background_again(scene, Fit(known), measured.settings)
    return _Block(grey, scene, known, first)
