"""A configuration as a TOML file, each parameter with its meaning, unit, bounds and source as a comment."""

from typing import Any

import pydantic

from synimg.config.config import Config, families
from synimg.family import names
from synimg.model import Model


def to_toml(config: Config, title: str = "") -> str:
    """The configuration as TOML, each parameter with its meaning, unit and bounds as a comment."""
    lines = [f"# {title}"] if title else []
    lines.append("# Each value is followed by its meaning; 'synimg generate FILE --out DIR' makes the data set.")
    lines += ["", *_fields(config, top=True)]
    for name in type(config).model_fields:
        value = getattr(config, name)
        for part in value if isinstance(value, tuple) and value and isinstance(value[0], Model) else ():
            lines += ["", f"[[{name}]]  # {_headline(part)}", *_fields(part, folder=families()[name])]
        if isinstance(value, Model):
            lines += ["", f"[{name}]  # {_headline(value)}", *_fields(value, folder=families().get(name))]
    return "\n".join(lines) + "\n"


def _headline(model: Model) -> str:
    return (type(model).__doc__ or "").strip().splitlines()[0]


def _fields(model: Model, top: bool = False, folder: str | None = None) -> list[str]:
    lines = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, Model) or (isinstance(value, tuple) and value and isinstance(value[0], Model)):
            continue
        comment = field.description or ""
        if name == "kind" and folder:
            comment = f"one of {', '.join(names(folder))}"
        limits = bounds(field)
        lines.append(f"{name} = {to_literal(value)}  # {comment}{f' [{limits}]' if limits else ''}")
    return lines


def bounds(field: pydantic.fields.FieldInfo) -> str:
    """The bounds of a field in words, such as ``>= 0, < 1``; empty where it has none."""
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    parts = [f"{sign} {getattr(m, key)}" for m in field.metadata for key, sign in signs.items() if hasattr(m, key)]
    return ", ".join(parts)


def to_literal(value: Any) -> str:
    """A value as TOML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(to_literal(v) for v in value) + "]"
    if isinstance(value, dict):
        keys = [key if key.isascii() and key.isidentifier() else to_literal(key) for key in value]
        pairs = ", ".join(f"{key} = {to_literal(v)}" for key, v in zip(keys, value.values(), strict=True))
        return f"{{ {pairs} }}" if pairs else "{}"
    return repr(value)
