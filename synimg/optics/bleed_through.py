"""Light of one channel in another: shares that can be taken off again."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

Leaks = TypeVar("Leaks", bound=Sequence[tuple[Any, ...]])
MOST_CONDITION = 100.0
"""Condition of the matrix that mixes channels, beyond which nothing but noise is left when it is undone."""


def separable(bleed_through: Leaks) -> Leaks:
    """The same (from, to, share, and its error if known), where channels that are mixed so can be told apart.

    Raises
    ------
    ValueError
        If a share is not from 0 to below 1 or of a channel in itself, or the channels hold nearly the same mixture.
    """
    for source, target, share, *_ in bleed_through:
        if not 0 <= share < 1 or source == target:
            raise ValueError(
                f"bleed_through from '{source}' to '{target}' = {share:g}; a share from 0 to below 1 between two channels"
            )
    names = sorted({name for pair in bleed_through for name in pair[:2]})
    mixed = np.eye(len(names))
    for source, target, share, *_ in bleed_through:
        mixed[names.index(target), names.index(source)] += share
    if names and np.linalg.cond(mixed) > MOST_CONDITION:
        raise ValueError(
            f"bleed_through puts so much light of the channels {', '.join(names)} into each other that they show nearly the same "
            "and cannot be told apart; specimens with one dye show the shares"
        )
    return bleed_through
