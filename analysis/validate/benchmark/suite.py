"""Run the suite: every scenario, seed and method is a cell, kept in a file of its own as soon as it is done."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import threadpoolctl

from synimg import compute, family, schema
from synimg.analysis.method_process import Run, run_apart
from synimg.analysis.separation import METHODS
from synimg.analysis.user_method import check_function, installed, is_file_method
from synimg.analysis.validate.benchmark.cell import score_cell
from synimg.analysis.validate.benchmark.imaged import Picture, known_measurement, load, take_picture
from synimg.analysis.validate.benchmark.leaderboard import leaderboard
from synimg.analysis.validate.ceiling import ceiling
from synimg.errors import SynimgError, nearest
from synimg.phantoms.scenarios.draw import Drawn, draw
from synimg.phantoms.scenarios.pinned import is_as_pinned
from synimg.phantoms.scenarios.suite import IMAGED, SUITE, VERSION, scenario
from synimg.store.atomic import read_json, sha256, write_json
from synimg.store.tables import write_table
from synimg.streams import key64

CEILING, AUTO = "ceiling", "auto"
SUITE_CODE = (
    "phantoms/scenarios",
    "phantoms/receptors.py",
    "analysis/validate/amounts.py",
    "analysis/validate/bootstrap.py",
    "analysis/validate/scores.py",
    "analysis/validate/benchmark/cell.py",
    "analysis/validate/benchmark/imaged.py",
)
CEILING_CODE = ("analysis/validate/ceiling.py", "analysis/validate/count_grid.py")
IMAGE_CODE = (
    "phantoms",
    "analysis/*.py",  # all of it but the methods, since whatever measures calls whatever else is there
)
N_SEEDS = 3
LIMIT_S = 300.0


@dataclass(frozen=True)
class Entry:
    """A method of the suite: its name in the leaderboard, how it is called, and what tells that it has changed."""

    name: str
    method: str
    code: str


@dataclass(frozen=True)
class Cell:
    """One piece of work; `image` is the folder of an imaged table."""

    scenario: str
    seed: int
    entry: Entry
    file: Path
    image: Path | None = None

    @property
    def drawn(self) -> Drawn:
        """The table, and its truth."""
        return draw(scenario(self.scenario), self.seed) if self.image is None else load(self.image)


def run_suite(
    out: str | Path,
    methods: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    n_seeds: int = N_SEEDS,
    workers: int | None = None,
    limit_s: float = LIMIT_S,
    report: compute.Report = compute.silent,
    imaged: bool = False,
) -> pd.DataFrame:
    """Run separation methods on the challenge suite; a cell that is finished in `out` is not run again.

    Parameters
    ----------
    out : path
        Folder: new, empty, or of an earlier run of the same suite.
    methods : sequence of str
        ``FILE.py:FUNCTION`` enters a method beside all built-in and installed ones; names run those alone. ``auto`` is
        scored where it is named.
    scenarios : sequence of str
        Names; all if empty.
    n_seeds : int
        Tables per scenario: seeds 1, 2, ...
    workers : int, optional
        Processes.
    limit_s : float
        A method that takes longer on a table has failed there.
    report : callable
        Called with (what, done, total).
    imaged : bool
        Whether the measured versions of the scenarios, those that have one, come along: a minute or two per table for
        the image, once.

    Returns
    -------
    DataFrame
        The leaderboard of all cells in `out`, a row per scenario and method; also ``out/leaderboard.parquet``.

    Raises
    ------
    SynimgError
        For an unknown scenario or method, a folder that holds something else, or cells of another version of the suite.
    """
    out = Path(out)
    chosen = [scenario(name) for name in scenarios] or list(SUITE.values())
    if imaged:
        names = [s.name for s in chosen]
        chosen += [IMAGED[n] for name in names if (n := f"{name}_imaged") in IMAGED and n not in names]
    if n_seeds < 1:
        raise SynimgError(f"--seeds = {n_seeds}; it takes 1 or more")
    if not limit_s > 0:
        raise SynimgError(f"--limit-s = {limit_s:g}; it takes seconds above 0")
    entries = [*_entries(methods), Entry(CEILING, CEILING, _code_of(CEILING_CODE))]
    _prepare(out)
    suite_code = _code_of(SUITE_CODE)
    image_code = _code_of(IMAGE_CODE)
    cells, pictures = [], []
    for s in chosen:
        for seed in range(1, n_seeds + 1):
            folder = out / "images" / s.name / f"seed{seed}" if s.name in IMAGED else None
            if folder is not None:
                pictures.append(Picture(s, seed, folder, image_code))
            for entry in entries:
                code = f"{entry.code} {suite_code}" + (f" {image_code}" if folder else "")
                file = out / "cells" / s.name / f"seed{seed}" / f"{_file_name(entry.name)}.json"
                cells.append(Cell(s.name, seed, Entry(entry.name, entry.method, code), file, folder))
    todo = [cell for cell in cells if not _is_done(cell, limit_s)]
    wanted = {cell.image for cell in todo}
    unmade = [picture for picture in pictures if picture.folder in wanted and not picture.is_done]
    with compute.pool(workers) as pool:
        for _ in pool.run(take_picture, unmade, (), "imaged tables", report) if unmade else ():
            pass
        for _ in pool.run(run_cell, todo, (limit_s,), "methods on tables", report):
            pass
    board = leaderboard(_finished(out))
    write_table(out / "leaderboard.parquet", board)
    return board


def run_cell(cell: Cell, limit_s: float) -> None:
    """Draw the table, run the method, score it, keep the scores."""
    settings = scenario(cell.scenario)
    drawn = cell.drawn
    with threadpoolctl.threadpool_limits(1):
        if cell.entry.name == CEILING:
            known = settings if cell.image is None else known_measurement(settings, drawn)
            run = Run(ceiling(known, drawn, cell.seed), "", None, None)
        else:
            # a seed that does not tell which table it is
            method_seed = key64(cell.seed, "benchmark", cell.scenario, cell.entry.name) % 2**31
            run = run_apart(drawn.table, cell.entry.method, method_seed, limit_s)
        facts: dict[str, Any] = {
            "scenario": cell.scenario,
            "seed": cell.seed,
            "method": cell.entry.name,
            "code": cell.entry.code,
            "checksum": drawn.checksum(),
            "as_pinned": is_as_pinned(cell.scenario, cell.seed, drawn.fingerprint()),
            "limit_s": limit_s,
            "seconds": run.seconds,
            "peak_bytes": run.peak_bytes,
            "failed": run.reason or None,
        }
        if run.result is not None:
            facts |= _scores(run, cell, drawn)
        if cell.entry.name == CEILING:
            facts.pop("flagged", None)  # who knows the parameters has no other reading
    write_json(cell.file, facts)


def _scores(run: Run, cell: Cell, drawn: Drawn) -> dict[str, Any]:
    """The scores; a result that cannot be scored is the method's failure."""
    assert run.result is not None
    try:
        scores = score_cell(run.result, scenario(cell.scenario), drawn, cell.seed)
        json.dumps(scores, allow_nan=False)
    except Exception as error:  # whatever a method may have put into its tables
        return {"failed": f"its result cannot be scored ({type(error).__name__}: {error})"}
    return scores


