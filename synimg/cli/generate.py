"""The command `synimg generate`."""

from typing import Annotated, Any

import typer

from synimg.cli.options import Out, Scheduler, Workers, n_workers
from synimg.cli.say import say
from synimg.cli.state import criterion


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
        say(f"note: {note}")
    with bars() as report:
        made = run(settings, out, seed, n_workers(workers, scheduler), scheduler, report)
    animals = [made] if isinstance(made, Dataset) else made.animals
    said = [(warning, "") for warning in made.index.get("warnings", [])]
    if not isinstance(made, Dataset):
        said += [(warning, f"{one.path}: ") for one in animals for warning in one.index.get("warnings", [])]
    for warning, where in said:
        if warning not in notes:
            say(f"note: {where}{warning}")
    for dataset in animals:
        _note_criterion(dataset)
    what = f"data set of {made.index['animal_id']}, seed {made.index['seed']}" if isinstance(made, Dataset) else ""
    say(f"{made.path}: {what or f'cohort of {len(animals)} animals'}; next: synimg measure {out}")


def _note_criterion(dataset: Any) -> None:
    """Say so if the network was to learn and did not learn as well as it should."""
    said = criterion(dataset)
    if "not met" in said:
        say(f"note: {dataset.path}: {said}; what there is was kept")
