"""The command line: parse, call, save, and one line that says what was made where."""

import contextlib
import errno
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from synimg.errors import SynimgError

UsageError: Any = typer.BadParameter.__base__
"""What typer raises for a wrong call; its home differs between versions (click, or a copy of it inside typer)."""

app = typer.Typer(
    name="synimg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Phantoms of synapse maps that record learning, their analysis, and the score of that analysis.\n\n"
    "Start with: `synimg demo`",
)

Out = Annotated[Path, typer.Option("--out", help="folder to write to; new or empty, or of an interrupted call")]
Workers = Annotated[int | None, typer.Option(help="processes; all cores if not given", show_default=False)]
Scheduler = Annotated[str | None, typer.Option(help="address of a dask scheduler that runs already, tcp://...")]
Run = Annotated[str, typer.Option("--run", help="name of the analysis run")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output on standard output")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="folder made by 'synimg generate'")]


_address_of: dict[str, str] = {}
"""Addresses by the local folder in which they are worked on, for people to read."""


def _say(text: str) -> None:
    for folder, address in _address_of.items():
        text = text.replace(folder, address)
    typer.echo(text, err=True)


def _workers(workers: int | None, scheduler: str | None) -> int | None:
    from synimg.compute import n_cores

    return workers if workers is not None or scheduler is not None else n_cores()


@app.command()
def new(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="file to write")],
    preset: Annotated[str, typer.Option(help="where to start from")] = "demo",
    microscope: Annotated[
        str | None, typer.Option(help="confocal, airyscan, two_photon, ...: its optics and camera")
    ] = None,
    camera: Annotated[Path | None, typer.Option(help="file of a camera that 'synimg camera' measured")] = None,
) -> None:
    """Write a commented configuration.

    Example: `synimg new mouse.toml --preset demo --microscope airyscan`
    """
    from synimg import config as configuration
    from synimg.store.atomic import write_text

    if config.suffix != ".toml":
        raise SynimgError(f"{config}: a configuration's name ends in .toml")
    if config.exists():
        raise SynimgError(f"{config}: exists already; choose another name or remove it first")
    start, source = configuration.preset(preset), f"preset '{preset}'"
    if microscope is not None:
        shape, start = start.volume.shape_vox, configuration.seen_by(start, microscope)
        source = f"{source} and microscope '{microscope}'"
        if start.volume.shape_vox != shape:
            now, before = ("{} x {} x {}".format(*n) for n in (start.volume.shape_vox, shape))
            _say(f"note: the same block of tissue takes {now} of its voxels, not {before}")
    if camera is not None:
        values = start.model_dump() | {"camera": configuration.read_camera(camera).model_dump()}
        start, source = configuration.Config.parse(values, str(camera)), f"{source} and the camera of {camera}"
    write_text(config, configuration.to_toml(start, f"synimg configuration, from {source}"))
    _say(f"{config}: written from {source}; edit it, then: synimg generate {config} --out mouse01")


@app.command()
def plan(
    config: Annotated[str, typer.Argument(metavar="CONFIG.toml", help="configuration, or the name of a preset")],
    out: Annotated[Path, typer.Option("--out", help="where the data set is to go: its disk is looked at")] = Path("."),
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Say what a data set will cost before it is made: voxels, bytes, emitters, memory, time.

    Example: `synimg plan mouse.toml --out mouse01`
    """
    from synimg.phantoms.plan import plan as run
    from synimg.phantoms.tissue import ROOM_UM_PER_UM3

    found = run(config, out, workers)
    if as_json:
        typer.echo(json.dumps(found.facts(), indent=1))
        return
    animals = "" if found.n_animals == 1 else f"{found.n_animals} animals, each with "
    rows = {
        "image": f"{animals}{found.n_voxels / 1e6:.3g} million voxels in {found.n_channels} channels",
        "tissue": f"about {found.dendrite_um_per_um3:.2g} um of dendrite per um^3; {ROOM_UM_PER_UM3:g} is the most",
        "emitters": f"about {found.n_emitters:.2g}",
        "on disk": f"about {found.bytes_on_disk / 1e9:.3g} GB; {found.bytes_free / 1e9:.3g} GB are free",
        "memory": f"about {found.bytes_per_worker / 2**20:.0f} MB for each of {found.workers} workers",
        "time": f"about {_duration(found.seconds_training)} to train, {_duration(found.seconds)} for the image",
    }
    for name, text in rows.items():
        typer.echo(f"{name:<9} {text}")
    for note in found.notes:
        _say(f"note: {note}")


def _duration(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds > 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"


@app.command()
def generate(
    config: Annotated[str, typer.Argument(metavar="CONFIG.toml", help="configuration, or the name of a preset")],
    out: Out,
    seed: Annotated[int | None, typer.Option(min=0, help="takes the place of the configuration's seed")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Make a data set: network, receptors, tissue, image; or a cohort of them. The same call again resumes.

    Example: `synimg generate mouse.toml --out mouse01 --seed 1`
    """
    from synimg.config import load
    from synimg.phantoms.generate import generate as run
    from synimg.phantoms.plan import notes_beforehand
    from synimg.progress import bars
    from synimg.store.dataset import Dataset

    settings = load(config)
    notes = notes_beforehand(settings)
    for note in notes:
        _say(f"note: {note}")
    with bars() as report:
        made = run(settings, out, seed, _workers(workers, scheduler), scheduler, report)
    animals = [made] if isinstance(made, Dataset) else made.animals
    said = [(warning, "") for warning in made.index.get("warnings", [])]
    if not isinstance(made, Dataset):
        said += [(warning, f"{one.path}: ") for one in animals for warning in one.index.get("warnings", [])]
    for warning, where in said:
        if warning not in notes:
            _say(f"note: {where}{warning}")
    for dataset in animals:
        _note_criterion(dataset)
    what = f"data set of {made.index['animal_id']}, seed {made.index['seed']}" if isinstance(made, Dataset) else ""
    _say(f"{made.path}: {what or f'cohort of {len(animals)} animals'}; next: synimg measure {out}")


def _note_criterion(dataset: Any) -> None:
    """Say so if the network was to learn and did not learn as well as it should."""
    said = _criterion(dataset)
    if "not met" in said:
        _say(f"note: {dataset.path}: {said}; what there is was kept")


def _criterion(dataset: Any) -> str:
    """How far a network came that was to learn its task; an empty text for others."""
    stage, config = dataset.index["stages"].get("network", {"notes": {}}), dataset.config
    if "criterion_met" not in stage["notes"] or config.rule.kind == "off":
        return ""
    if stage["notes"]["criterion_met"]:
        return "criterion met"
    trials = config.training.n_updates * config.training.batch
    return (
        f"criterion not met: the score is {stage['notes']['score']:.2f} after {trials} trials, "
        f"training.criterion is {config.training.criterion:g}"
    )


@app.command()
def population(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", help="folder to write to; new or empty")],
    n_synapses: Annotated[float, typer.Option(help="synapses in all, such as 1e7")],
    n_neurons: Annotated[
        int | None, typer.Option(min=1, help="neurons; if not given, each has as many synapses as in the network")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="that of the data set if not given")] = None,
) -> None:
    """Draw any number of synapses from the law of a data set's trained network: truth, and a table to separate.

    Example: `synimg population mouse01 --out many --n-synapses 1e7 --seed 1`
    """
    from synimg.phantoms.populate import population as run
    from synimg.progress import bars

    try:
        with bars() as report:
            facts = run(dataset, out, n_synapses, seed, n_neurons, report)
    except KeyboardInterrupt:
        _fail(f"synimg: stopped; nothing was written to {out}", 130)
    _say(
        f"{out}: {facts['n_synapses']} synapses on {facts['n_neurons']} neurons, seed {facts['seed']}; "
        f"next: synimg separate {out / 'synapses.parquet'} --out result"
    )


