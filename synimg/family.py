"""Families of interchangeable parts: one folder, one small file per part, found by its `kind`.

A part's file is named after its `kind` and binds what it offers to the name `part`: the frozen model of its settings, or
for a separation method the function. A part is found by importing ``<folder>.<kind>``, so that a new part is a new file.
"""

import importlib
import pkgutil
from typing import Annotated, Any

import pydantic

from synimg.errors import nearest
from synimg.model import Model, sentence


def names(folder: str) -> list[str]:
    """The kinds in the package `folder`, such as ``"synimg.phantoms.rules"``."""
    package = importlib.import_module(folder)
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in {"protocol", "base"})


def part(folder: str, kind: str, name: str = "part") -> Any:
    """The part `kind` of the package `folder`: what its module calls `part`, or another `name`.

    Raises
    ------
    ValueError
        For an unknown `kind`, with the nearest known one.
    """
    known = names(folder)
    if kind not in known:
        raise ValueError(f"unknown kind '{kind}'; {nearest(kind, known)}")
    return getattr(importlib.import_module(f"{folder}.{kind}"), name)


def member(folder: str) -> Any:
    """A field type: a table with the key `kind`, read by the part of that name in `folder`."""

    def read(value: Any) -> Model:
        if isinstance(value, Model):
            return value
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise ValueError(f"needs kind = one of {', '.join(names(folder))}")
        cls: type[Model] = part(folder, value["kind"])
        try:
            return cls.model_validate(value)
        except pydantic.ValidationError as error:
            raise ValueError(sentence(cls, error)) from None

    return Annotated[pydantic.SerializeAsAny[Model], pydantic.PlainValidator(read)]
