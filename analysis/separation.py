"""Which change is learning: choose a method, run it on a table, a file or a data set, and keep its result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from synimg import compute, family, schema
from synimg.analysis.diagnosis import diagnose
from synimg.analysis.groups.ask import ask
from synimg.analysis.groups.question import read_question
from synimg.analysis.inhibition import with_inhibition
from synimg.analysis.pieces import NO_PARENTS, Whole, is_too_large, left_out, separate_in_pieces
from synimg.analysis.predictions import with_predictions
from synimg.analysis.remarks import remarks
from synimg.analysis.separate.hierarchical import hierarchical
from synimg.analysis.separate.protocol import Method, Needs, Separation
from synimg.analysis.user_method import installed, is_file_method, load_function, load_installed, run_user_method
from synimg.errors import SynimgError, nearest
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import Dataset
from synimg.store.tables import read_notes, read_table, table_writer, write_table

METHODS = "synimg.analysis.separate"
LEAST_PER_NEURON, LEAST_SYNAPSES, LEAST_NEURONS = 5.0, 100, 5
TABLES = {"separation": schema.SEPARATION, "neurons": schema.NEURON_RESULT, "animals": schema.ANIMAL_RESULT}


def separate(
    table: pd.DataFrame,
    method: str | Callable[..., Any] = "auto",
    seed: int = 0,
    by: str | None = None,
    draws: int = 0,
) -> Separation:
    """Split every synapse's change into learning, homeostasis and drift.

    Parameters
    ----------
    table : DataFrame
        Synapse table (`schema.SYNAPSES`): at least ``synapse_id``, ``neuron_id``, ``r_old``, ``r_new``.
    method : str or callable
        ``auto``, a name of `methods`, ``FILE.py:FUNCTION``, the name of an installed package's method (entry point
        group ``synimg.separation_methods``), or a function of a table.
    seed : int
        Of the method's random draws.
    by : str, optional
        Column whose groups, or gradient, are compared: pathway, branch, input channel, eligibility, ...
    draws : int
        Draws from the joint posterior of all synapses, where the method has one (``hierarchical``).

    Returns
    -------
    Separation
        With the data frames ``synapses``, ``neurons`` and ``animals``; ``groups`` if `by` is given, ``draws`` (frames, one
        after the other) if draws are asked for.

    Raises
    ------
    SynimgError
        If the table breaks the contract or lacks what the method needs, the method is unknown, or a user's method fails.

    Examples
    --------
    >>> import pandas as pd, synimg
    >>> table = pd.DataFrame({"synapse_id": range(40), "neuron_id": [1, 2] * 20, "r_old": 40.0, "r_new": 20.0})
    >>> synimg.separate(table, method="neuron_mode").neurons["n_synapses"].tolist()
    [20, 20]
    """
    table = schema.check(table, schema.SYNAPSES, "synapse table")
    if table.empty:
        raise SynimgError("synapse table: no row in it; a table has one row per synapse")
    odd = remarks(table, by)
    table, without_parents = _of_parents(_complete(table))
    if by is not None:
        read_question(table, by)  # a column that asks nothing is refused before the work
    diagnosis = diagnose(table, seed)
    if draws:
        method = _with_draws(diagnosis, method, draws)
    result = hierarchical(table, seed, draws) if draws else _separated(table, method, seed, diagnosis)
    result.info["diagnosis"] = {**result.info.get("diagnosis", {}), "table": diagnosis}
    result.info["warnings"][:0] = without_parents
    if not _is_users(method):  # which may read any column, in any unit
        result.info["warnings"] += odd
    return result if by is None else ask(table, result, by, seed)


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """The checked table with its animal, if it is one alone; refuses neurons of two animals."""
    if "animal_id" not in table:
        table = table.assign(animal_id="animal")
    table["animal_id"] = table["animal_id"].fillna("animal")
    _check_owners(table)
    return table


def with_known_parents(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a synapse table that are separated: those whose parent is known."""
    known = table[table["neuron_id"].notna()].reset_index(drop=True)
    return known.assign(neuron_id=known["neuron_id"].astype("int64"))


