"""Tables of a page that sort and filter, without anything from the network."""

import html
import json
from typing import Any

import numpy as np
import pandas as pd

from synimg import schema

DIGITS = 4
DERIVED = {
    "log_turnover": ("ln((old + new) / old)", ""),
    "turnover_residual": ("log turnover minus the median of the neuron", ""),
    "class": ("potentiated, depressed or unchanged at the false discovery rate", ""),
    "match": ("whether the synapse is a true one", ""),
    "ln_learning_true": ("true change of ln receptors by learning", ""),
    "scale_factor_true": ("true homeostatic factor", ""),
}
KNOWN = DERIVED | {
    column.name: (column.meaning, column.unit)
    for table in (schema.ANIMAL_RESULT, schema.NEURON_RESULT, schema.SEPARATION, schema.SYNAPSES)
    for column in table.columns
}
"""Meaning and unit of the columns."""


def sortable(name: str, table: pd.DataFrame, hint: str = "") -> str:
    """A table as HTML: its rows travel as JSON, and the page's script draws, sorts and filters them.

    Parameters
    ----------
    name : str
        Id of the table in the page.
    table : DataFrame
        Columns of numbers, truth values or text; unknown values are left empty. A header has the unit, and tells the
        meaning when it is pointed at.
    hint : str
        An example of a filter, shown where one is typed.
    """
    columns = list(map(str, table.columns))
    data = {
        "columns": columns,
        "about": [KNOWN.get(column, ("", "")) for column in columns],
        "rows": [_row(row) for row in table.itertuples(index=False)],
    }
    # a closing tag within a text would end the script early
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return (
        f'<div class="sortable" id="{html.escape(name)}"><label>show rows with '
        f'<input type="search" placeholder="{html.escape(hint)}" size="34"></label> '
        f'<span class="count"></span><div class="scroll"><table></table></div>'
        f'<button type="button" class="more">more rows</button><script type="application/json">{text}</script></div>'
    )


def _row(row: Any) -> list[Any]:
    return [_value(value) for value in row]


def _value(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}")
    return str(value)
