"""The command `synimg measure`: a data set, puncta in images, or counts of old and new receptors."""

from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.cli.measure_counts import lab_of, measure_counts
from synimg.cli.measure_data_sets import measure_data_sets
from synimg.cli.measure_puncta import measure_puncta
from synimg.cli.options import Run, Scheduler, Workers, n_workers, numbers, tracing_of
from synimg.errors import SynimgError


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
    from synimg.store.cohort import is_cohort

    of_images = {
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
        if given := _first_given(of_images):
            raise SynimgError(f"{source[0]}: a data set knows its {given}; leave it out")
        where = n_workers(workers, scheduler), scheduler
        measure_data_sets(source[0], run, {"psf": psf, "least_parent_prob": min_parent_prob}, traces, where)
        return
    if len(source) == 1 and source[0].is_dir() and not source[0].name.endswith(".zarr"):
        raise SynimgError(f"{source[0]}: not a data set (dataset.json is missing); give a data set or image files")
    for image in source:
        if not image.exists():
            raise SynimgError(f"{image}: no such file")
    if out is None:
        raise SynimgError("--out is missing: give a folder for the results")
    voxel = None if voxel_um is None else numbers("--voxel-um", voxel_um)
    if old is None and new is None:
        if given := _first_given({"--psf": psf, "--recording": recording}):
            raise SynimgError(
                f"{given} is for counts of receptors: name the channels of old and new ones, --old 0 --new 1"
            )
        found = {"threshold": threshold, "punctum_sigma_um": punctum_sigma_um, "max_distance_um": max_distance_um}
        tracing = tracing_of(traces, min_parent_prob)
        measure_puncta(source, voxel, channel or [], out, camera, found, seed, tracing)
        return
    of_puncta = ("--channel", "--threshold", "--punctum-sigma-um", "--max-distance-um")
    if given := _first_given({name: of_images[name] for name in of_puncta}):
        raise SynimgError(f"{given} is for puncta and pairs; with --old and --new receptors are counted: leave it out")
    if old is None or new is None:
        raise SynimgError(
            f"--{'old' if old is None else 'new'} is missing: both the old and the new receptors have a channel"
        )
    lab = lab_of(recording, camera, psf, tracing_of(traces, min_parent_prob))
    measure_counts(source, {"old": old, "new": new}, lab, out, voxel, (n_workers(workers, scheduler), scheduler))


def _first_given(options: dict[str, Any]) -> str | None:
    """The name of the first option that has a value."""
    return next((name for name, value in options.items() if value is not None), None)
