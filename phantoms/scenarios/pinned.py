"""Which tables version 1 of the suite consists of: their fingerprints, so that a change is noticed that nobody meant.

Numbers are drawn by numpy, whose streams may change with its version. `scripts/pin_suite.py` writes the list for a new
version of the suite.
"""

import tomllib
from functools import cache
from importlib import resources

N_SEEDS = 5


@cache
def pinned() -> dict[str, list[str]]:
    """Fingerprints (`Drawn.fingerprint`) of seeds 1, 2, ... by scenario."""
    text = resources.files("synimg.phantoms.scenarios").joinpath("fingerprints.toml").read_text(encoding="utf-8")
    found: dict[str, list[str]] = tomllib.loads(text)
    return found


def is_as_pinned(scenario: str, seed: int, fingerprint: str) -> bool | None:
    """Whether a table is the one that is meant; None where none is pinned (later seeds, tables measured on images)."""
    known = pinned().get(scenario, [])
    return fingerprint == known[seed - 1] if 1 <= seed <= len(known) else None
