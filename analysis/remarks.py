"""What of a synapse table may not be what its author meant: columns, groups and units that are allowed and look odd."""

import difflib

import pandas as pd

from synimg.analysis.controls import CONTROL_GROUPS
from synimg.schema import SYNAPSES

ALIKE_COLUMNS, ALIKE_GROUPS = 0.78, 0.7
"""Similarity of names (`difflib`) from which one is asked about."""
LEAST_RECEPTORS = 1.0


def remarks(table: pd.DataFrame, asked: str | None = None) -> list[str]:
    """Sentences on a checked synapse table; `asked` is a column of the user's own that is made use of."""
    return _misspelt(table, asked) + _nearly_controls(table) + _no_errors(table) + _no_counts(table)


def _misspelt(table: pd.DataFrame, asked: str | None) -> list[str]:
    unknown = [name for name in map(str, table.columns) if name not in SYNAPSES.names and name != asked]
    absent = [name for name in SYNAPSES.names if name not in table or table[name].isna().all()]
    said = []
    for name in unknown:
        like = difflib.get_close_matches(_plain(name), absent, 1, ALIKE_COLUMNS)
        if _plain(name) in SYNAPSES.names and not like:
            said.append(f"column '{name}' is not used, for there is '{_plain(name)}'")
        elif like:
            said.append(f"column '{name}' is not used; did you mean '{like[0]}'?")
    return said


def _nearly_controls(table: pd.DataFrame) -> list[str]:
    if "group" not in table:
        return []
    said = []
    for name in sorted(table["group"].dropna().unique()):
        plain = _plain(name)
        like = difflib.get_close_matches(plain, CONTROL_GROUPS, 1, ALIKE_GROUPS)
        like += [control for control in CONTROL_GROUPS if plain.startswith(control)]
        if plain not in CONTROL_GROUPS and like:
            known = f"{', '.join(CONTROL_GROUPS[:-1])} or {CONTROL_GROUPS[-1]}"
            said.append(
                f"group '{name}' is not taken for controls, which are called {known}; did you mean '{like[0]}'?"
            )
    return said


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _no_errors(table: pd.DataFrame) -> list[str]:
    missing = [name for name in ("r_old_se", "r_new_se") if name not in table or table[name].isna().all()]
    if not missing:
        return []
    which, of = ("standard errors", "") if len(missing) == 2 else (f"'{missing[0]}'", f" in '{missing[0][:-3]}'")
    return [f"the table has no {which}: counts{of} are taken to be free of measurement error"]


def _no_counts(table: pd.DataFrame) -> list[str]:
    median = float((table["r_old"] + table["r_new"]).median())
    if median >= LEAST_RECEPTORS:
        return []
    return [
        f"half of the synapses have a total of {median:.2g} or less: 'r_old' and 'r_new' are numbers of receptors, whose scatter "
        "follows from them; divide intensities by that of one receptor first"
    ]