def _of_parents(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The same, and that others are left out, if there are any.

    Raises
    ------
    SynimgError
        If no parent is known.
    """
    known = with_known_parents(table)
    if known.empty:
        raise SynimgError(f"synapse table: {NO_PARENTS}")
    n_orphans = len(table) - len(known)
    return known, [left_out(n_orphans, len(table))] if n_orphans else []


def _check_owners(table: pd.DataFrame) -> None:
    """Refuse a group that is written in two ways, and neurons of two animals or groups."""
    if "group" in table:
        names = pd.Series(table["group"].dropna().unique(), dtype="object").astype(str)
        plain = names.str.strip().str.lower()
        if plain.duplicated().any():
            once, twice = names[plain == plain[plain.duplicated()].iloc[0]].iloc[:2]
            raise SynimgError(f"synapse table: a group is written '{once}' and '{twice}'; write it in one way")
    for name in ("animal_id", "group"):
        owners = table.groupby("neuron_id")[name].nunique() if name in table else pd.Series(dtype=int)
        if (owners > 1).any():
            neuron = owners.index[owners > 1][0]
            first, second = table.loc[table["neuron_id"] == neuron, name].dropna().unique()[:2]
            raise SynimgError(
                f"synapse table: neuron_id {neuron} occurs with {name} '{first}' and '{second}'; every neuron of every animal "
                "takes an id of its own"
            )


def _with_draws(diagnosis: dict[str, Any], method: str | Callable[..., Any], n_draws: int) -> str:
    """The method that draws from its posterior, or the reason why there is none."""
    if n_draws < 0:
        raise SynimgError(f"--draws = {n_draws}; it takes a number of draws, such as 100")
    chosen = choice(diagnosis)[0] if method == "auto" else method
    if chosen != "hierarchical":
        name = getattr(chosen, "__name__", chosen)
        raise SynimgError(f"method '{name}' has no posterior to draw from; --draws needs 'hierarchical'")
    return "hierarchical"


def _separated(
    table: pd.DataFrame, method: str | Callable[..., Any], seed: int, diagnosis: dict[str, Any]
) -> Separation:
    if callable(method):
        return run_user_method(method, table, seed, getattr(method, "__name__", "function"))
    if is_file_method(method):
        return run_user_method(load_function(method), table, seed, method)
    if method == "auto":
        return _auto(table, seed, diagnosis)
    known, plugins = methods(), installed()
    if method in plugins and method not in known:
        return run_user_method(load_installed(method), table, seed, method)
    if method not in known:
        raise SynimgError(f"unknown method '{method}'; {nearest(method, ['auto', *known, *plugins])}")
    known[method].require(table, method)
    return _built_in(method)(table, seed)


def _is_users(method: str | Callable[..., Any]) -> bool:
    """Whether a method that has run is no built-in one."""
    return method != "auto" and (callable(method) or method not in methods())


def methods() -> dict[str, Needs]:
    """The built-in methods by name, with what each needs and assumes."""
    return {name: family.part(METHODS, name, "needs") for name in family.names(METHODS)}


def _built_in(name: str) -> Method:
    part: Method = family.part(METHODS, name)
    return part


def _auto(table: pd.DataFrame, seed: int, diagnosis: dict[str, Any]) -> Separation:
    """The result of the method that the table allows, with the reason for the choice."""
    name, why = choice(diagnosis)
    result = _built_in(name)(table, seed)
    result.info["warnings"].insert(0, f"auto chose '{name}': {why}")
    return result


def choice(diagnosis: dict[str, Any]) -> tuple[str, str]:
    """The method for a table by its diagnosis, and why.

    Notes
    -----
    Numbers of synapses and neurons decide between methods. What else the diagnosis says decides within `hierarchical`, which
    weighs it by evidence (controls, two kinds of neurons, partners), and is named as what to expect of it.
    """
    n, n_neurons, median = (diagnosis[name] for name in ("n_synapses", "n_neurons", "synapses_per_neuron"))
    if n >= LEAST_SYNAPSES and n_neurons >= LEAST_NEURONS:
        return "hierarchical", f"{n} synapses on {n_neurons} neurons are enough to learn the noise from"
    if median >= LEAST_PER_NEURON:
        why = f"{n} synapses on {n_neurons} neurons are too few for 'hierarchical', {median:g} per neuron enough for its mode"
        return "neuron_mode", why
    return "raw", f"{median:g} synapses per neuron (median) are too few for a neuron's own mode"


def separate_table(
    table: Path,
    out: Path,
    method: str = "auto",
    seed: int = 0,
    by: str | None = None,
    draws: int = 0,
    report: compute.Report = compute.silent,
    predicted: Path | None = None,
    inhibition: Path | None = None,
) -> tuple[Separation | Whole, Path]:
    """Separate the synapse table in a file; write what `write_separation` does to `out`.

    A Parquet table of more than a million rows goes through `hierarchical` in pieces, in bounded memory; its rows are in
    the file alone. `predicted` is a file of predictions by ``synapse_id`` (`with_predictions`), `inhibition` a table of the
    inhibitory synapses on the same neurons (`with_inhibition`).

    Raises
    ------
    SynimgError
        If the table breaks the contract of `schema.SYNAPSES`, or the method needs what it lacks.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise SynimgError(f"{out}: a file is there; --out takes a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "result.json").is_file():
        raise SynimgError(f"{out}: the folder holds something else; --out takes a new or empty folder")
    as_it_is = by is None and not draws and predicted is None and inhibition is None
    if method in {"auto", "hierarchical"} and as_it_is and is_too_large(table):
        return _of_pieces(table, out, method, seed, report), out
    synapses = read_table(table, schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(f"{table}: no synapse in it; a table has one row per synapse")
    synapses, said = _with(synapses, predicted, inhibition, method)
    result = separate(synapses, method, seed, by, draws)
    result.info["warnings"][:0] = [*_missing(table), *said]
    write_separation(out, result, seed)
    return result, out


def _of_pieces(table: Path, out: Path, method: str, seed: int, report: compute.Report) -> Whole:
    """Separate a table that is too large for the memory, and write the result."""
    (out / "result.json").unlink(missing_ok=True)  # until all is there, nothing is
    whole = separate_in_pieces(table, out, seed, _complete, report)
    said = _missing(table) + whole.without_parents
    if method == "auto":
        name, why = choice(whole.info["diagnosis"]["table"])
        said.append(f"auto chose '{name}': {why}")
    whole.info["warnings"][:0] = said
    for name in ("groups", "draws"):
        (out / f"{name}.parquet").unlink(missing_ok=True)
    write_table(out / "neurons.parquet", whole.neurons, TABLES["neurons"])
    write_table(out / "animals.parquet", whole.animals, TABLES["animals"])
    write_json(out / "result.json", {"synimg_schema": schema.SCHEMA_VERSION, "seed": seed, **whole.info})
    return whole


def separate_dataset(
    dataset: Dataset | str | Path,
    run: str = "default",
    method: str = "auto",
    seed: int = 0,
    by: str | None = None,
    draws: int = 0,
    predicted: Path | None = None,
    inhibition: Path | None = None,
) -> tuple[Separation, Path]:
    """Separate the measured table of a data set's `run`; the results go beside it.

    `predicted` is a file of predictions with the places of their synapses, as `synimg.resimulate` writes; `inhibition` as
    for `separate_table`.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    synapses, said = _with(measured_synapses(dataset, run), predicted, inhibition, method, by_place=True)
    result = separate(synapses, method, seed, by, draws)
    result.info["warnings"][:0] = [*_missing(dataset.run(run) / "synapses.parquet"), *said]
    dataset.drop(f"{run}/separate", f"{run}/validate", f"{run}/report")
    notes: dict[str, Any] = {"method": method, "seed": seed, "by": by, "draws": draws}
    given = {"predicted": predicted, "inhibition": inhibition}
    notes |= {name: str(path) for name, path in given.items() if path is not None}
    with dataset.stage(f"{run}/separate", notes) as scratch:
        write_separation(scratch / "analysis" / run, result, seed)
    return result, dataset.run(run)


def _with(
    table: pd.DataFrame, predicted: Path | None, inhibition: Path | None, method: str, by_place: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """The table with what files know of its synapses and neurons, and what is said of it.

    Raises
    ------
    SynimgError
        If the method makes no use of it, or as `with_predictions` and `with_inhibition`.
    """
    said = []
    for option, path in (("--predicted", predicted), ("--inhibition", inhibition)):
        if path is not None and method in methods() and method != "hierarchical":
            raise SynimgError(f"method '{method}' makes no use of {option}; it needs 'hierarchical'")
    if predicted is not None:
        table, sentence = with_predictions(table, Path(predicted), by_place)
        said.append(sentence)
    if inhibition is not None:
        table, sentence = with_inhibition(table, Path(inhibition))
        said.append(sentence)
    return table, said


def _missing(table: Path) -> list[str]:
    """That a table is incomplete, if it says so."""
    said = read_notes(table).get("missing") if table.suffix == ".parquet" else None
    return [] if said is None else [said]


def measured_synapses(dataset: Dataset, run: str) -> pd.DataFrame:
    """The measured table of a run.

    Raises
    ------
    SynimgError
        If it is not measured yet, or holds no synapse, so that there is nothing to go on with.
    """
    dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
    synapses = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(
            f"{dataset.path}: no synapse was found in its image (run '{run}'), so there is nothing to separate, validate or "
            "report"
        )
    return synapses


def write_separation(folder: Path, result: Separation, seed: int) -> None:
    """Write ``separation``, ``neurons``, ``animals`` (and ``groups``, ``draws``, if asked), and ``result.json``."""
    frames = {"separation": result.synapses, "neurons": result.neurons, "animals": result.animals}
    for name, frame in frames.items():
        write_table(folder / f"{name}.parquet", frame, TABLES[name])
    if result.groups is not None:
        write_table(folder / "groups.parquet", result.groups, schema.GROUP_RESULT)
    else:
        (folder / "groups.parquet").unlink(missing_ok=True)  # of an earlier call
    if result.draws is not None:
        with table_writer(folder / "draws.parquet", schema.DRAWS) as write:
            for frame in result.draws:
                write(frame)
    else:
        (folder / "draws.parquet").unlink(missing_ok=True)
    write_json(folder / "result.json", {"synimg_schema": schema.SCHEMA_VERSION, "seed": seed, **result.info})


def read_separation(folder: Path) -> Separation:
    """The separation that `write_separation` wrote.

    Raises
    ------
    SynimgError
        If a file is missing or damaged.
    """
    if not (folder / "result.json").is_file():
        raise SynimgError(f"{folder}: no separation there (result.json is missing); run 'synimg separate' first")
    frames: dict[str, pd.DataFrame] = {
        name: read_table(folder / f"{name}.parquet", table) for name, table in TABLES.items()
    }
    info: dict[str, Any] = read_json(folder / "result.json")
    groups = read_table(folder / "groups.parquet", schema.GROUP_RESULT) if "by" in info else None
    return Separation(frames["separation"], frames["neurons"], frames["animals"], info, groups)
