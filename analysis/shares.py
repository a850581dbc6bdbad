"""Shares of the causes per animal, with intervals: of bootstrap samples of neurons, or of posterior draws."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.streams import stream

Floats = NDArray[np.float64]
CAUSES = ("learning", "homeostasis", "drift")
N_BOOTSTRAP = 200


def per_ln(growth: Floats) -> Floats:
    """Receptors per unit of ln growth, as a share of those at death: ``(1 - exp(-g)) / g``.

    The logarithmic mean of both ends, which turns parts of ln growth into receptors that add up.
    """
    small = np.abs(growth) < 1e-9
    share: Floats = np.where(small, 1.0, -np.expm1(-growth) / np.where(growth == 0, 1.0, growth))
    return share


def variance_shares(parts: Floats) -> Floats:
    """Share (k,) of each part (n, k) in the variance of their sum: cov(part, sum) / var(sum).

    Shares add up to 1 and may be negative, since causes are correlated.
    """
    total = parts.sum(axis=1)
    variance = total.var()
    if variance == 0.0:
        return np.full(parts.shape[1], np.nan)
    centred = parts - parts.mean(axis=0)
    shares: Floats = (centred * (total - total.mean())[:, None]).mean(axis=0) / variance
    return shares


def animal_table(
    table: pd.DataFrame,
    log_parts: Floats,
    linear_parts: Floats,
    p_learning: Floats,
    identifiable: bool,
    why: str,
    seed: int,
) -> pd.DataFrame:
    """One row per animal by `schema.ANIMAL_RESULT`.

    Parameters
    ----------
    table : DataFrame
        Synapse table with ``animal_id``, ``neuron_id`` and perhaps ``group``.
    log_parts, linear_parts : (n, 3) ndarray
        Change by learning, homeostasis and drift in ln receptors and in receptors.
    p_learning : (n,) ndarray
        Probability of a change by learning.
    identifiable, why : bool, str
        Whether the split rests on more than an assumption, and the reason.
    seed : int
        Of the bootstrap.
    """
    rows = []
    for animal_id, where in table.groupby("animal_id", sort=True).indices.items():
        row: dict[str, object] = {"animal_id": animal_id}
        if "group" in table:
            row["group"] = table["group"].iloc[where[0]]
        neurons = table["neuron_id"].to_numpy()[where]
        draws = _draws(neurons, seed, str(animal_id))
        for scale, parts in (("var", log_parts[where]), ("lin", linear_parts[where])):
            shares = variance_shares(parts)
            spread = np.array([variance_shares(parts[draw]) for draw in draws])
            for k, cause in enumerate(CAUSES):
                _put(row, f"{scale}_share_{cause}", shares[k], spread[:, k])
        learned = p_learning[where]
        _put(row, "share_learned", float(learned.mean()), np.array([learned[draw].mean() for draw in draws]))
        rows.append(row | {"identifiable": identifiable, "why": why})
    return pd.DataFrame(rows)


def animal_table_of_draws(
    table: pd.DataFrame, draws: Iterable[tuple[NDArray[np.bool_], Floats, Floats]], identifiable: bool, why: str
) -> pd.DataFrame:
    """One row per animal by `schema.ANIMAL_RESULT`, from draws of the posterior.

    Parameters
    ----------
    table : DataFrame
        Synapse table with ``animal_id`` and perhaps ``group``.
    draws : iterable of (learned (n,), log parts (n, 3), linear parts (n, 3))
        Of the table's rows.
    identifiable, why : bool, str
        As in `animal_table`.

    Notes
    -----
    A share in the variance is that of the causes themselves: posterior means vary less than what they estimate, and
    would give what is least known, drift, too little.
    """
    where = table.groupby("animal_id", sort=True).indices
    names = [f"{scale}_share_{cause}" for scale in ("var", "lin") for cause in CAUSES] + ["share_learned"]
    found: dict[str, list[Floats]] = {str(animal_id): [] for animal_id in where}
    for learned, log_parts, linear_parts in draws:
        for animal_id, rows in where.items():
            shares = [
                variance_shares(log_parts[rows]),
                variance_shares(linear_parts[rows]),
                learned[rows].mean(keepdims=True),
            ]
            found[str(animal_id)].append(np.concatenate(shares))
    result = []
    for animal_id, rows in where.items():
        row: dict[str, object] = {"animal_id": animal_id}
        if "group" in table:
            row["group"] = table["group"].iloc[rows[0]]
        values = np.array(found[str(animal_id)])
        for k, name in enumerate(names):
            _put(row, name, values[:, k].mean(), values[:, k])
        result.append(row | {"identifiable": identifiable, "why": why})
    return pd.DataFrame(result)


def _draws(neurons: NDArray[np.int64], seed: int, animal_id: str) -> list[NDArray[np.int64]]:
    """Rows of bootstrap samples: whole neurons are drawn with replacement."""
    order = np.argsort(neurons, kind="stable")
    ids, first = np.unique(neurons[order], return_index=True)
    members = np.split(order, first[1:])
    rng = stream(seed, "separate", "bootstrap", animal_id)
    return [np.concatenate([members[i] for i in rng.integers(0, ids.size, ids.size)]) for _ in range(N_BOOTSTRAP)]


def _put(row: dict[str, object], name: str, value: float, spread: Floats) -> None:
    row[name] = float(value)
    row[f"{name}_lo"], row[f"{name}_hi"] = (float(v) for v in np.quantile(spread, [0.025, 0.975]))
