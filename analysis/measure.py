"""The way back: from the voxels of a recording to the synapse table. Nothing here reads the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import __version__, compute, schema
from synimg.analysis import assign, replica
from synimg.analysis.beforehand import (
    as_bright_puncta_show,
    as_puncta_show,
    colour_tile,
    colour_tiles,
    learn,
    look_beforehand,
    near_damage,
    refuse_unfit,
    shown_in_file,
    stretches,
)
from synimg.analysis.block import (
    ELECTRONS,
    Block,
    Tile,
    dendrite_colours,
    measure_block,
    measure_tile,
    read_tile,
    tiles,
)
from synimg.analysis.code_book import SHOWN, as_dendrites_show
from synimg.analysis.damage import read_recorded, share_lost
from synimg.analysis.extent import TO_THE_RIM
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.noise_rate import N_NOISE_TILES, NoiseFinds, false_rate, least_noise_gain, noise_tile
from synimg.analysis.others import others_of, sure_parents, with_others
from synimg.analysis.quality import FILE as QUALITY_FILE
from synimg.analysis.quality import Missing, Quality, quality_of
from synimg.analysis.recording import Recording
from synimg.analysis.tile_replica import Checked, Known, replica_of_block, replica_tile, spread_over, to_replicate
from synimg.analysis.traces import Tracing, outside, with_parents
from synimg.analysis.widening import TrueErrors
from synimg.calibrate import dyes_of, fitted_covariance, receptors_of_dyes, unmixed
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.atomic import sha256, write_json
from synimg.store.dataset import Dataset
from synimg.store.image import Box, image_attributes, open_array
from synimg.store.parts import Parts
from synimg.store.tables import read_table, write_table

Floats = NDArray[np.float64]


def synapse_table(detections: pd.DataFrame, recording: Recording) -> pd.DataFrame:
    """The synapse table (`schema.SYNAPSES`) of detections with their parents: electrons become receptors."""
    se = detections[[f"{name}_se" for name in ELECTRONS]].to_numpy(float)
    fitted = fitted_covariance(se, detections["electrons_cov"].to_numpy(float))
    electrons, covariance = unmixed(detections[ELECTRONS].to_numpy(float), fitted, *recording.bleed())
    light, light_se = recording.light(detections["z_um"].to_numpy(float))
    dyes, cov = [], covariance[:, 0, 1]
    for k, index in enumerate(recording.receptor_index):
        per_dye = recording.electrons_per_dye(index) * light
        dyes.append(dyes_of(electrons[:, k], np.sqrt(covariance[:, k, k]), per_dye, recording.shape_of_dye(index)))
        cov = cov / per_dye
    (old, old_var), (new, new_var) = dyes
    r_old, r_old_se, r_new, r_new_se, r_old_new_cov = receptors_of_dyes(old, new, old_var, new_var, recording.tag, cov)
    # an error of the light at a depth moves both counts of a synapse there by one factor
    r_old_se, r_new_se = np.hypot(r_old_se, light_se * r_old), np.hypot(r_new_se, light_se * r_new)
    r_old_new_cov = r_old_new_cov + light_se**2 * r_old * r_new
    return pd.DataFrame(
        {
            "synapse_id": np.arange(1, len(detections) + 1),
            "animal_id": recording.animal_id,
            "group": recording.group,
            **{
                name: detections[name]
                for name in ("neuron_id", "neuron_prob", "branch_id", *PLACE)
                if name in detections
            },
            "r_old": r_old,
            "r_old_se": r_old_se,
            "r_new": r_new,
            "r_new_se": r_new_se,
            "r_old_new_cov": r_old_new_cov,
            "merged_prob": detections["merged_prob"],
            "size": detections["area_um2"] / TO_THE_RIM,
            "size_se": detections["area_um2_se"] / TO_THE_RIM,
        }
    )


def widened(
    detections: pd.DataFrame,
    around: pd.DataFrame,
    true_errors: TrueErrors | None,
    recording: Recording,
    size_um: Floats,
) -> pd.DataFrame:
    """Detections with standard errors that hold where synapses crowd, and ``merged_prob``; null if that is not known.

    `around` holds all detections that can crowd them.
    """
    if true_errors is None:
        return detections.assign(merged_prob=np.nan)
    points, among = (table[PLACE].to_numpy(float) for table in (detections, around))
    near = replica.nearby(points, recording.psf_um, size_um, among)
    electrons, bound = detections[ELECTRONS].to_numpy(float), detections["electrons_cov"].to_numpy(float)
    out = detections.assign(
        merged_prob=true_errors.merged.of(near, electrons.sum(axis=1)),
        electrons_cov=true_errors.counts_covariance(bound, near, electrons),
    )
    of_place, of_counts = ([f"{name}_se" for name in names] for names in (PLACE, ELECTRONS))
    place_se, counts_se = (detections[names].to_numpy(float) for names in (of_place, of_counts))
    out[of_place], out[of_counts] = true_errors.standard_errors(place_se, counts_se, near, electrons)
    return out


def read_parents(
    detections: pd.DataFrame, recording: Recording, settings: MeasureSettings, readouts: pd.DataFrame | None
) -> pd.DataFrame:
    """The detections with ``neuron_id`` and ``neuron_prob``: from colour they have them already, else from read-outs.

    Both are null where the likeliest parent is less probable than `least_parent_prob`, and where the recording has no label.

    Raises
    ------
    SynimgError
        If parents are to be read out in place and there are no read-outs.
    """
    if recording.identity.get("kind") == "colour":
        return sure_parents(detections, settings.least_parent_prob)
    if recording.identity.get("kind") == "none":
        return detections.assign(neuron_id=pd.array([None] * len(detections), "Int64"), neuron_prob=np.nan)
    if readouts is None or readouts.empty:
        raise SynimgError("the image has neither dye channels nor label read-outs; a synapse's parent cannot be told")
    points = detections[PLACE].to_numpy()
    neuron_id, probability = assign.nearest_readout(points, readouts, settings.readout_gate_um)
    parented = detections.assign(neuron_id=neuron_id, neuron_prob=probability)
    return sure_parents(parented, settings.least_parent_prob)


def measure(
    dataset: Dataset | str | Path,
    run: str = "default",
    settings: MeasureSettings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    report: compute.Report = compute.silent,
    tracing: Tracing | None = None,
) -> pd.DataFrame:
    """The synapse table of a data set's image; also written to ``analysis/<run>/synapses.parquet``.

    Parameters
    ----------
    dataset : Dataset or path
        Only its image, the image's metadata and label read-outs are opened, never its truth.
    run : str
        Name of the analysis run.
    settings : MeasureSettings, optional
        How to measure.
    workers, scheduler, report
        As in `generate`.
    tracing : Tracing, optional
        Traced dendrites, which tell the parents in the place of colours or read-outs.

    Raises
    ------
    SynimgError
        If there is no image yet, it does not fit its metadata, none of it can be read, or all traces lie outside it.

    Notes
    -----
    A call that was stopped goes on from the tiles that it had finished. Where chunks of the image are damaged, and within
    `halo_vox` of them, nothing is measured; ``quality.json`` and the notes of the stage name these places, and the same call
    measures anew once one of them can be read.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    settings = settings or MeasureSettings()
    dataset.require("image", f"synimg generate ... --out {dataset.path}")
    stage = f"{run}/measure"
    table = dataset.run(run) / "synapses.parquet"
    notes: dict[str, Any] = {"settings": settings.model_dump(mode="json")}
    recording = recording_of(dataset.image)
    size_um = np.array(open_array(dataset.image).shape[-3:]) * recording.voxel_um
    if tracing is not None:
        outside(tracing.traces, size_um)
        notes["traces"] = tracing.facts() | {"sha256": [sha256(trace.path) for trace in tracing.traces]}
    if _is_measured(dataset, stage, notes, recording):
        return read_table(table, schema.SYNAPSES)
    refuse_unfit(recording, size_um, str(dataset.image))
    with dataset.stage(stage, notes, resumes=True) as scratch:
        image_files = dataset.index["stages"]["image"]["files"]
        readouts = None
        if (dataset.path / "readouts.parquet").is_file():
            readouts = read_table(dataset.path / "readouts.parquet", schema.READOUTS)

        def parented(detections: pd.DataFrame) -> pd.DataFrame:
            if tracing is not None:
                return with_parents(detections, tracing)[0]
            return read_parents(detections, recording, settings, readouts)

        found = measure_voxels(
            dataset.image, recording, settings, parented, (scratch, image_files), (workers, scheduler), report
        )
        found.write(scratch / "analysis" / run)
        Parts.clear(scratch)
        notes["damaged"] = found.damaged
        # only now: a call that is stopped leaves what was there
        dataset.drop(stage, f"{run}/separate", f"{run}/validate", f"{run}/report")
    return read_table(table, schema.SYNAPSES)


