"""A separation method that a user brings: from a file or an installed package, run on a copy, its answer checked."""

import ast
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pandas as pd

from synimg import schema
from synimg.analysis.separate.protocol import Separation
from synimg.errors import SynimgError, nearest

PLUGINS = "synimg.separation_methods"
"""Entry point group under which an installed package offers methods."""


def installed() -> dict[str, EntryPoint]:
    """Methods of installed packages by name."""
    return {point.name: point for point in entry_points(group=PLUGINS)}


def load_installed(name: str) -> Callable[..., Any]:
    """The function that an installed package offers as `name`.

    Raises
    ------
    SynimgError
        If the package cannot be imported or offers something else.
    """
    point = installed()[name]
    try:
        function = point.load()
    except Exception as error:  # a package may raise anything
        raise SynimgError(f"method {name}: {point.value} cannot be loaded ({type(error).__name__}: {error})") from error
    if not callable(function):
        raise SynimgError(
            f"method {name}: {point.value} is {type(function).__name__}; it must be a function of a table"
        )
    loaded: Callable[..., Any] = function
    return loaded


def is_file_method(method: str) -> bool:
    """Whether `method` is written as ``FILE.py:FUNCTION``."""
    return method.rpartition(":")[0].endswith(".py")


def check_function(method: str) -> None:
    """Refuse a ``FILE.py:FUNCTION`` whose file is no Python or does not define the function, without running it.

    Raises
    ------
    SynimgError
        As `load_function`, for what a look at the file tells.
    """
    file, _, name = method.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; a method is given as FILE.py:FUNCTION")
    try:
        body = ast.parse(path.read_bytes(), str(path)).body
    except (SyntaxError, ValueError) as error:
        raise SynimgError(f"{path}: cannot be run ({type(error).__name__}: {error})") from error
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    # what is assigned or imported, or made within another statement, may be a function, too: who runs the file will see
    is_plain = all(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.Expr) for node in body)
    if name not in functions and (is_plain or name not in path.read_text(errors="replace")):
        known = [function for function in functions if not function.startswith("_")]
        raise SynimgError(f"{path}: has no function '{name}'; {nearest(name, known) if known else 'it has none'}")


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
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        raise SynimgError(f"{path}: cannot be run ({type(error).__name__}: {error})") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise SynimgError(f"{path}: has no function '{name}'; {nearest(name, known) if known else 'it has none'}")
    return function


def run_user_method(function: Callable[..., Any], table: pd.DataFrame, seed: int, name: str) -> Separation:
    """Run a user's function of a table; a plain table of synapse_id and p_learning is enough."""
    try:
        result = function(table.copy())
    except (Exception, SystemExit) as error:  # a user's method may raise anything
        raise SynimgError(f"method {name}: raised {type(error).__name__}: {error}") from error
    if isinstance(result, Separation):
        return replace(result, synapses=_rows_of(table, result.synapses, name))
    if not isinstance(result, pd.DataFrame):
        raise SynimgError(
            f"method {name}: returned {type(result).__name__}; it must return a DataFrame with synapse_id and p_learning"
        )
    synapses = _rows_of(table, result, name)
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


def _rows_of(table: pd.DataFrame, result: pd.DataFrame, name: str) -> pd.DataFrame:
    """The method's rows, checked, in the order of the table's."""
    synapses = schema.check(result, schema.SEPARATION, f"method {name}")
    missing = set(table["synapse_id"]) ^ set(synapses["synapse_id"])
    if missing:
        raise SynimgError(
            f"method {name}: synapse_id {min(missing)} is in one of table and result only; return every row"
        )
    return table[["synapse_id"]].merge(synapses, on="synapse_id", how="left")