@app.command()
def measure(
    source: Annotated[list[Path], typer.Argument(metavar="DATASET|IMAGE...", help="a data set, or images of any lab")],
    run: Run = "default",
    voxel_um: Annotated[
        str | None, typer.Option(help="voxel size Z,Y,X (2-D: Y,X) in um, for images that do not state it")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=INDEX or NAME=CHANNEL in a file, or NAME=ENDING[,ENDING] of file names that belong together"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the results of images")] = None,
    old: Annotated[
        str | None, typer.Option(help="channel of the old receptors: INDEX, CHANNEL or ENDING as above; with --new")
    ] = None,
    new: Annotated[str | None, typer.Option(help="channel of the new receptors")] = None,
    traces: Annotated[
        list[Path] | None,
        typer.Option(
            help="SWC files of dendrites, one per neuron, or a folder: x, y, z, radius in um from the first voxel's centre"
        ),
    ] = None,
    min_parent_prob: Annotated[
        float | None, typer.Option(help="a synapse whose likeliest parent is less probable has none  \\[0.5]")
    ] = None,
    psf: Annotated[
        str | None,
        typer.Option(
            help="PSF: stated, puncta (what bright synapses show), or Z,Y,X (sd in um) of images with --old, --new"
        ),
    ] = None,
    camera: Annotated[
        Path | None, typer.Option(help="file of 'synimg camera', for images: adds electrons with errors")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(help="TOML file: dyes, tag, PSF, camera of images with --old, --new")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="least contrast of a punctum in an image, 0 to 1")] = None,
    punctum_sigma_um: Annotated[
        float | None, typer.Option(help="sd of a typical punctum in an image, 0.42 of its full width at half height")
    ] = None,
    max_distance_um: Annotated[float | None, typer.Option(help="farthest that a pair lies apart, for images")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the chance pairing, for images")] = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Find and count the synapses of a data set, or of images from any lab: old and new receptors, or puncta and pairs.

    Examples:

    - `synimg measure mouse01`

    - `synimg measure mouse.ome.tif --old 0 --new 1 --camera camera.toml --psf puncta --traces swc --out measured`

    - `synimg measure a_pre.tif a_post.tif --voxel-um 0.1,0.1 --channel pre=pre --channel post=post --out puncta`
    """
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of, is_cohort

    foreign = {
        "--voxel-um": voxel_um,
        "--channel": channel,
        "--old": old,
        "--new": new,
        "--camera": camera,
        "--recording": recording,
        "--threshold": threshold,
        "--punctum-sigma-um": punctum_sigma_um,
        "--max-distance-um": max_distance_um,
    }
    if len(source) == 1 and ((source[0] / "dataset.json").is_file() or is_cohort(source[0])):
        given = [name for name, value in foreign.items() if value is not None]
        if given:
            raise SynimgError(f"{source[0]}: a data set knows its {given[0]}; leave it out")
        from synimg.analysis.block import MeasureSettings
        from synimg.analysis.measure import measure as run_measure

        asked = {"psf": psf, "least_parent_prob": min_parent_prob}
        settings = MeasureSettings.parse({k: v for k, v in asked.items() if v is not None}, "measure")
        incomplete = False
        paths, tracing = datasets_of(source[0]), _tracing(traces, min_parent_prob if traces else None)
        if tracing.traces and len(paths) > 1:
            raise SynimgError(f"{source[0]}: a cohort; dendrites are traced in one animal: give its folder")
        for path in paths:
            with bars() as report:
                where = _workers(workers, scheduler), scheduler
                table = run_measure(path, run, settings, *where, report, tracing if tracing.traces else None)
            quality = _say_quality(path / "analysis" / run)
            said, after = f"{path / 'analysis' / run}: {len(table)} synapses measured", f"synimg separate {source[0]}"
            if quality.missing.places:
                incomplete = True
                said += f", INCOMPLETE: {quality.missing.share:.0%} of the image could not be"
                after = f"synimg repair {path}, then measure again"
            elif quality.n_synapses and quality.share_unassigned is None:
                after = f"synimg measure {path} --traces FOLDER, for causes are told apart by parent"
            _say(f"{said}; next: {after}")
        if incomplete:
            raise typer.Exit(3)
        return
    if len(source) == 1 and source[0].is_dir() and not source[0].name.endswith(".zarr"):
        raise SynimgError(f"{source[0]}: not a data set (dataset.json is missing); give a data set or image files")
    for image in source:
        if not image.exists():
            raise SynimgError(f"{image}: no such file")
    if out is None:
        raise SynimgError("--out is missing: give a folder for the results")
    voxel = None if voxel_um is None else _numbers("--voxel-um", voxel_um)
    if old is None and new is None:
        of_counts = {"--psf": psf, "--recording": recording}
        if given := [name for name, value in of_counts.items() if value is not None]:
            raise SynimgError(
                f"{given[0]} is for counts of receptors: name the channels of old and new ones, --old 0 --new 1"
            )
        found = {"threshold": threshold, "punctum_sigma_um": punctum_sigma_um, "max_distance_um": max_distance_um}
        _measure_images(source, voxel, channel or [], out, camera, found, seed, _tracing(traces, min_parent_prob))
        return
    of_puncta = {"--channel": channel} | {
        name: foreign[name] for name in ("--threshold", "--punctum-sigma-um", "--max-distance-um")
    }
    if given := [name for name, value in of_puncta.items() if value is not None]:
        raise SynimgError(
            f"{given[0]} is for puncta and pairs; with --old and --new receptors are counted: leave it out"
        )
    if old is None or new is None:
        raise SynimgError(
            f"--{'old' if old is None else 'new'} is missing: both the old and the new receptors have a channel"
        )
    where = (_workers(workers, scheduler), scheduler)
    lab = _lab(recording, camera, psf, _tracing(traces, min_parent_prob))
    _measure_recordings(source, {"old": old, "new": new}, lab, out, voxel, where)


def _tracing(places: list[Path] | None, least_prob: float | None) -> Any:
    """Traced dendrites, and how parents are read from them."""
    from synimg.analysis.traces import TraceSettings, Tracing
    from synimg.store.morphology import read_traces

    if least_prob is not None and not places:
        raise SynimgError("--min-parent-prob is for parents from traces: give --traces too")
    values = {} if least_prob is None else {"least_parent_prob": least_prob}
    return Tracing(read_traces(places or []), TraceSettings.parse(values, "measure"))


def _lab(recording: Path | None, camera: Path | None, psf: str | None, tracing: Any) -> Any:
    """How a lab's recordings are to be measured."""
    from synimg.analysis.block import MeasureSettings
    from synimg.analysis.lab import Lab
    from synimg.analysis.lab_recording import LabRecording, read_recording
    from synimg.config import read_camera

    known = LabRecording() if recording is None else read_recording(recording)
    sigma_um: Any = None
    if psf is not None and psf not in {"stated", "puncta"}:
        try:
            sigma_um = _numbers("--psf", psf)
        except SynimgError:
            sigma_um = ()
        if len(sigma_um) != 3:
            raise SynimgError(
                f"--psf = {psf}: it takes stated, puncta, or the sd along Z,Y,X in um, such as 0.27,0.1,0.1"
            )
    settings = MeasureSettings.parse({"psf": "puncta"} if psf == "puncta" else {}, "measure")
    return Lab(known.with_(None if camera is None else read_camera(camera), sigma_um), settings, tracing)


def _measure_recordings(
    images: list[Path],
    channels: dict[str, str],
    lab: Any,
    out: Path,
    voxel: tuple[float, ...] | None,
    where: tuple[int | None, str | None],
) -> None:
    from synimg.analysis.lab import measure_recordings
    from synimg.progress import bars
    from synimg.viewers.figures.recording import save_recording

    with bars() as report:
        found = measure_recordings(images, channels, lab, out, voxel, where, report, save_recording)
    incomplete = False
    for one in found:
        quality = _say_quality(one.folder)
        for sentence in one.notes:
            _say(f"note: {sentence}")
        incomplete |= bool(quality.missing.places)
        said = f"{one.folder}: {one.n_synapses} synapses measured{', INCOMPLETE' if quality.missing.places else ''}"
        if one.n_synapses:
            target = out.with_name(out.name + "-separated")
            target = target / one.name if len(found) > 1 else target
            said += f"; next: synimg separate {one.folder / 'synapses.parquet'} --out {target}"
        _say(said)
    if incomplete:
        raise typer.Exit(3)


def _say_quality(folder: Path) -> Any:
    """Say the quality report of a measurement, warnings first."""
    from synimg.analysis.quality import read_quality

    quality = read_quality(folder)
    for sentence in quality.warnings():
        _say(f"warning: {sentence}")
    for name, value in quality.headlines().items():
        _say(f"  {name:<30} {value}")
    return quality


def _measure_images(
    images: list[Path],
    voxel: tuple[float, ...] | None,
    channel: list[str],
    out: Path,
    camera: Path | None,
    values: dict[str, Any],
    seed: int,
    tracing: Any,
) -> None:
    from synimg.analysis.foreign import ForeignSettings, measure_foreign
    from synimg.config import read_camera
    from synimg.progress import bars
    from synimg.viewers.figures.overlay import save_overlay

    settings = ForeignSettings.parse({k: v for k, v in values.items() if v is not None}, "measure")
    known = None if camera is None else read_camera(camera)
    with bars() as report:
        summary = measure_foreign(images, voxel, out, channel, settings, seed, report, save_overlay, known, tracing)
    for sentence in summary.warnings:
        _say(f"note: {sentence}")
    _say(f"{out}: {summary.text}")
    if summary.is_incomplete:
        raise typer.Exit(3)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """The lengths in `text`, the value of an option.

    Raises
    ------
    SynimgError
        If it is not two or three positive numbers.
    """
    try:
        sizes = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise SynimgError(f"{option} = {text}: it takes numbers in um, such as 0.2,0.07,0.07") from None
    if len(sizes) not in {2, 3} or not all(0 < size < 100 for size in sizes):
        raise SynimgError(f"{option} = {text}: it takes Z,Y,X (2-D: Y,X), each in um, above 0 and below 100")
    return sizes


@app.command()
def stitch(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="MEASURED...", help="folders that 'synimg measure --old --new' has written")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder to write to; new or empty, or of an earlier call")],
    positions: Annotated[
        Path | None,
        typer.Option(help="table with tile, z_um, y_um, x_um of the first voxels, if the images do not state them"),
    ] = None,
    max_shift_um: Annotated[float | None, typer.Option(help="farthest that a tile lies from its place  \\[2]")] = None,
    traces: Annotated[
        list[Path] | None, typer.Option(help="SWC files or a folder, as for measure, in the frame of the first tile")
    ] = None,
    min_parent_prob: Annotated[float | None, typer.Option(help="as for measure")] = None,
) -> None:
    """Put together measured tiles or sections that overlap: each synapse once, and how well what was seen twice agrees.

    Example: `synimg stitch measured --positions stage.csv --out whole`
    """
    from synimg.analysis.stitch import StitchSettings
    from synimg.analysis.stitch_folders import stitch as run
    from synimg.viewers.figures.stitched import save_stitched

    values = {} if max_shift_um is None else {"max_shift_um": max_shift_um}
    settings = StitchSettings.parse(values, "stitch")
    found = run(recordings, out, positions, settings, _tracing(traces, min_parent_prob), save_stitched)
    for sentence in found.warnings:
        _say(f"note: {sentence}")
    if len(found.overlaps):
        _print_overlaps(found.overlaps)
    n = int(found.tiles["n_synapses"].sum())
    _say(
        f"{out}: {len(found.synapses)} synapses of {n} finds in {len(found.tiles)} tiles; next: synimg separate "
        f"{out / 'synapses.parquet'} --out {out.with_name(out.name + '-separated')}"
    )


