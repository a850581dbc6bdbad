"""What the index of a data set tells of how it was made and measured."""

from typing import Any


def criterion(dataset: Any) -> str:
    """How far a network came that was to learn its task; an empty text for others."""
    stage, config = dataset.index["stages"].get("network", {"notes": {}}), dataset.config
    if "criterion_met" not in stage["notes"] or config.rule.kind == "off":
        return ""
    if stage["notes"]["criterion_met"]:
        return "criterion met"
    trials = config.training.n_updates * config.training.batch
    return (
        f"criterion not met: the score is {stage['notes']['score']:.2f} after {trials} trials, "
        f"training.criterion is {config.training.criterion:g}"
    )


def incomplete_runs(dataset: Any) -> dict[str, int]:
    """How many damaged chunks of the image were left out, by the run that was measured so."""
    return {
        stage.removesuffix("/measure"): len(damaged)
        for stage, entry in dataset.index["stages"].items()
        if stage.endswith("/measure") and (damaged := entry["notes"].get("damaged"))
    }
