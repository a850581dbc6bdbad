"""The command `synimg stitch`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.cli.options import tracing_of
from synimg.cli.say import say


def stitch(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="MEASURED...", help="folders that 'synimg measure --old --new' has written")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder to write to; new or empty, or of an earlier call")],
    positions: Annotated[
        Path | None,
        typer.Option(help="table with tile, z_um, y_um, x_um of the first voxels, if the images do not state them"),
    ] = None,
    max_shift_um: Annotated[float | None, typer.Option(help="farthest that a tile lies from its place  \\[2]")] = None,
    traces: Annotated[
        list[Path] | None, typer.Option(help="SWC files or a folder, as for measure, in the frame of the first tile")
    ] = None,
    min_parent_prob: Annotated[float | None, typer.Option(help="as for measure")] = None,
) -> None:
    """Put together measured tiles or sections that overlap: each synapse once, and how well what was seen twice agrees.

    Example: `synimg stitch measured --positions stage.csv --out whole`
    """
    from synimg.analysis.stitch import StitchSettings
    from synimg.analysis.stitch_folders import stitch as run
    from synimg.viewers.figures.stitched import save_stitched

    values = {} if max_shift_um is None else {"max_shift_um": max_shift_um}
    settings = StitchSettings.parse(values, "stitch")
    found = run(recordings, out, positions, settings, tracing_of(traces, min_parent_prob), save_stitched)
    for sentence in found.warnings:
        say(f"note: {sentence}")
    if len(found.overlaps):
        _print_overlaps(found.overlaps)
    n = int(found.tiles["n_synapses"].sum())
    say(
        f"{out}: {len(found.synapses)} synapses of {n} finds in {len(found.tiles)} tiles; next: synimg separate "
        f"{out / 'synapses.parquet'} --out {out.with_name(out.name + '-separated')}"
    )


def _print_overlaps(overlaps: Any) -> None:
    """What two tiles have in common, a line for each pair."""
    from rich.console import Console
    from rich.table import Table

    columns = ("tiles", "found in both", "by chance", "shift z, y, x [µm]", "counts over errors")
    table = Table(*columns, box=None, pad_edge=False)
    for row in overlaps.to_dict("records"):
        shift = " ".join(f"{row[f'shift_{axis}']:+.2f}" for axis in ("z_um", "y_um", "x_um"))
        again = "-" if row["found_again"] is None else f"{row['found_again']:.0%}"
        scatter = ", ".join(f"{row[f'{name}_scatter']:.2f} {name}" for name in ("old", "new"))
        chance = f"{row['n_both_by_chance'] / max(row['n_both'], 1):.0%}"
        table.add_row(f"{row['tile']}, {row['other']}", f"{row['n_both']}, {again}", chance, shift, scatter)
    Console().print(table)
