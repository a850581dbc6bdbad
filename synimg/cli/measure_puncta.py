"""What `synimg measure` does with images of any lab that do not show old and new receptors: puncta and pairs."""

from pathlib import Path
from typing import Any

import typer

from synimg.cli.say import say


def measure_puncta(
    images: list[Path],
    voxel: tuple[float, ...] | None,
    channel: list[str],
    out: Path,
    camera: Path | None,
    values: dict[str, Any],
    seed: int,
    tracing: Any,
) -> None:
    """Find and pair the puncta of the images, by the settings in `values`, None for those not given."""
    from synimg.analysis.foreign import ForeignSettings
    from synimg.analysis.foreign_files import measure_foreign
    from synimg.config import read_camera
    from synimg.progress import bars
    from synimg.viewers.figures.overlay import save_overlay

    settings = ForeignSettings.parse({k: v for k, v in values.items() if v is not None}, "measure")
    known = None if camera is None else read_camera(camera)
    with bars() as report:
        summary = measure_foreign(images, voxel, out, channel, settings, seed, report, save_overlay, known, tracing)
    for sentence in summary.warnings:
        say(f"note: {sentence}")
    say(f"{out}: {summary.text}")
    if summary.is_incomplete:
        raise typer.Exit(3)