def _print_overlaps(overlaps: Any) -> None:
    """What two tiles have in common, a line for each pair."""
    from rich.console import Console
    from rich.table import Table

    columns = ("tiles", "found in both", "by chance", "shift z, y, x [µm]", "counts over errors")
    table = Table(*columns, box=None, pad_edge=False)
    for row in overlaps.to_dict("records"):
        shift = " ".join(f"{row[f'shift_{axis}']:+.2f}" for axis in ("z_um", "y_um", "x_um"))
        again = "-" if row["found_again"] is None else f"{row['found_again']:.0%}"
        scatter = ", ".join(f"{row[f'{name}_scatter']:.2f} {name}" for name in ("old", "new"))
        chance = f"{row['n_both_by_chance'] / max(row['n_both'], 1):.0%}"
        table.add_row(f"{row['tile']}, {row['other']}", f"{row['n_both']}, {again}", chance, shift, scatter)
    Console().print(table)


@app.command()
def camera(
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="TIFF or OME-Zarr, if there are no flat frames")
    ] = None,
    dark: Annotated[list[str] | None, typer.Option(help="frames without light: FILE[,FILE...]")] = None,
    flat: Annotated[
        list[str] | None, typer.Option(help="two frames or more of one even light: FILE[,FILE...]; once per level")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="channel of files with several, from 0")] = 0,
    out: Annotated[Path | None, typer.Option(help="CAMERA.toml to write, with a picture beside it")] = None,
    as_json: Json = False,
) -> None:
    """Find a camera's offset, gain and read noise, with errors: from dark and flat frames, or from an image itself.

    Examples: `synimg camera --dark dark.tif --flat dim1.tif,dim2.tif --flat bright.tif --out camera.toml`,
    `synimg camera image.tif --out camera.toml`, then `synimg new mouse.toml --camera camera.toml`
    """
    from synimg.analysis.camera_files import find_camera, refuse_ending, save_camera
    from synimg.progress import bars
    from synimg.viewers.figures.camera import save_camera_figure

    if out is not None:
        refuse_ending(out, "a camera")
    with bars() as report:
        found = find_camera(
            _files(",".join(dark or [])), [_files(level) for level in flat or []], image, channel, report
        )
    if as_json:
        typer.echo(json.dumps(found.facts(), indent=1))
    else:
        typer.echo("\n".join(found.lines()))
    for note in found.notes:
        _say(f"note: {note}")
    written = [] if out is None else save_camera(found, out, save_camera_figure)
    if written:
        _say(f"{', '.join(map(str, written))}: written")
    if found.image is not None and found.image.doubts:
        raise SynimgError(
            f"{image}: the camera is unknown: {'; '.join(found.image.doubts)}. Take dark and flat frames, or measure shapes only"
        )


