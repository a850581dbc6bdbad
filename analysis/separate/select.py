"""Find a separation method by its name, its file, or the table, and run it."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg import family, schema
from synimg.analysis.separate.neuron_mode import neuron_mode
from synimg.analysis.separate.protocol import Method, Separation
from synimg.analysis.separate.raw import raw
from synimg.errors import SynimgError, nearest

BUILT_IN: dict[str, Method] = {"raw": raw, "neuron_mode": neuron_mode}
LEAST_PER_NEURON = 5.0


def separate(table: pd.DataFrame, method: str | Callable[..., Any] = "auto", seed: int = 0) -> Separation:
    """Split every synapse's change into learning, homeostasis and drift.

    Parameters
    ----------
    table : DataFrame
        Synapse table (SCHEMA.md): at least ``synapse_id``, ``neuron_id``, ``r_old``, ``r_new``.
    method : str or callable
        ``auto``, ``raw``, ``neuron_mode``, ``FILE.py:FUNCTION``, or a function of a table.
    seed : int
        Of the method's random draws.

    Returns
    -------
    Separation
        With the data frames ``synapses``, ``neurons`` and ``animals``.

    Raises
    ------
    SynimgError
        If the table breaks the contract, the method is unknown, or a user's method fails.

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
    if "animal_id" not in table:
        table = table.assign(animal_id="animal")
    table["animal_id"] = table["animal_id"].fillna("animal")
    if callable(method):
        return _from_user(method, table, seed, getattr(method, "__name__", "function"))
    if ":" in method and method.rpartition(":")[0].endswith(".py"):
        return _from_user(load_function(method), table, seed, method)
    if method == "auto":
        return _auto(table, seed)
    if method not in BUILT_IN:
        raise SynimgError(f"unknown method '{method}'; {nearest(method, ['auto', *BUILT_IN])}")
    return BUILT_IN[method](table, seed)


def _auto(table: pd.DataFrame, seed: int) -> Separation:
    """The method that the table allows, with the reason for the choice."""
    per_neuron = float(np.median(table.groupby("neuron_id").size()))
    name = "neuron_mode" if per_neuron >= LEAST_PER_NEURON else "raw"
    result = BUILT_IN[name](table, seed)
    enough = "enough" if name == "neuron_mode" else "too few"
    reason = f"auto chose '{name}': {per_neuron:g} synapses per neuron (median) are {enough} for a neuron's own mode"
    result.info["warnings"].insert(0, reason)
    return result


def load_function(method: str) -> Callable[..., Any]:
    """The function of ``FILE.py:FUNCTION``.

    Raises
    ------
    SynimgError
        If the file is missing or cannot be run, or has no such function.
    """
    file, _, name = method.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; a method is given as FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        raise SynimgError(f"{path}: cannot be run ({type(error).__name__}: {error})") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise SynimgError(f"{path}: has no function '{name}'; {nearest(name, known) if known else 'it has none'}")
    return function


def _from_user(function: Callable[..., Any], table: pd.DataFrame, seed: int, name: str) -> Separation:
    """Run a user's function of a table; a plain table of synapse_id and p_learning is enough."""
    try:
        result = function(table.copy())
    except Exception as error:  # a user's method may raise anything
        raise SynimgError(f"method {name}: raised {type(error).__name__}: {error}") from error
    if isinstance(result, Separation):
        return result
    if not isinstance(result, pd.DataFrame):
        raise SynimgError(
            f"method {name}: returned {type(result).__name__}; it must return a DataFrame with synapse_id and p_learning"
        )
    synapses = schema.check(result, schema.SEPARATION, f"method {name}")
    missing = set(table["synapse_id"]) ^ set(synapses["synapse_id"])
    if missing:
        raise SynimgError(
            f"method {name}: synapse_id {min(missing)} is in one of table and result only; return every row"
        )
    synapses = table[["synapse_id"]].merge(synapses, on="synapse_id", how="left")
    if "lfdr" not in synapses:
        synapses["lfdr"] = 1.0 - synapses["p_learning"]
    synapses = synapses.reindex(
        columns=[*schema.SEPARATION.names, *synapses.columns.difference(schema.SEPARATION.names)]
    )
    n_synapses = table.groupby("neuron_id").size()
    neurons = pd.DataFrame({"neuron_id": n_synapses.index, "n_synapses": n_synapses.to_numpy()})
    animals = pd.DataFrame({"animal_id": sorted(table["animal_id"].unique())})
    animals["why"] = "a user's method: it says nothing about identifiability"
    info = {"method": name, "version": "", "parameters": {}, "assumptions": [], "diagnosis": {}, "warnings": []}
    return Separation(
        synapses,
        neurons.reindex(columns=schema.NEURON_RESULT.names),
        animals.reindex(columns=schema.ANIMAL_RESULT.names),
        info,
    )


def methods() -> list[str]:
    """Names of the built-in methods."""
    return sorted(set(family.names("synimg.analysis.separate")) & set(BUILT_IN))