@dataclass(frozen=True)
class Found:
    """What is in an image: detections with their parents, the synapse table, the quality report, facts, and lost chunks."""

    detections: pd.DataFrame
    synapses: pd.DataFrame
    quality: Quality
    facts: dict[str, Any]
    damaged: list[Box]

    def write(self, folder: Path) -> None:
        """Write ``detections``, ``synapses`` (.parquet) and ``quality.json``."""
        write_table(folder / "detections.parquet", self.detections, notes=self.facts)
        write_table(folder / "synapses.parquet", self.synapses, schema.SYNAPSES, self.quality.missing.notes())
        write_json(folder / QUALITY_FILE, self.quality.facts())


def measure_voxels(
    image: Path,
    recording: Recording,
    settings: MeasureSettings,
    parented: Callable[[pd.DataFrame], pd.DataFrame],
    resumed: tuple[Path, Any],
    where: tuple[int | None, str | None],
    report: compute.Report,
) -> Found:
    """What is in the image at `image`: array ``0`` (channel, z, y, x) of grey levels.

    Parameters
    ----------
    image : Path
        Zarr folder.
    recording, settings
        As above.
    parented : callable
        Gives detections their ``neuron_id`` and ``neuron_prob``.
    resumed : tuple
        A folder for what is finished, and what identifies the voxels: a call with the same goes on from there.
    where : tuple
        Workers and scheduler, as in `generate`.
    report : callable
        As in `generate`.
    """
    shape: Any = tuple(open_array(image).shape[-3:])
    work, size_um = tiles(shape, settings), np.array(shape) * recording.voxel_um

    def cut(tile: Tile) -> Block | str:
        return read_tile(image, tile, recording)[0]

    recording = as_puncta_show(recording, work, cut, settings, size_um)
    path = str(image.resolve())
    with compute.pool(*where, folder=image.parent) as pool:
        looked_at, what = stretches(work, settings.n_spread_tiles), "looking at bright puncta"
        shown = pool.in_turn(shown_in_file, looked_at, (path, recording, settings), what, report)
        recording, spread_um2 = as_bright_puncta_show(recording, shown)
        dyed = colour_tiles(work, recording)
        colours = pool.in_turn(colour_tile, dyed, (path, recording), "reading colours", report)
        recording = as_dendrites_show(recording, colours)
        shared = (path, recording, settings, spread_um2)
        key = [__version__, settings.model_dump(mode="json"), recording.model_dump(mode="json"), spread_um2, resumed[1]]
        parts = Parts(resumed[0], key)
        readable, damaged = _measure_tiles(work, parts, shared, pool, report)
        everywhere = parts.read(readable)
        detections = everywhere[~near_damage(everywhere, damaged, recording, settings)].reset_index(drop=True)
        known = to_replicate([work[i] for i in readable], detections, recording, size_um, settings)
        empty = [known[i].tile for i in spread_over(len(known), min(N_NOISE_TILES, len(known)))]
        what = "measuring replicas and noise"
        outcomes = pool.in_turn(_check, [*known, *empty], (*shared, size_um), what, report)
    checked = [c for c in outcomes if isinstance(c, Checked)]
    true_errors, optics = learn(checked, recording)
    others = others_of(detections)
    detections = with_others(widened(detections, everywhere, true_errors, recording, size_um), others)
    detections = parented(detections)
    missing = Missing.of(damaged, recording.voxel_um, share_lost(damaged, settings.halo_vox, shape))
    facts = {
        "spread_um2_per_electron": spread_um2,
        "true_errors": true_errors and true_errors.model_dump(),
        "others": others.model_dump(),
        "channels": [c.model_dump(mode="json") for c in recording.channels],
        **{name: recording.identity[name] for name in SHOWN if name in recording.identity},
    }
    finds = [f for f in outcomes if isinstance(f, NoiseFinds)]
    by_noise = false_rate(finds, least_noise_gain(settings), settings.least_gain)
    quality = quality_of(detections, recording, [c.outcome for c in checked], optics, size_um, missing, by_noise)
    return Found(detections, synapse_table(detections, recording), quality, facts, damaged)


