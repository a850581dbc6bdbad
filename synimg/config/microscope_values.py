"""The microscopes that come with the package: sets of values of a configuration."""

import tomllib
from importlib import resources
from typing import Any

from synimg.errors import nearest


def microscopes() -> list[str]:
    """Names of the microscopes."""
    return names_in(resources.files("synimg.microscopes"))


def microscope(name: Any) -> dict[str, Any]:
    """The values of a microscope, as they would stand in a configuration.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest known one.
    """
    if name not in microscopes():
        raise ValueError(f"unknown microscope '{name}'; {nearest(str(name), microscopes())}")
    text = resources.files("synimg.microscopes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Values of `below` where `above` has none; a section of another kind takes the place of the whole section."""
    merged = below | above
    for key in below.keys() & above.keys():
        old, new = below[key], above[key]
        if isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = old | new
    return merged


def names_in(folder: Any) -> list[str]:
    """Names of the TOML files of a folder."""
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