@app.command()
def dyes(
    movie: Annotated[list[Path], typer.Argument(metavar="MOVIE...", help="TIFF or OME-Zarr, a field each")],
    camera: Annotated[Path, typer.Option(help="file of 'synimg camera', of this camera as it was set")],
    psf: Annotated[str, typer.Option(help="sd Z,Y,X of the point spread function in um, as beads show it")],
    voxel_um: Annotated[str, typer.Option(help="Z,Y,X: Y,X of these pixels, Z the step of the stacks to be measured")],
    standard: Annotated[
        float | None, typer.Option(min=1, help="dyes in each spot, where that is known; they need not bleach")
    ] = None,
    labelled: Annotated[float, typer.Option(help="share of a standard's places that has a dye")] = 1.0,
    exposure: Annotated[float, typer.Option(help="light of a frame over that of a plane of those stacks")] = 1.0,
    of: Annotated[str | None, typer.Option(help="old or new: whose dye it is; that of both if not given")] = None,
    channel: Annotated[int, typer.Option(min=0, help="channel of files with several, from 0")] = 0,
    out: Annotated[Path | None, typer.Option(help="DYES.toml to write, with a picture beside it")] = None,
    as_json: Json = False,
) -> None:
    """Find the photons of one dye, with errors: from single dyes that bleach on a cover slip, or from a known standard.

    Examples: `synimg dyes f1.tif f2.tif --camera camera.toml --psf 0.27,0.1,0.1 --voxel-um 0.2,0.07,0.07 --out dyes.toml`,
    `synimg dyes origami.tif --standard 20 --labelled 0.85 ... --out dyes.toml`, then
    `synimg measure ... --recording dyes.toml`
    """
    from synimg.analysis.camera_files import refuse_ending
    from synimg.analysis.dye_files import DyeSettings, find_dyes, save_dyes
    from synimg.config import read_camera
    from synimg.progress import bars
    from synimg.viewers.figures.dyes import save_dyes_figure

    if out is not None:
        refuse_ending(out, "dyes")
    sizes: list[Any] = [_numbers("--psf", psf), _numbers("--voxel-um", voxel_um)]
    for option, size in zip(("--psf", "--voxel-um"), sizes, strict=True):
        if len(size) != 3:
            raise SynimgError(f"{option}: it takes three numbers, Z,Y,X, in um")
    for option, value, top in (("--labelled", labelled, 1.0), ("--exposure", exposure, 1e6)):
        if not 0 < value <= top:
            raise SynimgError(f"{option} = {value:g}: it takes a number above 0" + (" and up to 1" if top == 1 else ""))
    if labelled != 1 and standard is None:
        raise SynimgError("--labelled is for a standard: give --standard too")
    if of not in {None, "old", "new"}:
        raise SynimgError(f"--of {of}: it takes old or new")
    settings = DyeSettings(sizes[0], sizes[1], exposure, standard, labelled)
    with bars() as report:
        found = find_dyes(movie, read_camera(camera), settings, channel, report)
    typer.echo(json.dumps(found.facts(), indent=1) if as_json else "\n".join(found.lines()))
    for note in found.notes:
        _say(f"note: {note}")
    if out is not None:
        written = save_dyes(found, out, of, save_dyes_figure)
        _say(f"{', '.join(map(str, written))}: written; next: synimg measure ... --recording {out}")