def _check(
    work: Known | Tile, image: str, recording: Recording, settings: MeasureSettings, spread_um2: float, size_um: Floats
) -> Checked | NoiseFinds | None:
    """A replica where it is known what was found, the noise alone of a tile; None if all of it is lost."""
    if isinstance(work, Known):
        return replica_tile(work, image, recording, settings, spread_um2, size_um)
    return noise_tile(work, image, recording, settings, spread_um2)


def _measure_tiles(
    work: list[Tile], parts: Parts, shared: tuple[Any, ...], pool: compute.Pool, report: compute.Report
) -> tuple[list[int], list[Box]]:
    """Measure the tiles of which `parts` has no final table; the tiles that could be read, and the chunks that are lost."""
    done = parts.final()
    todo, lost, unread = [i for i in range(len(work)) if i not in done], set[Box](), set[int]()
    for k, (part, there) in pool.run(measure_tile, [work[i] for i in todo], shared, "measuring", report):
        lost.update(there)
        if part is None:
            unread.add(todo[k])
        else:
            parts.keep(todo[k], part, is_final=not there)
    return [i for i in range(len(work)) if i not in unread], sorted(lost)


def _is_measured(dataset: Dataset, stage: str, wanted: dict[str, Any], recording: Recording) -> bool:
    """Whether the run holds all that these settings and traces give of the image as it is now."""
    if not dataset.is_whole(stage):
        return False
    notes = dataset.index["stages"][stage]["notes"]
    if any(notes.get(name) != wanted.get(name) for name in ("settings", "traces")):
        return False
    damaged = notes.get("damaged", [])
    return all(read_recorded(dataset.image, (tuple(first), tuple(size)), recording)[1] for first, size in damaged)


