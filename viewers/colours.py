"""Colours of synapses by any column, with the legend that says what they mean. Told apart by the colour-blind."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from numpy.typing import NDArray

Rgba = NDArray[np.float32]

NAMED = {
    "potentiated": "#D55E00",
    "depressed": "#0072B2",
    "unchanged": "#BBBBBB",
    "not separated": "#F0E442",
    "match": "#BBBBBB",
    "background": "#009E73",
    "false positive": "#CC79A7",
    "miss": "#E69F00",
    "yes": "#D55E00",
    "no": "#BBBBBB",
}
"""Okabe and Ito's palette."""
CYCLE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#BBBBBB")
UNKNOWN = "#555555"
SIGNED = ("#0072B2", "#C8C8C8", "#D55E00")
UNSIGNED = ("#30123B", "#0072B2", "#56B4E9", "#F0E442")
MOST_CATEGORIES = 12


@dataclass(frozen=True)
class Entry:
    """A line of a legend: a category, its colour and how many synapses are of it."""

    name: str
    color: str
    count: int


@dataclass(frozen=True)
class Legend:
    """What the colours mean: categories with counts, or a range of numbers and the colours from its low end to its high."""

    column: str
    entries: tuple[Entry, ...] = ()
    limits: tuple[float, float] | None = None
    ramp: tuple[str, ...] = ()
    n_unknown: int = 0


def is_category(values: pd.Series) -> bool:
    """Whether a column is coloured by category: text, truth values, or a few ids."""
    if values.name in {"neuron_id", "branch_id", "pre_id", "true_synapse_id"}:
        return True
    if pd.api.types.is_bool_dtype(values):
        return True
    return not pd.api.types.is_numeric_dtype(values)


def colour_by(values: pd.Series) -> tuple[Rgba, Legend]:
    """Colours (n, 4) of a column's values, and the legend.

    Parameters
    ----------
    values : Series
        A column of the synapse map; unknown values are drawn dark grey.
    """
    return _categories(values) if is_category(values) else _numbers(values)


def _categories(values: pd.Series) -> tuple[Rgba, Legend]:
    if pd.api.types.is_bool_dtype(values):
        values = values.map({True: "yes", False: "no"})
    code, names = pd.factorize(values, sort=True)
    hexes = [NAMED.get(str(name)) or CYCLE[k % len(CYCLE)] for k, name in enumerate(names)]
    # an unknown value has the code -1, which takes the last row
    table = np.array([to_rgba(color) for color in [*hexes, UNKNOWN]], dtype=np.float32)
    counts = np.bincount(code[code >= 0], minlength=len(names))
    entries = [Entry(str(name), color, int(n)) for name, color, n in zip(names, hexes, counts, strict=True)]
    known = list(NAMED)
    entries.sort(key=lambda e: known.index(e.name) if e.name in known else len(known))
    return table[code], Legend(str(values.name), tuple(entries), n_unknown=int((code < 0).sum()))


def _numbers(values: pd.Series) -> tuple[Rgba, Legend]:
    number = values.to_numpy(dtype=float, na_value=np.nan)
    known = number[np.isfinite(number)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    ramp: tuple[str, ...] = UNSIGNED
    if str(values.name).startswith(("p_", "share_", "lfdr", "neuron_prob")):
        low, high = 0.0, 1.0
    elif low < 0:
        high = max(-low, high)
        low, ramp = -high, SIGNED
    if high <= low:
        high = low + 1.0
    colors = np.empty((number.size, 4), np.float32)
    steps = LinearSegmentedColormap.from_list("ramp", ramp)(np.linspace(0, 1, 256)).astype(np.float32)
    place = np.clip((np.nan_to_num(number, nan=low) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    np.take(steps, place, axis=0, out=colors)
    colors[~np.isfinite(number)] = to_rgba(UNKNOWN)
    return colors, Legend(str(values.name), (), (low, high), ramp, int(number.size - known.size))