def _files(text: str) -> list[Path]:
    return [Path(part.strip()) for part in text.split(",") if part.strip()]


@app.command()
def separate(
    source: Annotated[Path, typer.Argument(metavar="TABLE|DATASET", help="synapse table (.parquet, .csv) or data set")],
    out: Annotated[Path | None, typer.Option(help="folder for the results of a table")] = None,
    run: Run = "default",
    method: Annotated[
        str, typer.Option(help="a name of 'synimg methods', an installed method's, or FILE.py:FUNCTION")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="of the method's random draws")] = 0,
    by: Annotated[str | None, typer.Option(help="column whose groups, or gradient, to compare")] = None,
    draws: Annotated[int, typer.Option(min=0, help="draws from the posterior, in draws.parquet")] = 0,
    predicted: Annotated[
        Path | None, typer.Option(help="predictions of 'synimg resimulate', or synapse_id and predicted_ln of yours")
    ] = None,
    inhibition: Annotated[
        Path | None, typer.Option(help="synapse table of the inhibitory synapses on the same neurons")
    ] = None,
) -> None:
    """Say for every synapse how much of its change was learning, homeostasis and drift.

    Examples: `synimg separate table.csv --out result --method hierarchical`,
    `synimg separate table.csv --out result --by pathway`, `synimg separate table.csv --out result --draws 100`
    """
    from synimg.analysis.separation import separate_dataset, separate_table
    from synimg.store.cohort import datasets_of, is_cohort

    if source.is_dir():
        if out is not None:
            raise SynimgError("--out is for tables; the results of a data set go into its analysis folder")
        if predicted is not None and is_cohort(source):
            raise SynimgError(f"{source}: a cohort; predictions are of one of its animals: give its folder")
        for path in datasets_of(source):
            _say_separation(*separate_dataset(path, run, method, seed, by, draws, predicted, inhibition))
        return
    if out is None:
        raise SynimgError("--out is missing: give a folder for the results")
    from synimg.progress import bars

    with bars() as report:
        result, folder = separate_table(source, out, method, seed, by, draws, report, predicted, inhibition)
    _say_separation(result, folder)


def _say_separation(result: Any, folder: Path) -> None:
    from synimg.analysis.diagnosis import diagnosis_lines
    from synimg.analysis.pieces import Whole

    for line in diagnosis_lines(result.info["diagnosis"]["table"]):
        _say(f"diagnosis: {line}")
    for warning in result.info["warnings"]:
        _say(f"note: {warning}")
    if isinstance(result, Whole):
        what = f"{result.n_synapses} synapses by '{result.info['method']}', {result.n_called} with p(learning) of 0.8 or more"
        _say(f"{folder}: {what}")
        return
    if result.groups is not None:
        from synimg.analysis.groups.text import groups_text

        typer.echo(groups_text(result))
        for note in result.info["by"]["notes"]:
            _say(f"note: {note}")
    called = int((result.synapses["lfdr"] <= 0.2).sum()) if result.synapses["lfdr"].notna().any() else 0
    _say(
        f"{folder}: {len(result.synapses)} synapses by '{result.info['method']}', {called} with p(learning) of 0.8 or more"
    )


