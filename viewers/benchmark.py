"""The challenge suite with its leaderboard as Parquet, one HTML page and a picture."""

import base64
import html
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

import synimg
from synimg import compute
from synimg.analysis.validate.benchmark import run_suite
from synimg.analysis.validate.benchmark.leaderboard import other_tables, summary
from synimg.analysis.validate.benchmark.suite import LIMIT_S, N_SEEDS
from synimg.phantoms.scenarios.suite import SCENARIOS, VERSION
from synimg.store.atomic import atomic_path, write_text
from synimg.viewers.figures.leaderboard import leaderboard_figure

SUMMARY = {
    "method": ("method", "{}"),
    "ap_share": ("AP / ceiling", "{:.3f}"),
    "least_share": ("least", "{:.2f}"),
    "least_at": ("at", "{}"),
    "fdr_05_broken": ("FDR .05 too high", "{:.0f}"),
    "fdr_10_broken": ("FDR .10 too high", "{:.0f}"),
    "calibration_error": ("calibration error", "{:.3f}"),
    "factor_cover": ("factor's interval holds", "{:.2f}"),
    "common_cover": ("common interval holds", "{:.2f}"),
    "delta_learning_cover": ("Δ learning's holds", "{:.2f}"),
    "flags_right": ("flags right", "{:.0%}"),
    "seconds": ("s per table", "{:.1f}"),
    "peak_mib": ("peak MiB", "{:.0f}"),
    "n_failed": ("failed", "{:.0f}"),
}
SCENARIO = {
    "method": ("method", "{}"),
    "average_precision": ("AP", "{:.3f}"),
    "ap_share": ("/ ceiling", "{:.3f}"),
    "called_05": ("called at .05", "{:.0f}"),
    "fdr_05": ("FDR", "{:.3f}"),
    "called_10": ("called at .10", "{:.0f}"),
    "fdr_10": ("FDR", "{:.3f}"),
    "calibration_error": ("calibration error", "{:.3f}"),
    "factor_rmse_ln_centred": ("ln factor's error", "{:.3f}"),
    "factor_cover": ("interval holds", "{:.2f}"),
    "common_cover": ("common", "{:.2f}"),
    "delta_learning_r2": ("Δ learning R²", "{:.2f}"),
    "delta_learning_cover": ("holds", "{:.2f}"),
    "delta_homeostasis_cover": ("Δ homeostasis", "{:.2f}"),
    "delta_drift_cover": ("Δ drift", "{:.2f}"),
    "flags_right": ("flags right", "{:.0%}"),
    "seconds": ("s", "{:.1f}"),
    "peak_mib": ("MiB", "{:.0f}"),
    "n_failed": ("failed", "{:.0f}"),
}

ABOVE = "above the ceiling: it knows the truth"
"""What is said of a method that does better than the posterior under the true parameters, beyond chance."""


def benchmark(
    out: str | Path,
    methods: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    n_seeds: int = N_SEEDS,
    workers: int | None = None,
    limit_s: float = LIMIT_S,
    report: compute.Report = compute.silent,
    imaged: bool = False,
) -> pd.DataFrame:
    """Run separation methods on the challenge suite and write the leaderboard to `out`.

    Parameters
    ----------
    out : path
        Folder: new, empty, or of an earlier run of the same suite, which then goes on.
    methods : sequence of str
        ``FILE.py:FUNCTION`` enters a method beside all built-in and installed ones; names run those alone.
    scenarios : sequence of str
        Names; all if empty.
    n_seeds : int
        Tables per scenario.
    workers : int, optional
        Processes; more than one needs ``if __name__ == "__main__":`` in a script.
    limit_s : float
        Time limit of a method on a table.
    report : callable
        Called with (what, done, total).
    imaged : bool
        Whether tables that were measured on images come along, of the five scenarios that have one.

    Returns
    -------
    DataFrame
        A row per scenario and method; see `analysis.validate.benchmark.leaderboard`.

    Raises
    ------
    SynimgError
        For an unknown scenario or method, a folder that holds something else, or cells of another version of the suite.
    """
    out = Path(out)
    board = run_suite(out, methods, scenarios, n_seeds, workers, limit_s, report, imaged)
    picture = _png(board)
    with atomic_path(out / "leaderboard.png") as temporary:
        temporary.write_bytes(picture)
    write_text(out / "leaderboard.html", render_leaderboard(board, picture))
    return board


