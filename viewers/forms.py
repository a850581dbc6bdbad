"""A settings model as the fields of a form: what a widget needs to know of each, without Qt."""

import tomllib
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pydantic

from synimg import family
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.model import Model

UNITS = {
    "um": "µm", "um2": "µm²", "um3": "µm³", "nm": "nm", "ms": "ms", "days": "days", "day": "per day", "vox": "voxels",
    "photons": "photons", "electrons": "electrons", "adu": "grey levels",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field of a form.

    kind : ``int``, ``float``, ``bool``, ``choice`` or ``text`` (a TOML value, such as a list)
    low, high : bounds, None where there is none; `text_bounds` says the same in words
    """

    name: str
    kind: str
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    unit: str
    help: str


def fields_of(model: type[pydantic.BaseModel], folder: str | None = None) -> list[Field]:
    """The fields of a settings model in order; settings inside it have forms of their own and are left out.

    Parameters
    ----------
    model : type
        A settings model.
    folder : str, optional
        Package of the family that it belongs to; then ``kind`` is a choice among the family's parts.
    """
    out = []
    for name, info in model.model_fields.items():
        annotation: Any = info.annotation
        default = info.get_default(call_default_factory=True)
        if isinstance(default, Model) or _holds_models(default):
            continue
        low, high = _bounds(info)
        choices: tuple[str, ...] = ()
        if name == "kind" and folder:
            kind, choices = "choice", tuple(family.names(folder))
        elif get_origin(annotation) is Literal:
            kind, choices = "choice", tuple(map(str, get_args(annotation)))
        elif annotation in (bool, int, float):
            kind = annotation.__name__
        else:
            kind = "text"
        out.append(Field(name, kind, default, low, high, choices, unit_of(name), info.description or ""))
    return out


def _holds_models(value: Any) -> bool:
    """Whether a default stands for settings of their own: a part of a family, or several."""
    return (isinstance(value, dict) and "kind" in value) or (
        isinstance(value, tuple) and any(isinstance(part, Model) for part in value)
    )


def _bounds(info: pydantic.fields.FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for rule in info.metadata:
        if isinstance(rule, annotated_types.Ge | annotated_types.Gt):
            low = float(getattr(rule, "ge", getattr(rule, "gt", None)))  # type: ignore[arg-type]
        if isinstance(rule, annotated_types.Le | annotated_types.Lt):
            high = float(getattr(rule, "le", getattr(rule, "lt", None)))  # type: ignore[arg-type]
    return low, high


def unit_of(name: str) -> str:
    """The unit that a field's name ends in, as people write it."""
    parts = name.split("_")
    unit = UNITS.get(parts[-1], "")
    return f"per {unit}" if unit and parts[-2:-1] == ["per"] else unit


def text_of(value: Any) -> str:
    """A value as it stands in a text field: TOML."""
    from synimg.config import to_literal

    return to_literal(value)


def value_of(text: str, name: str) -> Any:
    """The value in a text field.

    Raises
    ------
    SynimgError
        If it is no TOML value.
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        right = 'write it as in the configuration: 1.5, [16, 96, 96], "word"'
        raise SynimgError(f"{name} = {text}: not a value; {right}") from None


def sections(config: Config) -> dict[str, tuple[type[Model], str | None]]:
    """The sections of a configuration: the model of each, and the folder of its family if it is a part of one."""
    from synimg.config import families

    found: dict[str, tuple[type[Model], str | None]] = {"animal": (Config, None)}
    for name in Config.model_fields:
        value = getattr(config, name)
        if isinstance(value, Model) and name not in {"imported", "cohort"}:
            found[name] = (type(value), families().get(name))
    return found


def with_section(config: Config, section: str, values: dict[str, Any]) -> Config:
    """The configuration with the values of one section replaced.

    Raises
    ------
    SynimgError
        If a value is out of its bounds, or the sections do not fit together.
    """
    whole = config.model_dump(mode="json")
    if section == "animal":
        whole |= values
    else:
        whole[section] = values
    return Config.parse(whole, "the form")
