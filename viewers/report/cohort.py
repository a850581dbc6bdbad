"""The report of a cohort: its animals and groups beside each other, and how the methods do in each."""

import html
from pathlib import Path
from typing import Any

import pandas as pd

from synimg.analysis.separation_files import measured_synapses
from synimg.analysis.validate.scores import average_precision
from synimg.config import Config
from synimg.store.cohort import Cohort, datasets_of
from synimg.store.dataset import Dataset
from synimg.viewers.figures.cohort import cohort as cohort_figure
from synimg.viewers.report.page import UNTAUGHT, difference_table, fill_template, section, settings_table
from synimg.viewers.report.tables import sortable
from synimg.viewers.source import Source


def render_cohort(path: Path, run: str) -> str:
    """The page of a cohort as HTML text.

    Raises
    ------
    SynimgError
        If an animal is missing, or one has not been validated; the sentence says what to run.
    """
    cohort = Cohort.open(path)
    datasets = [Dataset.open(folder) for folder in datasets_of(path)]
    for dataset in datasets:
        for stage in ("measure", "separate", "validate"):
            if stage == "separate":
                measured_synapses(dataset, run)  # an animal without a synapse cannot get any further
            dataset.require(f"{run}/{stage}", f"synimg {stage} {path} --run {run}")
    sources = [Source(dataset, run) for dataset in datasets]
    animals = pd.DataFrame([_row(source) for source in sources])
    precision = {source.config.animal_id: _precision(source) for source in sources}
    warnings = list(cohort.index["warnings"])
    for source in sources:
        said = f"{source.config.animal_id}: "
        is_taught = source.config.group not in UNTAUGHT
        if is_taught and source.scores["network"].get("criterion_trials", 0) is None:
            warnings.append(said + "the network did not reach the learning criterion")
    config = Config.parse(cohort.index["config"], f"{cohort.path}: configuration")
    groups = animals.groupby("group", sort=False).size()
    what = ", ".join(f"{n} {group}" for group, n in groups.items())
    summary = (
        f"<p>{len(sources)} animals ({html.escape(what)}) of one configuration, each imaged after "
        f"{config.training.window_days:g} days, measured blind, separated and scored.</p>"
    )
    text = (
        "Each dot is an animal; exchange rate and light differ between animals as the section cohort says. Learning should "
        "show in the trained group alone; turnover has constitutive exchange, homeostasis and drift in it, and differs "
        "between groups for other reasons too."
    )
    table = sortable("animals", animals, "group = trained")
    methods = pd.DataFrame([{"animal_id": animal, **row} for animal, row in precision.items()])
    body = [
        section("Groups and methods", text, cohort_figure(animals, precision)),
        f"<section><h2>Every animal</h2>{table}</section>",
        f"<section><h2>Average precision by method</h2>{sortable('methods', methods, 'raw > 0.3')}</section>",
    ]
    items = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings) or "<li>none</li>"
    return fill_template(
        title=f"cohort {path.name}",
        summary=summary,
        warnings=items,
        headlines="",
        body="\n".join(body),
        settings=difference_table(config) + settings_table(config),
        software=", ".join(f"{k} {v}" for k, v in datasets[0].index["software"].items()),
    )


def _row(source: Source) -> dict[str, Any]:
    """One animal in the table."""
    scores, found = source.scores, source.separation.animals.iloc[0]
    shares = {f"share_learned{end}": found[f"share_learned{end}"] for end in ("", "_lo", "_hi")}
    return {
        "animal_id": source.config.animal_id,
        "group": source.config.group,
        "n_synapses": len(source.synapses),
        "f1": scores["imaging"]["f1"],
        **shares,
        "share_learned_true": scores["separation"]["share_learned_true"],
        "average_precision": scores["separation"]["average_precision"],
        "ln_factor_error": scores["separation"]["factor"]["rmse_ln"],
        "log_turnover": float(source.synapses["log_turnover"].median()),
    }


def _precision(source: Source) -> dict[str, float | None]:
    """Average precision of several methods; None where no synapse learned."""
    if not source.learned.any():
        return dict.fromkeys(source.rankings)
    return {name: average_precision(source.learned, ranking) for name, ranking in source.rankings.items()}
