"""A separation method that a user brings: from a file or an installed package, run on a copy, its answer checked."""

import ast
import contextlib
import importlib.util
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

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
        raise SynimgError(f"method {name}: {point.value} cannot be loaded ({_in_a_line(error)})") from error
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
        with _no_way_out():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's file may raise anything
        raise SynimgError(f"{path}: cannot be run ({_in_a_line(error)})") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise SynimgError(f"{path}: has no function '{name}'; {nearest(name, known) if known else 'it has none'}")
    return function


def run_user_method(function: Callable[..., Any], table: pd.DataFrame, seed: int, name: str) -> Separation:
    """Run a user's function of a table; a plain table of synapse_id and p_learning is enough.

    Raises
    ------
    SynimgError
        If it raises, ends the process, or returns something else.
    """
    try:
        with _no_way_out():
            result = function(table.copy())
    except (Exception, SystemExit) as error:  # a user's method may raise anything
        raise SynimgError(f"method {name}: raised {_in_a_line(error)}") from error
    if isinstance(result, pd.DataFrame):
        why = "a user's method: it says nothing about identifiability"
        result = Separation(result, _neurons(table), _animals(table).assign(why=why))
    if not isinstance(result, Separation):
        raise SynimgError(
            f"method {name}: returned {type(result).__name__}; it must return a DataFrame with synapse_id and p_learning"
        )
    neurons = _neurons(table) if result.neurons is None else result.neurons
    animals = _animals(table) if result.animals is None else result.animals
    return replace(
        result,
        synapses=_rows_of(table, result.synapses, name),
        neurons=_units_of(table, neurons, schema.NEURON_RESULT, name),
        animals=_units_of(table, animals, schema.ANIMAL_RESULT, name),
        info=_info_of(result.info, name),
    )


def _neurons(table: pd.DataFrame) -> pd.DataFrame:
    n_synapses = table.groupby("neuron_id").size()
    return pd.DataFrame({"neuron_id": n_synapses.index, "n_synapses": n_synapses.to_numpy()})


def _animals(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"animal_id": sorted(table["animal_id"].unique())})


@contextlib.contextmanager
def _no_way_out() -> Iterator[None]:
    """Let ``os._exit`` raise: it would end this process, with success perhaps, before anything is said or written."""
    leave, here = os._exit, (os.getpid(), threading.get_ident())

    def stay(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == here:
            raise SystemExit(f"os._exit({status})")
        leave(status)  # a child that has done its part, or a thread of ours

    os._exit = stay
    try:
        yield
    finally:
        os._exit = leave


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _units_of(table: pd.DataFrame, frame: object, kind: schema.Table, name: str) -> pd.DataFrame:
    """The method's neurons or animals, checked: all columns of the schema, and no unit that the table has not."""
    where = f"method {name}: its {kind.name}"
    if not isinstance(frame, pd.DataFrame):
        raise SynimgError(f"{where} are {type(frame).__name__}; they must be a DataFrame, or None")
    checked = schema.check(frame, kind, where)
    strange = checked.loc[~checked[kind.key].isin(table[kind.key]), kind.key]
    if len(strange):
        raise SynimgError(f"{where} have {kind.key} {strange.iloc[0]}, which is not in the table")
    return _with_all_columns(checked, kind)


def _with_all_columns(frame: pd.DataFrame, kind: schema.Table) -> pd.DataFrame:
    return frame.reindex(columns=[*kind.names, *frame.columns.difference(kind.names)])


def _info_of(info: object, name: str) -> dict[str, Any]:
    """What the method says of itself, with what it leaves out."""
    if not isinstance(info, dict):
        raise SynimgError(f"method {name}: its info is {type(info).__name__}; it must be a dict")
    empty = {"method": name, "version": "", "parameters": {}, "assumptions": [], "diagnosis": {}, "warnings": []}
    filled: dict[str, Any] = {**empty, **info}
    for key, value in empty.items():
        if type(filled[key]) is not type(value):
            found, right = type(filled[key]).__name__, type(value).__name__
            raise SynimgError(f"method {name}: its info has '{key}' of type {found}; it must be a {right}")
    for key in ("assumptions", "warnings"):
        if not all(isinstance(sentence, str) for sentence in filled[key]):
            raise SynimgError(f"method {name}: its info has '{key}' that are no text; they must be sentences")
    try:
        json.dumps(filled, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SynimgError(f"method {name}: its info cannot be written as JSON ({_in_a_line(error)})") from error
    return filled


def _rows_of(table: pd.DataFrame, result: object, name: str) -> pd.DataFrame:
    """The method's rows, checked, in the order of the table's; a false discovery rate that is not there is 1 - p_learning."""
    if not isinstance(result, pd.DataFrame):
        raise SynimgError(f"method {name}: its synapses are {type(result).__name__}; they must be a DataFrame")
    synapses = schema.check(result, schema.SEPARATION, f"method {name}")
    missing = set(table["synapse_id"]) ^ set(synapses["synapse_id"])
    if missing:
        raise SynimgError(
            f"method {name}: synapse_id {min(missing)} is in one of table and result only; return every row"
        )
    if "lfdr" not in synapses:
        synapses["lfdr"] = 1.0 - synapses["p_learning"]
    if synapses["lfdr"].isna().any():
        row = int(synapses["lfdr"].isna().to_numpy().argmax())
        raise SynimgError(
            f"method {name}: column 'lfdr' is empty or NaN in row {row}; fill it, or leave it out for 1 - p_learning"
        )
    return _with_all_columns(table[["synapse_id"]].merge(synapses, on="synapse_id", how="left"), schema.SEPARATION)
