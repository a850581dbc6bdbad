"""The command `synimg benchmark`."""

from typing import Annotated, Any

import typer

from synimg.cli.options import Out, Workers, n_workers
from synimg.cli.say import say


def benchmark(
    out: Out,
    method: Annotated[
        list[str] | None,
        typer.Option(help="FILE.py:FUNCTION enters yours beside the built-in ones; a name runs that one alone"),
    ] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="a scenario's name; all if not given")] = None,
    seeds: Annotated[int, typer.Option(help="tables per scenario")] = 3,
    limit_s: Annotated[float, typer.Option(help="time limit of a method on a table")] = 300.0,
    imaged: Annotated[
        bool, typer.Option("--imaged", help="also tables measured on images, of five scenarios; minutes each, once")
    ] = False,
    workers: Workers = None,
) -> None:
    """Run separation methods on the challenge suite; write the leaderboard. The same call again goes on.

    Examples: `synimg benchmark --out board --method my_method.py:separate`,
    `synimg benchmark --out board --imaged --scenario half_learned`
    """
    from synimg.progress import bars
    from synimg.viewers.benchmark import benchmark as run

    with bars() as report:
        board = run(out, method or [], scenario or [], seeds, n_workers(workers, None), limit_s, report, imaged)
    _print_leaderboard(board)
    say(f"{out / 'leaderboard.html'}: {board['scenario'].nunique()} scenarios; open it in a browser")


def _print_leaderboard(board: Any) -> None:
    """A row per method, in 80 columns, and who failed where."""
    from rich.console import Console
    from rich.table import Table

    from synimg.analysis.validate.benchmark.leaderboard import other_tables, summary

    console = Console(width=80)
    table = Table(box=None, pad_edge=False, header_style="cyan")
    table.add_column("method", overflow="fold", max_width=26)
    for title in ("AP / ceiling", "FDR .05 high", "factor holds", "s", "failed"):
        table.add_column(title, justify="right", max_width=7)
    table.add_column("least AP / ceiling", overflow="fold")
    for _, row in summary(board).iterrows():
        share, cover, seconds, least = (
            "-" if row[name] != row[name] else format(row[name], form)
            for name, form in (("ap_share", ".3f"), ("factor_cover", ".2f"), ("seconds", ".1f"), ("least_share", ".2f"))
        )
        failed = f"{row['n_failed']}/{row['n_tables']}"
        table.add_row(
            row["method"], share, str(row["fdr_05_broken"]), cover, seconds, failed, f"{least} {row['least_at']}"
        )
    console.print(table)
    for _, row in board[board["above_ceiling"].fillna(False)].iterrows():
        say(f"note: {row['method']} on {row['scenario']}: above the ceiling, so it knows the truth")
    if warning := other_tables(board):
        say(f"note: {warning}")
