"""From cells to the leaderboard: scores beside the ceiling's, with intervals."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from synimg.phantoms.scenarios.scenario import Scenario
from synimg.phantoms.scenarios.suite import SCENARIOS, VERSION

Cells = list[dict[str, Any]]
MEANS = (
    "average_precision",
    "auroc",
    "calibration_error",
    "factor_rmse_ln",
    "factor_rmse_ln_centred",
    "factor_cover",
    "common_cover",
    *(f"delta_{cause}_{what}" for cause in ("learning", "homeostasis", "drift") for what in ("r2", "slope", "cover")),
)
NOMINAL = {"05": 0.05, "10": 0.1}


def is_ranked(scenario: Scenario) -> bool:
    """Whether ranking the learned synapses is a task there: some learned, and the labels are theirs."""
    return scenario.learns and scenario.shuffled != "labels"


def is_null(scenario: Scenario) -> bool:
    """Whether every call is false."""
    return not scenario.learns


def wanted_flag(scenario: Scenario) -> bool | None:
    """Whether a method should say that the causes cannot be told apart.

    None for whole cells without controls, which no diagnostic can see: there the common interval must hold. None for
    shuffled ids, where there is a reason to warn and none to refuse.
    """
    if scenario.shuffled != "nothing" or (scenario.whole_cells and not scenario.identifiable):
        return None
    return not scenario.identifiable


def leaderboard(cells: Cells) -> pd.DataFrame:
    """A row per scenario and method, in the order of the suite; the ceiling is a method among them.

    Notes
    -----
    ``ap_share`` is the mean over tables of average precision divided by the ceiling's on the same table; a table on which
    the method failed counts 0. Its interval is that of bootstrap copies over animals and neurons, paired with the
    ceiling's. ``fdr_05`` and ``fdr_10`` are false calls over calls, pooled over tables, with the wider of the exact
    binomial and the bootstrap interval; where nothing learned, the share of tables with any call. ``above_ceiling``:
    the share's interval lies above 1, which no method reaches that sees the table alone. ``n_differ`` tables are not
    those that the suite's version pins.
    """
    known = [cell for cell in cells if cell["scenario"] in SCENARIOS]
    ceilings = {
        (cell["scenario"], cell["seed"]): cell for cell in known if cell["method"] == "ceiling" and not cell["failed"]
    }
    groups: dict[tuple[str, str], Cells] = {}
    for cell in known:
        groups.setdefault((cell["scenario"], cell["method"]), []).append(cell)
    place = {name: i for i, name in enumerate(SCENARIOS)}
    ordered = sorted(groups, key=lambda key: (place[key[0]], key[1] == "ceiling", key[1]))
    board = pd.DataFrame([_row(SCENARIOS[s], m, groups[s, m], ceilings) for s, m in ordered])
    truths = ["flag_wanted", "fdr_05_broken", "fdr_10_broken", "above_ceiling"]
    others = ["scenario", "method", "failed", "n_tables", "n_failed", "n_differ", "called_05", "called_10"]
    numbers = board.columns.difference([*truths, *others])
    return board.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(truths, "boolean"))


def _row(scenario: Scenario, method: str, cells: Cells, ceilings: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    done = [cell for cell in cells if not cell["failed"]]
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if cell["failed"]:
            reasons.setdefault(cell["failed"], []).append(str(cell["seed"]))
    failed = "; ".join(f"seed {', '.join(seeds)}: {reason}" for reason, seeds in reasons.items())
    row: dict[str, Any] = {"scenario": scenario.name, "method": method, "n_tables": len(cells)}
    row |= {"n_failed": len(cells) - len(done), "failed": failed}
    row["n_differ"] = sum(cell.get("as_pinned") is False for cell in cells)
    row |= _ap_share(scenario, cells, ceilings)
    least = row["ap_share_lo"]
    row["above_ceiling"] = None if least is None else method != "ceiling" and least > 1.0
    for which, nominal in NOMINAL.items():
        row |= _fdr(scenario, done, which, nominal)
    row |= {name: _mean([cell.get(name) for cell in done]) for name in MEANS}
    wanted = wanted_flag(scenario)
    said = [cell["flagged"] for cell in done if cell.get("flagged") is not None]
    row["flag_wanted"] = wanted
    row["flags_right"] = None if wanted is None or not said else float(np.mean([flag == wanted for flag in said]))
    seconds, peaks = ([cell[name] for cell in done if cell[name] is not None] for name in ("seconds", "peak_bytes"))
    row["seconds"] = float(np.median(seconds)) if seconds else None
    row["peak_mib"] = max(peaks) / 2**20 if peaks else None
    return row


def _mean(values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return float(np.mean(given)) if given else None


def _ap_share(scenario: Scenario, cells: Cells, ceilings: dict[Any, dict[str, Any]]) -> dict[str, float | None]:
    empty: dict[str, float | None] = dict.fromkeys(("ap_share", "ap_share_lo", "ap_share_hi"))
    if not is_ranked(scenario):
        return empty
    shares, copies = [], []
    for cell in cells:
        top = ceilings.get((cell["scenario"], cell["seed"]))
        if top is None:
            continue
        above = np.array(top["average_precision_copies"], float)
        if cell["failed"]:
            shares.append(0.0)
            copies.append(np.zeros(above.size))
        else:
            shares.append(cell["average_precision"] / top["average_precision"])
            copies.append(np.array(cell["average_precision_copies"], float) / above)
    if not shares:
        return empty
    # a copy of a table without any learned neuron has no average precision
    low, high = np.nanquantile(np.nanmean(copies, axis=0), [0.025, 0.975])
    return {"ap_share": float(np.mean(shares)), "ap_share_lo": float(low), "ap_share_hi": float(high)}


def _fdr(scenario: Scenario, cells: Cells, which: str, nominal: float) -> dict[str, Any]:
    """Calls, the realised rate with its interval, and whether it is above nominal beyond sampling error."""
    n_called = np.array([cell[f"called_{which}"] for cell in cells], float)
    n_false = np.array([cell[f"false_{which}"] for cell in cells], float)
    total, false = n_called.sum(), n_false.sum()
    row: dict[str, Any] = {f"called_{which}": int(total)}
    names = [f"fdr_{which}", f"fdr_{which}_lo", f"fdr_{which}_hi", f"fdr_{which}_broken"]
    if is_null(scenario):
        false, total = float((n_called > 0).sum()), float(len(cells))
    if scenario.shuffled == "labels" or total == 0:
        return row | dict.fromkeys(names)
    low, high = _binomial(false, total)
    if not is_null(scenario):
        called, wrong = (
            np.array([cell[f"{k}_{which}_copies"] for cell in cells]).sum(axis=0) for k in ("called", "false")
        )
        rates = wrong[called > 0] / called[called > 0]
        low, high = min(low, float(np.quantile(rates, 0.025))), max(high, float(np.quantile(rates, 0.975)))
    return row | dict(zip(names, (false / total, low, high, low > nominal), strict=True))


def _binomial(k: float, n: float) -> tuple[float, float]:
    """Exact 95 % interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return low, high


