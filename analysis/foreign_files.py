"""Puncta and pairs of images in files: a table per image, one over all, and a picture of each."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import __version__, compute
from synimg.analysis.foreign import ForeignSettings, Measured, measure_channels
from synimg.analysis.foreign_image import read_image, voxel_size_of
from synimg.analysis.plausible import doubts, refuse_voxels
from synimg.analysis.puncta import Grey
from synimg.analysis.quality import Missing
from synimg.analysis.traces import Tracing, outside, with_parents
from synimg.cameras.protocol import Camera
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.channels import group_channels
from synimg.store.parts import key_of
from synimg.store.place import Place
from synimg.store.results import INDEX, filling
from synimg.store.tables import read_table, write_table

Floats = NDArray[np.float64]
Draw = Callable[[Path, dict[str, Floats], pd.DataFrame, pd.DataFrame, Floats], None]
FINISHED = "finished.json"


@dataclass(frozen=True)
class Summary:
    """What was made: a table with a row per image, sentences, one line, and whether parts of images could not be read."""

    table: pd.DataFrame
    warnings: list[str]
    text: str
    is_incomplete: bool


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