def _entries(methods: Sequence[str]) -> list[Entry]:
    """The methods to run."""
    built_in, plugins = family.names(METHODS), installed()
    offered = {name: Entry(name, name, _code_of(("analysis",))) for name in [*built_in, AUTO]}
    for name, point in plugins.items():
        version = point.dist.version if point.dist else ""
        offered.setdefault(name, Entry(name, name, f"{point.value} {version}"))
    files = [m for m in methods if is_file_method(m)]
    names = [m for m in methods if m not in files]
    for name in names:
        if name not in offered:
            raise SynimgError(f"unknown method '{name}'; {nearest(name, list(offered))}")
    entries = [offered[name] for name in dict.fromkeys(names)]
    entries = entries or [entry for name, entry in offered.items() if name != AUTO]  # one of the others, a second time
    for method in dict.fromkeys(files):
        check_function(method)  # a mistake in the name or the file is told now, not in every cell
        path, _, function = method.rpartition(":")
        entry = Entry(f"{Path(path).name}:{function}", f"{Path(path).resolve()}:{function}", sha256(Path(path)))
        if entry.name in {e.name for e in entries}:
            raise SynimgError(f"two methods are called '{entry.name}'; rename one of the files")
        entries.append(entry)
    return entries


def _code_of(places: Sequence[str]) -> str:
    """A checksum of our own source in files (patterns) and folders, so that results of older code are not kept as new ones."""
    root = Path(__file__).resolve().parents[3]
    digest = hashlib.sha256()
    for place in places:
        folder = root / place
        in_folder = (file for file in folder.rglob("*.py") if "validate" not in file.relative_to(folder).parts)
        for file in sorted(in_folder if folder.is_dir() else root.glob(place)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name)


def _prepare(out: Path) -> None:
    """Make the folder, or make sure that it is one of ours and of this suite."""
    if out.exists() and not out.is_dir():
        raise SynimgError(f"{out}: a file is there; --out takes a folder")
    index = out / "suite.json"
    if not index.is_file():
        if out.is_dir() and any(out.iterdir()):
            raise SynimgError(f"{out}: the folder holds something else; --out takes a new or empty folder")
        write_json(index, {"suite_version": VERSION, "synimg_schema": schema.SCHEMA_VERSION})
    found = read_json(index).get("suite_version")
    if found != VERSION:
        raise SynimgError(
            f"{out}: holds version {found} of the suite, this synimg has {VERSION}; choose another folder"
        )


def _is_done(cell: Cell, limit_s: float) -> bool:
    """Whether the cell's file holds what this code gives; one that ran out of time gets more if there is more."""
    if not cell.file.is_file():
        return False
    try:
        facts = read_json(cell.file)
    except SynimgError:
        return False
    late = (facts["failed"] or "").startswith("took longer") and facts["limit_s"] < limit_s
    return bool(facts["code"] == cell.entry.code and not late)


def _finished(out: Path) -> list[dict[str, Any]]:
    """All cells in the folder."""
    return [read_json(file) for file in sorted((out / "cells").rglob("*.json"))]
