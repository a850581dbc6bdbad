"""What `synimg measure` does with a data set, or with every animal of a cohort."""

from pathlib import Path
from typing import Any

import typer

from synimg.cli.options import tracing_of
from synimg.cli.say import say, say_quality
from synimg.errors import SynimgError


def measure_data_sets(
    source: Path, run: str, values: dict[str, Any], traces: list[Path] | None, where: tuple[int | None, str | None]
) -> None:
    """Measure the data sets in the folder `source` by the settings in `values`, None for those not given."""
    from synimg.analysis.measure import measure
    from synimg.analysis.measure_settings import MeasureSettings
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of

    settings = MeasureSettings.parse({k: v for k, v in values.items() if v is not None}, "measure")
    paths, tracing = datasets_of(source), tracing_of(traces, values["least_parent_prob"] if traces else None)
    if tracing.traces and len(paths) > 1:
        raise SynimgError(f"{source}: a cohort; dendrites are traced in one animal: give its folder")
    incomplete = False
    for path in paths:
        with bars() as report:
            table = measure(path, run, settings, *where, report, tracing if tracing.traces else None)
        quality = say_quality(path / "analysis" / run)
        said, after = f"{path / 'analysis' / run}: {len(table)} synapses measured", f"synimg separate {source}"
        if quality.missing.places:
            incomplete = True
            said += f", INCOMPLETE: {quality.missing.share:.0%} of the image could not be"
            after = f"synimg repair {path}, then measure again"
        elif quality.n_synapses and quality.share_unassigned is None:
            after = f"synimg measure {path} --traces FOLDER, for causes are told apart by parent"
        say(f"{said}; next: {after}")
    if incomplete:
        raise typer.Exit(3)
