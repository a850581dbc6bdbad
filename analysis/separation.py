"""Which change is learning: choose a method and run it on a table."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from synimg import family, schema
from synimg.analysis.diagnosis import diagnose
from synimg.analysis.groups.ask import ask
from synimg.analysis.groups.question import read_question
from synimg.analysis.pieces import NO_PARENTS, left_out
from synimg.analysis.remarks import remarks
from synimg.analysis.separate.hierarchical import hierarchical
from synimg.analysis.separate.protocol import Method, Needs, Separation
from synimg.analysis.user_method import installed, is_file_method, load_function, load_installed, run_user_method
from synimg.errors import SynimgError, nearest

METHODS = "synimg.analysis.separate"
LEAST_PER_NEURON, LEAST_SYNAPSES, LEAST_NEURONS = 5.0, 100, 5


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
    table, without_parents = _of_parents(complete(table))
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


def complete(table: pd.DataFrame) -> pd.DataFrame:
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