def _png(board: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    leaderboard_figure(board).savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def render_leaderboard(board: pd.DataFrame, picture: bytes) -> str:
    """The leaderboard as one HTML page with the picture (PNG) inside."""
    methods = summary(board)
    n_tables = int(board.loc[board["method"] == "ceiling", "n_tables"].sum())
    n_scenarios = board["scenario"].nunique()
    text = f"Version {VERSION} of the suite: {n_scenarios} scenarios, {n_tables} tables, {len(methods) - 1} methods."
    warning = other_tables(board)
    template = resources.files("synimg.viewers.report").joinpath("leaderboard.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        summary=html.escape(text) + (f' <strong class="bad">{html.escape(warning)}.</strong>' if warning else ""),
        methods=_table([_header(SUMMARY), *(_row(row, SUMMARY) for _, row in methods.iterrows())]),
        picture=base64.b64encode(picture).decode("ascii"),
        scenarios=_table(_scenario_rows(board)),
        failures=_failures(board),
        version=html.escape(synimg.__version__),
    )


def _table(rows: list[str]) -> str:
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _header(columns: dict[str, tuple[str, str]]) -> str:
    return "<tr>" + "".join(f"<th>{html.escape(title)}</th>" for title, _ in columns.values()) + "</tr>"


def _scenario_rows(board: pd.DataFrame) -> list[str]:
    rows = [_header(SCENARIO)]
    for name, part in board.groupby("scenario", sort=False):
        what = f"<strong>{html.escape(str(name))}</strong>: {html.escape(SCENARIOS[str(name)].hard_at)}"
        rows.append(f'<tr class="scenario"><td colspan="{len(SCENARIO)}">{what}</td></tr>')
        rows += [_row(row, SCENARIO) for _, row in part.iterrows()]
    return rows


def _row(row: "pd.Series[Any]", columns: dict[str, tuple[str, str]]) -> str:
    cells = []
    for name, (_, form) in columns.items():
        value = row[name]
        text = "–" if value is None or pd.isna(value) else html.escape(form.format(value))
        if f"{name}_lo" in row and not pd.isna(row[f"{name}_lo"]):
            text += f" [{row[f'{name}_lo']:.2f}, {row[f'{name}_hi']:.2f}]"
        above = name == "ap_share" and (row.get("above_ceiling") is True or row.get("n_above_ceiling", 0) > 0)
        if above:
            text += f" {ABOVE}"
        bad = (
            above
            or row.get(f"{name}_broken") is True
            or (name in {"n_failed", "fdr_05_broken", "fdr_10_broken"} and value > 0)
        )
        cells.append(f'<td class="bad">{text}</td>' if bad else f"<td>{text}</td>")
    return "<tr>" + "".join(cells) + "</tr>"


def _failures(board: pd.DataFrame) -> str:
    failed = board[board["n_failed"] > 0]
    if failed.empty:
        return "<p>None: every method gave an answer on every table.</p>"
    where: dict[tuple[str, str], list[str]] = {}
    for method, name, why in failed[["method", "scenario", "failed"]].astype(str).to_numpy():
        where.setdefault((method, why), []).append(name)
    items = [
        f"<li><strong>{html.escape(method)}</strong> on {html.escape(', '.join(names))}; {html.escape(why)}</li>"
        for (method, why), names in where.items()
    ]
    return '<ul class="failed">' + "".join(items) + "</ul>"