def other_tables(board: pd.DataFrame) -> str:
    """That tables are not those which the suite's version means, in a sentence; empty if they are."""
    differ = board[board["n_differ"] > 0]
    if differ.empty:
        return ""
    names = list(dict.fromkeys(differ["scenario"].astype(str)))
    n = int(differ.groupby("scenario")["n_differ"].max().sum())
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more scenarios" if len(names) > 5 else "")
    return (
        f"{n} tables are not those of version {VERSION} of the suite ({listed}): another numpy draws them, or changed code; "
        "their scores cannot be compared with others'"
    )


def summary(board: pd.DataFrame) -> pd.DataFrame:
    """A row per method: means over scenarios, and where it is worst; the best method first.

    Notes
    -----
    Means are over the scenarios that can be told apart and whose labels are not shuffled; flags over all that want one
    or none.
    """
    rows = []
    for method, part in board.groupby("method", sort=False):
        fair = part[[SCENARIOS[s].identifiable and SCENARIOS[s].shuffled != "labels" for s in part["scenario"]]]
        worst = fair.dropna(subset=["ap_share"]).sort_values("ap_share", kind="stable").head(1)
        row: dict[str, Any] = {"method": method, "ap_share": fair["ap_share"].mean()}
        row["least_share"] = worst["ap_share"].min()
        row["least_at"] = "".join(worst["scenario"])
        for which in NOMINAL:
            judged = part[f"fdr_{which}_broken"].dropna()
            row[f"fdr_{which}_broken"] = int(judged.astype(bool).sum())
        for name in ("calibration_error", "factor_cover", "delta_learning_cover", "seconds"):
            row[name] = fair[name].astype(float).mean()
        row["common_cover"], row["flags_right"] = (
            part[n].astype(float).mean() for n in ("common_cover", "flags_right")
        )
        row["peak_mib"] = part["peak_mib"].astype(float).max()
        row["n_scenarios"], row["n_tables"] = len(part), int(part["n_tables"].sum())
        row["n_failed"] = int(part["n_failed"].sum())
        row["n_above_ceiling"] = int(part["above_ceiling"].fillna(False).astype(bool).sum())
        rows.append(row)
    found = pd.DataFrame(rows)
    return found.sort_values("ap_share", ascending=False, kind="stable").reset_index(drop=True)