@app.command()
def resimulate(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", help="table to write (.parquet, .csv)")],
    rule: Annotated[
        str | None, typer.Option(help="a learning rule with its default settings, in the place of the data set's")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="runs to average, with other trials and noise")] = 4,
    seed: Annotated[int | None, typer.Option(min=0, help="of the runs; that of the data set if not given")] = None,
    workers: Workers = None,
) -> None:
    """Predict what each synapse learns: run the rule again from the network at the start.

    Example: `synimg resimulate mouse01 --out predicted.parquet`, then `synimg separate mouse01 --predicted predicted.parquet`
    """
    from synimg.phantoms.resimulate import resimulate as run
    from synimg.progress import bars

    try:
        with bars() as report:
            found = run(dataset, out, rule, runs, seed, _workers(workers, None), report)
    except KeyboardInterrupt:
        _fail(f"synimg: stopped; {out} was not written", 130)
    _say(f"{out}: {len(found)} synapses, {runs} runs; next: synimg separate {dataset} --predicted {out}")


@app.command()
def methods(as_json: Json = False) -> None:
    """List the separation methods: what each does, needs and assumes.

    Example: `synimg methods`
    """
    from dataclasses import asdict
    from textwrap import fill

    from synimg.analysis.separation import methods as known

    if as_json:
        typer.echo(json.dumps({name: asdict(needs) for name, needs in known().items()}, indent=1))
        return
    for name, needs in known().items():
        typer.echo(fill(f"{name}: {needs.what}", 80))
        for what, text in (("needs", needs.text()), *(("assumes", text) for text in needs.assumes)):
            typer.echo(fill(f"{what} {text}", 80, initial_indent="    ", subsequent_indent=" " * 12))


@app.command()
def validate(
    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="data set with measurement and separation")
    ] = None,
    run: Run = "default",
    result: Annotated[Path | None, typer.Option(help="folder of a separation that lies elsewhere")] = None,
    truth: Annotated[Path | None, typer.Option(help="folder of the truth that belongs to it")] = None,
    as_json: Json = False,
) -> None:
    """Score measurement and separation against the network that was really there.

    Example: `synimg validate mouse01`
    """
    from synimg.analysis.validate import validate as run_validate
    from synimg.analysis.validate import validate_elsewhere
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of, is_cohort

    if dataset is None:
        if result is None or truth is None:
            raise SynimgError("give a data set, or both --result and --truth")
        scores = validate_elsewhere(result, truth)
        if as_json:
            typer.echo(json.dumps(scores, indent=1))
        else:
            _print_scores(scores)
        _say(f"{result}: scores.json written")
        return
    found = {}
    for path in datasets_of(dataset):
        with bars() as report:
            found[path.name] = scores = run_validate(path, run, report)
        if not as_json:
            _print_scores(scores)
        _say(f"{path / 'analysis' / run}: scores.json written; next: synimg report {path}")
    if as_json:
        typer.echo(json.dumps(found if is_cohort(dataset) else scores, indent=1))


