"""Puncta and pairs in images from any lab, of which nothing need be known but the voxel size."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg import __version__, compute
from synimg.analysis.damage import is_near, share_lost
from synimg.analysis.foreign_image import read_image, voxel_size_of
from synimg.analysis.pair import chance_pairs, pair
from synimg.analysis.plausible import doubts, refuse_voxels
from synimg.analysis.puncta import Grey, contrast, find_puncta, noise_of, reach_vox
from synimg.analysis.quality import Missing
from synimg.analysis.traces import Tracing, outside, with_parents
from synimg.cameras.protocol import Camera
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.atomic import read_json, write_json
from synimg.store.channels import group_channels
from synimg.store.image import Box
from synimg.store.parts import key_of
from synimg.store.place import Place
from synimg.store.results import INDEX, filling
from synimg.store.tables import read_table, write_table
from synimg.streams import stream

Floats = NDArray[np.float64]
Draw = Callable[[Path, dict[str, Floats], pd.DataFrame, pd.DataFrame, Floats], None]
FINISHED = "finished.json"
NOISY, SURE = 4.0, 5.0
"""Times the noise of contrasts: a threshold below the first finds noise, one at the second next to none."""


class ForeignSettings(Model):
    """How puncta are found in foreign images: one setting for all of them, so that counts can be compared."""

    threshold: float = Field(0.2, gt=0, lt=1, description="least contrast of a punctum, as a share of full scale")
    punctum_sigma_um: float = Field(
        0.17, gt=0, description="sd of a typical punctum; FWHM 0.34 to 0.48 um in stained tissue"
    )
    max_distance_um: float = Field(0.3, gt=0, description="farthest that the two puncta of a pair lie apart")
    n_shifts: int = Field(20, ge=3, description="shifted copies for the chance level")


@dataclass(frozen=True)
class Measured:
    """One image: its puncta, its pairs, a row of the summary, what a user must know, and what could not be read."""

    puncta: pd.DataFrame
    pairs: pd.DataFrame
    summary: dict[str, Any]
    warnings: list[str]
    missing: Missing = field(default_factory=Missing)


@dataclass(frozen=True)
class Summary:
    """What was made: a table with a row per image, sentences, one line, and whether parts of images could not be read."""

    table: pd.DataFrame
    warnings: list[str]
    text: str
    is_incomplete: bool


def measure_channels(
    name: str,
    channels: dict[str, Floats],
    voxel_um: Floats,
    settings: ForeignSettings,
    seed: int,
    grey: dict[str, Grey] | None = None,
    tops: dict[str, float] | None = None,
    lost: Sequence[Box] = (),
) -> Measured:
    """Puncta of every channel of an image, and pairs of the first two channels with their chance level.

    Parameters
    ----------
    name : str
        Of the image; its chance shifts have a stream of their own.
    channels : dict of (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale, by the channel's name.
    voxel_um : (axes,) ndarray
        Voxel size.
    settings : ForeignSettings
        The same for all images.
    seed : int
        Of the shifts.
    grey : dict of Grey, optional
        Each channel's camera, where it is known.
    tops : dict of float, optional
        From which share of full scale on a channel is saturated, if it is not 1.
    lost : sequence of Box
        What of the image (z, y, x) could not be read: there, and within a punctum's reach, nothing is measured.
    """
    tables, warnings, tops = [], list[str](), tops or dict.fromkeys(channels, 1.0)
    sigma_vox = settings.punctum_sigma_um / voxel_um
    for channel, image in channels.items():
        known, response = None if grey is None else grey[channel], contrast(image, sigma_vox)
        with _said_of(f"{name} ('{channel}')" if len(channels) > 1 else name):
            table = find_puncta(
                image, response, voxel_um, settings.punctum_sigma_um, settings.threshold, known, tops[channel]
            )
        table.insert(0, "channel", channel)
        tables.append(table)
        warnings += [f"{name}: {said}" for said in _of_threshold(channel, settings.threshold, response, len(table))]
    puncta = pd.concat(tables, ignore_index=True)
    missing = Missing()
    if lost:
        missing, near = _near_lost(puncta, lost, next(iter(channels.values())).shape, voxel_um, sigma_vox)
        puncta = puncta[~near].reset_index(drop=True)
    puncta.insert(0, "image", name)
    puncta.insert(1, "punctum_id", np.arange(1, len(puncta) + 1))
    size_um = np.array(next(iter(channels.values())).shape) * voxel_um
    area = float(size_um[-1] * size_um[-2]) * (1.0 - missing.share)
    summary: dict[str, Any] = {"image": name, "area_um2": area}
    for channel, image in channels.items():
        summary[f"n_{channel}"] = int((puncta["channel"] == channel).sum())
        summary[f"share_black_{channel}"] = float((image <= 0).mean())
        summary[f"share_saturated_{channel}"] = float((image >= tops[channel]).mean())
        summary[f"share_negative_{channel}"] = float((image < 0).mean())
    summary["share_missing"] = missing.share
    pairs = pd.DataFrame({"image": pd.Series(dtype="str")})
    if len(channels) >= 2:
        pairs, numbers = _pairs(name, puncta, list(channels)[:2], size_um, settings, seed, missing.share)
        summary |= numbers | {"excess_per_100um2": 100 * numbers["n_excess"] / area}
    warnings = [f"{name}: {sentence}" for sentence in missing.sentences()] + warnings
    return Measured(puncta, pairs, summary, warnings, missing)


def _of_threshold(channel: str, threshold: float, response: Floats, n_found: int) -> list[str]:
    """What to say of a threshold that finds nothing, or noise."""
    noise, highest, for_all = (
        SURE * noise_of(response),
        float(response.max()),
        "one number for all images to be compared",
    )
    if not n_found:
        return [
            f"no punctum of '{channel}' has a contrast of {threshold:g} of full scale; the highest is {highest:.2g} (noise makes "
            f"up to {noise:.2g}: try --threshold {max(noise, 0.1 * highest):.2g}, {for_all})"
        ]
    if threshold * SURE < NOISY * noise:
        return [
            f"noise makes contrasts up to {noise:.2g} of full scale in '{channel}', so that many of its puncta may be noise: raise "
            f"--threshold to {noise:.2g}, {for_all}"
        ]
    return []


def _near_lost(
    puncta: pd.DataFrame, lost: Sequence[Box], shape: tuple[int, ...], voxel_um: Floats, sigma_vox: Floats
) -> tuple[Missing, NDArray[np.bool_]]:
    """What is missing where boxes (z, y, x) are lost, and which puncta lie in them or so near that a part of them may be."""
    flat = 3 - voxel_um.size
    margin: Any = (*[0] * flat, *reach_vox(sigma_vox).tolist())
    boxes: Any = [tuple(numbers[flat:] for numbers in box) for box in lost]
    missing = Missing.of(boxes, voxel_um.tolist(), share_lost(lost, margin, (*[1] * flat, *shape)))
    at = puncta[["z_um", "y_um", "x_um"][flat:]].to_numpy(float) / voxel_um
    return missing, is_near(np.column_stack([np.zeros((len(at), flat)), at]), lost, margin)


def _pairs(
    name: str,
    puncta: pd.DataFrame,
    channels: list[str],
    size_um: Floats,
    settings: ForeignSettings,
    seed: int,
    share_lost: float,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Pairs of two channels, and their numbers."""
    axes = [axis for axis in ("z_um", "y_um", "x_um") if axis in puncta]
    first, second = (puncta[puncta["channel"] == channel] for channel in channels)
    pre, post = first[axes].to_numpy(float), second[axes].to_numpy(float)
    i, j = pair(pre, post, settings.max_distance_um)
    rng = stream(seed, "measure", "chance", name)
    chance = chance_pairs(pre, post, size_um, settings.max_distance_um, settings.n_shifts, rng, share_lost)
    pairs = pd.DataFrame(
        {
            "image": name,
            "pair_id": np.arange(1, i.size + 1),
            f"{channels[0]}_id": first["punctum_id"].to_numpy()[i],
            f"{channels[1]}_id": second["punctum_id"].to_numpy()[j],
            **{axis: 0.5 * (pre[i, k] + post[j, k]) for k, axis in enumerate(axes)},
            "distance_um": np.linalg.norm(pre[i] - post[j], axis=1),
        }
    )
    numbers = {
        "n_pairs": int(i.size),
        "n_chance": chance.mean,
        "n_chance_sd": chance.sd,
        "n_excess": float(i.size - chance.mean),
        "p_value": chance.p_value,
    }
    return pairs, numbers


@contextlib.contextmanager
def _said_of(where: str) -> Iterator[None]:
    """Name the image in what is said of it."""
    try:
        yield
    except SynimgError as error:
        raise SynimgError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Way:
    """How images are measured, which is the same for all of a call."""

    settings: ForeignSettings
    seed: int
    camera: Camera | None
    tracing: Tracing

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        facts: dict[str, Any] = {"settings": self.settings.model_dump(), "seed": self.seed}
        if self.camera is not None:
            facts["camera"] = self.camera.model_dump()
        if self.tracing.traces:
            facts["traces"] = self.tracing.facts()
        return facts

    def identity(self) -> list[Any]:
        """What tells it from another."""
        return [__version__, self.facts(), self.tracing.identity()]


def measure_foreign(
    paths: list[Path],
    voxel_um: tuple[float, ...] | None,
    out: Path,
    channels: list[str],
    settings: ForeignSettings | None = None,
    seed: int = 0,
    report: compute.Report = compute.silent,
    draw: Draw | None = None,
    camera: Camera | None = None,
    tracing: Tracing | None = None,
) -> Summary:
    """Measure foreign images and write a table per image, one over all images, and a picture of each if `draw` is given.

    Parameters
    ----------
    paths : list of Path
        TIFF files, OME-Zarr images, or files of a microscope whose bioio reader is installed
        (`synimg.store.microscopes.READERS`).
    voxel_um : tuple of float, optional
        Voxel size (y, x) or (z, y, x). If not given that of each file: of a microscope, or of OME-TIFF; a plain TIFF file's
        tag is not believed.
    out : Path
        Folder for the results.
    channels : list of str
        See `synimg.store.channels.group_channels`.
    settings, seed, report
        As above, and as in `generate`.
    draw : callable, optional
        Draws a picture of an image into a file: (path, channels, puncta, pairs, voxel size).
    camera : Camera, optional
        That of all images, if it is known: puncta then have electrons with standard errors.
    tracing : Tracing, optional
        Dendrites in the images: puncta and pairs then have `neuron_id`, `branch_id`, `neuron_prob`. In a plane
        z does not count.

    Raises
    ------
    SynimgError
        If a file cannot be read or states no voxel size and none is given, channels do not fit together, or the two images of
        a pair differ in shape, or all traces lie outside an image.

    Notes
    -----
    A call that was stopped goes on from the images that it had finished.
    """
    way = Way(settings or ForeignSettings(), seed, camera, tracing or Tracing())
    images, left_out = group_channels(paths, channels)
    sizes = {name: voxel_size_of(name, places, voxel_um) for name, places in images.items()}
    measured: list[Measured] = []
    warnings: list[str] = left_out
    with filling(out, images) as scratch:
        try:
            for done, (name, places) in enumerate(images.items()):
                report("measuring images", done, len(images))
                voxel, of_size = sizes[name]
                key = key_of(
                    [way.identity(), channels, voxel.tolist(), [[c, *p.identity()] for c, p in places.items()]]
                )
                folder = scratch / name
                if (found := _finished(folder, key)) is None:
                    found = _measured(folder, name, places, voxel, way, draw)
                    said = {"warnings": found.warnings, "missing": found.missing.model_dump()}
                    write_json(folder / FINISHED, {"key": key, "summary": found.summary} | said)
                measured.append(found)
                warnings = list(dict.fromkeys([*warnings, *of_size, *found.warnings]))
        except SynimgError:
            shutil.rmtree(scratch)  # an image that cannot be measured: none is
            scratch.mkdir()
            raise
        report("measuring images", len(images), len(images))
        holes = [f"{m.summary['image']}: {sentence}" for m in measured for sentence in m.missing.sentences()]
        notes = {"missing": "; ".join(holes)} if holes else None
        for kind in ("puncta", "pairs"):
            tables = [getattr(m, kind) for m in measured]
            write_table(scratch / f"{kind}.parquet", pd.concat(tables, ignore_index=True), notes=notes)
        table = pd.DataFrame([m.summary for m in measured])
        warnings += doubts(table)
        write_table(scratch / "summary.parquet", table)
        write_table(scratch / "summary.csv", table)
        known = {name: size.tolist() for name, (size, _) in sizes.items()}
        write_json(scratch / INDEX, {"voxel_um": known, "warnings": warnings} | way.facts())
        for name in images:
            (scratch / name / FINISHED).unlink()
    n_puncta = sum(len(m.puncta) for m in measured)
    text = f"{len(images)} image{'' if len(images) == 1 else 's'}, {n_puncta} puncta"
    if "n_pairs" in table:
        text += f", {int(table['n_pairs'].sum())} pairs, of which {table['n_chance'].sum():.0f} by chance"
    return Summary(table, warnings, text + ", INCOMPLETE" * bool(holes), bool(holes))


def _finished(folder: Path, key: str) -> Measured | None:
    """What an earlier call, which was stopped later, has measured in the same way of the same image."""
    if not (folder / FINISHED).is_file():
        return None
    facts = read_json(folder / FINISHED)
    if facts["key"] != key:
        return None
    puncta, pairs = (read_table(folder / f"{kind}.parquet") for kind in ("puncta", "pairs"))
    missing = Missing.parse(facts["missing"], str(folder / FINISHED))
    return Measured(puncta, pairs, facts["summary"], facts["warnings"], missing)


def _measured(
    folder: Path,
    name: str,
    places: dict[str, Place],
    voxel: Floats,
    way: Way,
    draw: Draw | None,
) -> Measured:
    """Measure an image, and write its tables and picture to `folder`."""
    image = read_image(name, places, voxel.size, way.camera is not None)
    shape = next(iter(image.shares.values())).shape
    refuse_voxels(shape, voxel, way.settings.punctum_sigma_um, name)
    tracing = way.tracing if len(shape) == 3 else way.tracing.in_plane()
    of_traces = outside(tracing.traces, np.array((1, *shape)[-3:]) * np.array((0.0, *voxel)[-3:]))
    grey = None if way.camera is None else {c: _grey(way.camera, scale) for c, scale in image.scales.items()}
    found = measure_channels(name, image.shares, voxel, way.settings, way.seed, grey, image.tops, image.lost)
    if tracing.traces:
        found, more = _with_parents(found, tracing)
        of_traces += [f"{name}: {sentence}" for sentence in more]
    found = replace(found, warnings=[*image.said, *of_traces, *found.warnings])
    for kind in ("puncta", "pairs"):
        write_table(folder / f"{kind}.parquet", getattr(found, kind), notes=found.missing.notes())
    write_table(folder / "puncta.csv", found.puncta)
    if draw is not None:
        draw(folder / "overlay.png", image.shares, found.puncta, found.pairs, voxel)
    return found


def _with_parents(found: Measured, tracing: Tracing) -> tuple[Measured, list[str]]:
    """Puncta and pairs with the neuron and branch on which they lie, and what of them is to be said."""
    tables, said = [], []
    for what, table in (("puncta", found.puncta), ("pairs", found.pairs)):
        if "y_um" in table:
            table, sentences = with_parents(table, tracing)
            said = [sentence.replace("synapses", what) for sentence in sentences]
        tables.append(table)
    return replace(found, puncta=tables[0], pairs=tables[1]), said


def _grey(camera: Camera, full_scale: float) -> Grey:
    """The grey levels of a camera in shares of full scale."""
    zero = camera.offset_adu - camera.gain_adu_per_electron * camera.read_noise_electrons**2
    return Grey(zero / full_scale, camera.gain_adu_per_electron / full_scale)
