"""The command `synimg plan`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import Json, Workers
from synimg.cli.say import say


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
        say(f"note: {note}")


def _duration(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds > 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"