def _print_scores(scores: dict[str, Any]) -> None:
    """A table of the scores that a reader wants first."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in scores["headlines"].items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(style="cyan", min_width=44)
        table.add_column(justify="right")
        for name, value in rows.items():
            table.add_row(name, str(value))
        console.print(table)
        console.print()


@app.command()
def benchmark(
    out: Out,
    method: Annotated[
        list[str] | None,
        typer.Option(help="FILE.py:FUNCTION enters yours beside the built-in ones; a name runs that one alone"),
    ] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="a scenario's name; all if not given")] = None,
    seeds: Annotated[int, typer.Option(help="tables per scenario")] = 3,
    limit_s: Annotated[float, typer.Option(help="time limit of a method on a table")] = 300.0,
    imaged: Annotated[
        bool, typer.Option("--imaged", help="also tables measured on images, of five scenarios; minutes each, once")
    ] = False,
    workers: Workers = None,
) -> None:
    """Run separation methods on the challenge suite; write the leaderboard. The same call again goes on.

    Examples: `synimg benchmark --out board --method my_method.py:separate`,
    `synimg benchmark --out board --imaged --scenario half_learned`
    """
    from synimg.progress import bars
    from synimg.viewers.benchmark import benchmark as run

    with bars() as report:
        board = run(out, method or [], scenario or [], seeds, _workers(workers, None), limit_s, report, imaged)
    _print_leaderboard(board)
    _say(f"{out / 'leaderboard.html'}: {board['scenario'].nunique()} scenarios; open it in a browser")


def _print_leaderboard(board: Any) -> None:
    """A row per method, in 80 columns, and who failed where."""
    from rich.console import Console
    from rich.table import Table

    from synimg.analysis.validate.benchmark.leaderboard import other_tables, summary

    console = Console(width=80)
    table = Table(box=None, pad_edge=False, header_style="cyan")
    table.add_column("method", overflow="fold", max_width=26)
    for title in ("AP / ceiling", "FDR .05 high", "factor holds", "s", "failed"):
        table.add_column(title, justify="right", max_width=7)
    table.add_column("least AP / ceiling", overflow="fold")
    for _, row in summary(board).iterrows():
        share, cover, seconds, least = (
            "-" if row[name] != row[name] else format(row[name], form)
            for name, form in (("ap_share", ".3f"), ("factor_cover", ".2f"), ("seconds", ".1f"), ("least_share", ".2f"))
        )
        failed = f"{row['n_failed']}/{row['n_tables']}"
        table.add_row(
            row["method"], share, str(row["fdr_05_broken"]), cover, seconds, failed, f"{least} {row['least_at']}"
        )
    console.print(table)
    for _, row in board[board["above_ceiling"].fillna(False)].iterrows():
        _say(f"note: {row['method']} on {row['scenario']}: above the ceiling, so it knows the truth")
    if warning := other_tables(board):
        _say(f"note: {warning}")


@app.command()
def view(
    dataset: DatasetPath,
    run: Run = "default",
    screenshot: Annotated[Path | None, typer.Option(help="save a picture of the window as PNG and leave")] = None,
    growth: Annotated[bool, typer.Option("--growth", help="play back how the map grew over the window")] = False,
    film: Annotated[
        Path | None, typer.Option(help="save growth and a turn as .gif, or a strip (.png); no window")
    ] = None,
) -> None:
    """Open a data set in napari, or play back how its synapse map grew.

    Examples: `synimg view mouse01`, `synimg view mouse01 --growth`, `synimg view mouse01 --film growth.gif`
    """
    if film is not None:
        from synimg.viewers.growth import film as save_film

        if screenshot is not None:
            raise SynimgError("--film and --screenshot exclude each other: a film opens no window")
        save_film(dataset, film)
        _say(f"{film}: film of {dataset}")
        return
    from synimg.viewers.view import view as run_view

    run_view(dataset, run, screenshot, growth)
    if screenshot is not None:
        _say(f"{screenshot}: picture of {dataset}")


@app.command()
def figure(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a figure; without it all are listed")] = None,
    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="a data set, or the folder of a measured recording")
    ] = None,
    run: Run = "default",
    out: Annotated[Path | None, typer.Option(help="file: .png, .pdf or .svg; NAME.png if not given")] = None,
) -> None:
    """Draw one figure of a data set, or of a lab's measured recording; without arguments, list them all.

    Examples: `synimg figure`, `synimg figure factor mouse01 --out factor.pdf`, `synimg figure tile measured/mouse.ome`
    """
    from textwrap import fill

    from synimg.viewers.gallery import FIGURES, save

    if name is None:
        for known, entry in FIGURES.items():
            of_labs = " (of recordings, too)" if entry.of_labs else ""
            typer.echo(fill(f"{known}: {entry.what}{of_labs}", 80, subsequent_indent="    "))
        return
    if dataset is None:
        raise SynimgError(f"figure {name} of what? give a data set: synimg figure {name} mouse01 --out {name}.png")
    path = save(name, dataset, out or Path(f"{name}.png"), run)
    _say(f"{path}: {name} of {dataset}")


@app.command()
def report(
    dataset: DatasetPath,
    run: Run = "default",
    out: Annotated[Path | None, typer.Option(help="HTML file; analysis/RUN/report.html if not given")] = None,
) -> None:
    """Write one self-contained HTML page that tells what was simulated and how well it was read.

    A cohort's folder gives a page that compares its animals.

    Example: `synimg report mouse01 --out mouse01.html`
    """
    from synimg.viewers.report import report as run_report

    path = run_report(dataset, run, out)
    _say(f"{path}: report of {dataset}; open it in a browser")


@app.command()
def info(dataset: DatasetPath, as_json: Json = False) -> None:
    """Say what a data set is and which stages are done.

    Example: `synimg info mouse01`
    """
    from synimg.store.cohort import Cohort, is_cohort
    from synimg.store.dataset import Dataset

    if is_cohort(dataset):
        animals = Cohort.open(dataset).animals
        rows = [
            {
                "animal_id": a.config.animal_id,
                "group": a.config.group,
                "stages": list(a.index["stages"]),
                "learning": _criterion(a),
                "incomplete": list(_incomplete(a)),
            }
            for a in animals
        ]
        lines = [
            f"{row['animal_id']}  {row['group']:<9} {', '.join(row['stages'])}  {row['learning']}".rstrip()
            for row in rows
        ]
        lines += [
            f"note: {row['animal_id']}: run '{run}' was measured without damaged chunks"
            for row in rows
            for run in row["incomplete"]
        ]
        lines += [f"note: {warning}" for warning in Cohort.open(dataset).index["warnings"]]
        typer.echo(json.dumps({"path": str(dataset), "animals": rows}, indent=1) if as_json else "\n".join(lines))
        return
    found = Dataset.open(dataset)
    config = found.config
    size = sum(p.stat().st_size for p in found.path.rglob("*") if p.is_file())
    facts = {
        "path": str(found.path),
        "animal_id": config.animal_id,
        "group": config.group,
        "seed": config.seed,
        "shape_vox": list(config.volume.shape_vox),
        "voxel_um": list(config.volume.voxel_um),
        "n_units": config.network.n_units,
        "n_imaged_neurons": config.tissue.n_imaged_neurons,
        "rule": config.rule.kind,
        "homeostasis": config.homeostasis.kind,
        "drift": config.drift.kind,
        "tag": config.tag.kind,
        "stages": list(found.index["stages"]),
        "learning": _criterion(found),
        "incomplete": {
            run: f"{n} damaged chunk{'s' if n > 1 else ''} left out; next: synimg repair, then measure again"
            for run, n in _incomplete(found).items()
        },
        "saturated_share": found.index["stages"].get("image", {"notes": {}})["notes"].get("saturated_share", {}),
        "bytes": size,
        "software": found.index["software"],
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if name == "incomplete" and not value:
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            text = ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in value.items())
        typer.echo(f"{name:<{width}}  {text}")


def _incomplete(dataset: Any) -> dict[str, int]:
    """How many damaged chunks of the image were left out, by the run that was measured so."""
    return {
        stage.removesuffix("/measure"): len(damaged)
        for stage, entry in dataset.index["stages"].items()
        if stage.endswith("/measure") and (damaged := entry["notes"].get("damaged"))
    }


@app.command()
def verify(dataset: DatasetPath, as_json: Json = False) -> None:
    """Prove every byte of a data set against its checksums. Exit code 3 if something differs.

    Example: `synimg verify mouse01`
    """
    from synimg.store.cohort import datasets_of
    from synimg.store.dataset import Dataset

    problems, n_files = [], 0
    for path in datasets_of(dataset):
        found = Dataset.open(path)
        prefix = "" if path == dataset else f"{path.name}/"
        problems += [prefix + problem for problem in found.verify()]
        n_files += sum(len(stage["files"]) for stage in found.index["stages"].values())
    if as_json:
        typer.echo(json.dumps({"n_files": n_files, "problems": problems}, indent=1))
    else:
        for problem in problems:
            typer.echo(problem)
    _say(f"{dataset}: {n_files} files, {len(problems)} of them differ")
    if problems:
        raise typer.Exit(3)


@app.command()
def repair(
    dataset: DatasetPath,
    workers: Annotated[int | None, typer.Option(help="processes; one if not given", show_default=False)] = None,
    scheduler: Scheduler = None,
) -> None:
    """Make missing and altered files of a data set again, chunk by chunk, with the bytes that they had.

    Example: `synimg repair mouse01`
    """
    from synimg.phantoms.repair import repair as run
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of
    from synimg.store.dataset import Dataset

    n = 0
    left: list[str] = []
    for path in datasets_of(dataset):
        with bars() as report:
            repaired, other = run(path, workers, scheduler, report)
        for name in repaired:
            typer.echo(f"{path / name}: repaired")
        n, left = n + len(repaired), left + [f"{path / sentence}" for sentence in other]
        for name in _incomplete(Dataset.open(path)) if repaired else ():
            _say(f"note: run '{name}' was measured without them; next: synimg measure {path} --run {name}")
    for sentence in left:
        typer.echo(sentence)
    _say(f"{dataset}: {n} files repaired, {len(left)} left")
    if left:
        raise typer.Exit(3)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder of the demonstration")] = Path("synimg-demo"),
    workers: Workers = None,
    seed: Annotated[int, typer.Option(min=0, help="seed")] = 1,
) -> None:
    """Run the whole chain once: generate, measure, separate, validate, report.

    Example: `synimg demo --out synimg-demo`
    """
    from synimg.analysis.measure import measure as run_measure
    from synimg.analysis.separation import separate_dataset
    from synimg.analysis.validate import validate as run_validate
    from synimg.phantoms.generate import generate as run_generate
    from synimg.progress import bars
    from synimg.viewers.report import report as run_report

    workers = _workers(workers, None)
    with bars() as progress:
        run_generate("demo", out, seed, workers, None, progress)
        run_measure(out, "default", None, workers, None, progress)
        separate_dataset(out, "default", "auto", seed)
        scores = run_validate(out, "default", progress)
        page = run_report(out, "default", None)
    _print_scores(scores)
    _say(f"{page}: open it in a browser; 'synimg view {out}' opens the synapse map in napari")


def _join_voxel_size(arguments: list[str]) -> list[str]:
    """Arguments with the numbers after --voxel-um joined by commas: both Z,Y,X and Z Y X are understood."""
    if "--voxel-um" not in arguments:
        return arguments
    first = last = arguments.index("--voxel-um") + 1
    while last < len(arguments) and last < first + 3 and arguments[last].replace(".", "", 1).isdigit():
        last += 1
    if last - first < 2:
        return arguments
    return [*arguments[:first], ",".join(arguments[first:last]), *arguments[last:]]


@contextlib.contextmanager
def _here(arguments: list[str]) -> Iterator[list[str]]:
    """The arguments with the local mirror of a data set in the place of each fsspec address; changes go back at the end."""
    if not any("://" in argument for argument in arguments):
        yield arguments
        return
    from synimg.store.remote import is_address, mirrored

    as_it_is = arguments[:1] in (["verify"], ["repair"])
    with contextlib.ExitStack() as stack:
        local = []
        for before, argument in zip(["", *arguments], arguments, strict=False):
            option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
            if is_address(value) and "--scheduler" not in (before, option):
                folder = str(stack.enter_context(mirrored(value, is_checked=not as_it_is)))
                _address_of[folder] = value
                argument = f"{option}{equals}{folder}"
            local.append(argument)
        yield local


def _fail(text: str, code: int) -> NoReturn:
    _say(text)
    sys.stdout.flush()
    sys.exit(code)


def main() -> None:
    """Entry point: exit code 0 fine, 1 our fault, 2 the user's mistake, 3 damage is left, 130 Ctrl-C."""
    # an interrupted cluster has nothing to say that the sentence below does not
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with _here(_join_voxel_size(sys.argv[1:])) as arguments:
            code = app(args=arguments, standalone_mode=False)
        if code == 130:
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else "synimg"
        if type(error).__name__ == "NoArgsIsHelpError":
            _fail(error.format_message(), 0)
        _fail(f"{where}: {error.format_message()} ('{where} --help' has an example)", 2)
    except SynimgError as error:
        _fail(f"synimg: {error}", 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("synimg: stopped; what was finished is kept, the same command goes on from there", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail(f"synimg: the disk is full ({error.filename}); free some space and run the same command again", 2)
        traceback.print_exc()
        _fail("synimg: this is our fault; please report the lines above", 1)
    except Exception:  # the last net: the user gets the trace and a sentence
        traceback.print_exc()
        _fail("synimg: this is our fault; please report the lines above", 1)
