"""Settings: small frozen pydantic models, and their errors as one sentence."""

from typing import Annotated, Any, Self

import pydantic

from synimg.errors import SynimgError, nearest


def _voxel_size(value: tuple[float, float, float]) -> tuple[float, float, float]:
    if min(value) <= 0 or max(value) > 10:
        raise ValueError("a voxel size lies above 0 and up to 10 um (z, y, x in micrometres)")
    return value


VoxelUm = Annotated[tuple[float, float, float], pydantic.AfterValidator(_voxel_size)]
"""Edges of a voxel along z, y, x [um]."""


class Model(pydantic.BaseModel):
    """Base of every settings model: frozen, no unknown field, defaults checked too."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Self:
        """The model of `values`; a mistake becomes one sentence that starts with `where`.

        Raises
        ------
        SynimgError
            For an unknown key (with the nearest right one), a wrong type or a value out of bounds.
        """
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise SynimgError(f"{where}: {sentence(cls, error)}") from None


def sentence(cls: type[pydantic.BaseModel], error: pydantic.ValidationError) -> str:
    """The first problem of a pydantic `error` of model `cls` in words of the configuration."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"unknown key '{name}'; {nearest(path[-1], known_keys(cls, path[:-1]))}"
    if first["type"] == "missing":
        return f"'{name}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not name:
        return message
    if isinstance(first["input"], dict):
        return f"'{name}': {message}"
    return f"'{name}' = {first['input']!r}: {message}"


def known_keys(cls: type[pydantic.BaseModel], path: list[str]) -> list[str]:
    """Names of the fields of the model that `path` leads to from `cls`."""
    for part in path:
        field = cls.model_fields.get(part)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)):
            break
        cls = annotation
    return list(cls.model_fields)