def recording_of(image: Path) -> Recording:
    """What the metadata of an image of ours say of its recording, with the width of the image.

    Raises
    ------
    SynimgError
        If they contradict the voxels or each other.
    """
    attributes, array = image_attributes(image), open_array(image)
    if array.dtype != np.uint16 or array.ndim != 4:
        raise SynimgError(
            f"{image}: holds {array.dtype} along {array.ndim} axes; grey levels are uint16 along c, z, y, x"
        )
    shape = array.shape
    recording = Recording.parse(attributes.get("synimg", {}), f"{image}: metadata")
    names = [c.name for c in recording.channels]
    if len(names) != shape[0]:
        raise SynimgError(
            f"{image}: its metadata name {len(names)} channels ({', '.join(names)}), the image has {shape[0]}"
        )
    shown = [c.get("label") for c in attributes["ome"].get("omero", {}).get("channels", [])]
    if shown != names and sorted(map(str, shown)) == sorted(names):  # other labels are a matter of taste
        raise SynimgError(
            f"{image}: the order of its channels is {', '.join(names)} by 'synimg' and {', '.join(shown)} by 'omero' in "
            "zarr.json; old and new receptors would be exchanged if the wrong one were used: make them agree"
        )
    steps = attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    scale = next((step["scale"][-3:] for step in steps if step["type"] == "scale"), recording.voxel_um)
    if not np.allclose(scale, recording.voxel_um, rtol=1e-3):
        stated, other = (", ".join(f"{v:g}" for v in size) for size in (recording.voxel_um, scale))
        raise SynimgError(
            f"{image}: its voxels (z, y, x) have {stated} um by 'synimg' and {other} um by the scale of 'multiscales' in "
            "zarr.json; make them agree"
        )
    return recording.model_copy(update={"by_pixel": True, "n_planes": shape[1]})


def measure_image(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings | None = None,
    readouts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The synapse table of an image in memory, (channel, z, y, x) grey levels; see `measure`."""
    settings = settings or MeasureSettings()
    shape: Any = grey.shape[1:]
    recording = recording.model_copy(update={"by_pixel": True, "n_planes": shape[0]})
    work = tiles(shape, settings)

    def cut(tile: Tile) -> Block:
        return Block(grey[(slice(None), *(slice(s, s + n) for s, n in zip(*tile.box, strict=True)))])

    size_um = np.array(shape) * recording.voxel_um
    refuse_unfit(recording, size_um, "the image")
    recording = as_puncta_show(recording, work, cut, settings, size_um)
    recording, spread = look_beforehand(work, cut, recording, settings)
    seen = [dendrite_colours(cut(t).grey, recording, t.box[0]) for t in colour_tiles(work, recording)]
    recording = as_dendrites_show(recording, seen)
    parts = [measure_block(cut(tile).grey, recording, settings, spread, tile) for tile in work]
    detections = pd.concat(parts, ignore_index=True)
    known = to_replicate(work, detections, recording, size_um, settings)
    checked = [replica_of_block(cut(k.tile).grey, k, recording, settings, spread, size_um) for k in known]
    true_errors, _ = learn(checked, recording)
    detections = widened(detections, detections, true_errors, recording, size_um)
    detections = with_others(detections, others_of(detections))
    return synapse_table(read_parents(detections, recording, settings, readouts), recording)
