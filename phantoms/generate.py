"""The forward chain: network, receptors, tissue, image. Each stage is saved whole, a second call goes on where it ended."""

from pathlib import Path
from typing import Any

from synimg import compute
from synimg.config import Config, load
from synimg.errors import SynimgError, UnworkableError
from synimg.phantoms.cohort import animals_of, missing_controls
from synimg.phantoms.plan import check_disk, check_tissue
from synimg.phantoms.render import imaging_notes
from synimg.phantoms.stages.image import make_image
from synimg.phantoms.stages.network import make_network
from synimg.phantoms.stages.tissue import make_tissue
from synimg.phantoms.tissue import tree_of
from synimg.store.cohort import INDEX as COHORT_INDEX
from synimg.store.cohort import Cohort
from synimg.store.dataset import INDEX, Dataset
from synimg.store.morphology import read_tree_arrays
from synimg.store.remote import is_address, mirrored


def generate(
    config: Config | str | Path,
    out: str | Path,
    seed: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    report: compute.Report = compute.silent,
) -> Dataset | Cohort:
    """Make a data set, or a cohort of them, or complete what an interrupted call has begun.

    Parameters
    ----------
    config : Config, path or str
        A configuration, its TOML file, or the name of a preset.
    out : path
        Folder of the data set; new, empty, or of an interrupted call with the same configuration. Or an fsspec address,
        such as ``s3://bucket/mouse01``: the local mirror is returned (see `synimg.store.remote`).
    seed : int, optional
        Takes the place of the configuration's seed.
    workers : int, optional
        Processes; 1 (this process) by default. The result does not depend on it.
    scheduler : str, optional
        Address of a dask scheduler that runs already, ``tcp://...``.
    report : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Dataset or Cohort
        With the stages network, tissue and image done; a cohort where the section `cohort` asks for animals.

    Raises
    ------
    SynimgError
        For a mistake in the configuration, a folder that holds something else, a disk that is full or too small. A run
        that diverges, and an imported network that cannot be read, leave no folder behind.
    """
    if isinstance(out, str) and is_address(out):
        with mirrored(out) as folder:
            return generate(config, folder, seed, workers, scheduler, report)
    compute.refuse_wrong(workers, scheduler)
    config = load(config)
    if seed is not None:
        config = Config.parse(config.model_dump() | {"seed": seed}, "--seed")
    trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    animals = animals_of(config)
    if not any((Path(out) / index).exists() for index in (INDEX, COHORT_INDEX)):
        n_contacts = 0
        for one in animals or [config]:
            imaging_notes(one)  # what cannot be imaged is refused before anything is made
            n_contacts = max(n_contacts, check_tissue(one, [tree_of(*arrays) for arrays in trees]))
        check_disk(config, Path(out), n_contacts)
    try:
        return _generate(config, Path(out), animals, trees, (workers, scheduler), report)
    except UnworkableError:
        for path in [Path(out), *(Path(out) / animal.animal_id for animal in animals)]:
            if (path / INDEX).is_file():
                Dataset.open(path).discard()
        raise


def _generate(
    config: Config,
    out: Path,
    animals: list[Config],
    trees: list[Any],
    where: tuple[int | None, str | None],
    report: compute.Report,
) -> Dataset | Cohort:
    if not animals:
        with compute.pool(*where, folder=out) as pool:
            return _generate_one(config, out, trees, pool, report)
    cohort = Cohort.create(out, config, animals, missing_controls(config))
    with compute.pool(*where, folder=out) as pool:
        for i, animal in enumerate(animals):
            report("animals", i, len(animals))
            _generate_one(animal, cohort.path / animal.animal_id, trees, pool, report)
    report("animals", len(animals), len(animals))
    return cohort


def _generate_one(config: Config, out: Path, trees: list[Any], pool: compute.Pool, report: compute.Report) -> Dataset:
    dataset = Dataset.create(out, config)
    missing = [stage for stage in ("network", "tissue", "image") if not dataset.is_whole(stage)]
    if "network" in missing:
        make_network(dataset, config, pool, report)
    if "tissue" in missing:
        make_tissue(dataset, config, trees, pool, report)
    if "image" in missing:
        make_image(dataset, config, trees, pool, report)
    return dataset


def remake(dataset: Dataset, stage: str, pool: compute.Pool) -> None:
    """Do the stage `network` or `tissue` again.

    Raises
    ------
    SynimgError
        If other bytes come out than there were; the record of the stage stays as it was.
    """
    config, before = dataset.config, dataset.index["stages"][stage]
    trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    if stage == "tissue":
        make_tissue(dataset, config, trees, pool, compute.silent)
    else:
        make_network(dataset, config, pool, compute.silent)
    changed = [
        name for name, value in dataset.index["stages"][stage]["files"].items() if before["files"].get(name) != value
    ]
    if changed:
        dataset.restore(stage, before)
        raise SynimgError(f"{dataset.path / changed[0]}: comes out with other bytes here; generate the data set anew")
