"""The command `synimg info`."""

import json
from pathlib import Path
from typing import Any

import typer

from synimg.cli.options import DatasetPath, Json
from synimg.cli.state import criterion, incomplete_runs


def info(dataset: DatasetPath, as_json: Json = False) -> None:
    """Say what a data set is and which stages are done.

    Example: `synimg info mouse01`
    """
    from synimg.store.cohort import is_cohort

    if is_cohort(dataset):
        _print_cohort(dataset, as_json)
        return
    facts = _facts(dataset)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if name == "incomplete" and not value:
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            text = ", ".join(f"{k} {v:.2g}" if isinstance(v, float) else f"{k} {v}" for k, v in value.items())
        typer.echo(f"{name:<{width}}  {text}")


def _facts(dataset: Path) -> dict[str, Any]:
    """What a data set is, by name."""
    from synimg.store.dataset import Dataset

    found = Dataset.open(dataset)
    config = found.config
    size = sum(p.stat().st_size for p in found.path.rglob("*") if p.is_file())
    return {
        "path": str(found.path),
        "animal_id": config.animal_id,
        "group": config.group,
        "seed": config.seed,
        "shape_vox": list(config.volume.shape_vox),
        "voxel_um": list(config.volume.voxel_um),
        "n_units": config.network.n_units,
        "n_imaged_neurons": config.tissue.n_imaged_neurons,
        "rule": config.rule.kind,
        "homeostasis": config.homeostasis.kind,
        "drift": config.drift.kind,
        "tag": config.tag.kind,
        "stages": list(found.index["stages"]),
        "learning": criterion(found),
        "incomplete": {
            run: f"{n} damaged chunk{'s' if n > 1 else ''} left out; next: synimg repair, then measure again"
            for run, n in incomplete_runs(found).items()
        },
        "saturated_share": found.index["stages"].get("image", {"notes": {}})["notes"].get("saturated_share", {}),
        "bytes": size,
        "software": found.index["software"],
    }


def _print_cohort(folder: Path, as_json: bool) -> None:
    """The animals of a cohort, a line for each."""
    from synimg.store.cohort import Cohort

    animals = Cohort.open(folder).animals
    rows = [
        {
            "animal_id": a.config.animal_id,
            "group": a.config.group,
            "stages": list(a.index["stages"]),
            "learning": criterion(a),
            "incomplete": list(incomplete_runs(a)),
        }
        for a in animals
    ]
    lines = [
        f"{row['animal_id']}  {row['group']:<9} {', '.join(row['stages'])}  {row['learning']}".rstrip() for row in rows
    ]
    lines += [
        f"note: {row['animal_id']}: run '{run}' was measured without damaged chunks"
        for row in rows
        for run in row["incomplete"]
    ]
    lines += [f"note: {warning}" for warning in Cohort.open(folder).index["warnings"]]
    typer.echo(json.dumps({"path": str(folder), "animals": rows}, indent=1) if as_json else "\n".join(lines))
