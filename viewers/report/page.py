"""One HTML page that tells the story of a data set: what was simulated, what was read, and how far it is from the truth."""

import base64
import html
import io
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg import schema
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import read_separation, separate
from synimg.analysis.validate.separation import learned_of
from synimg.config import Config
from synimg.store.atomic import read_json, write_text
from synimg.store.dataset import Dataset
from synimg.store.growth import read_growth
from synimg.store.image import image_attributes, read_block
from synimg.store.network import read_arrays
from synimg.store.tables import read_table
from synimg.viewers.figures.causes import causes
from synimg.viewers.figures.count_calibration import count_calibration
from synimg.viewers.figures.counterfactual import counterfactual, disagreement
from synimg.viewers.figures.erasure import erasure
from synimg.viewers.figures.error_budget import error_budget
from synimg.viewers.figures.factor import factor
from synimg.viewers.figures.groups import groups
from synimg.viewers.figures.growth import growth
from synimg.viewers.figures.image_views import image_views
from synimg.viewers.figures.input_gradient import input_gradient
from synimg.viewers.figures.learning_curve import learning_curve
from synimg.viewers.figures.precision_recall import precision_recall
from synimg.viewers.growth import places_of

PREVIEW_LEVEL = 1
Section = tuple[str, str, Figure | None]
"""Title, text, figure."""


def report(dataset: Dataset | str | Path, run: str = "default", out: str | Path | None = None) -> Path:
    """Write the report of a validated run; return where it is.

    Parameters
    ----------
    dataset : Dataset or path
        With measurement, separation and validation.
    run : str
        Analysis run.
    out : path, optional
        HTML file; ``analysis/<run>/report.html`` in the data set if not given.

    Raises
    ------
    SynimgError
        If a stage is missing, or `out` cannot be written.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    for stage in ("measure", "separate", "validate"):
        dataset.require(f"{run}/{stage}", f"synimg {stage} {dataset.path} --run {run}")
    page = render_page(dataset, run)
    if out is not None:
        path = Path(out)
        write_text(path if path.suffix == ".html" else path.with_suffix(".html"), page)
        return path if path.suffix == ".html" else path.with_suffix(".html")
    dataset.drop(f"{run}/report")
    with dataset.stage(f"{run}/report") as scratch:
        write_text(scratch / "analysis" / run / "report.html", page)
    return dataset.run(run) / "report.html"


def render_page(dataset: Dataset, run: str) -> str:
    """The page as HTML text with all pictures inside."""
    folder, config = dataset.run(run), dataset.config
    scores, info = read_json(folder / "scores.json"), read_json(folder / "result.json")
    sections = [*_network_sections(dataset, scores), *_image_sections(dataset, run, scores)]
    sections += _separation_sections(dataset, run, scores)
    body = "\n".join(_section(*section) for section in sections)
    template = Template(resources.files("synimg.viewers.report").joinpath("template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(f"{config.animal_id}, seed {config.seed}"),
        summary=_summary(config, scores),
        warnings=_warnings(info, scores),
        headlines=_headlines(scores["headlines"]),
        body=body,
        settings=_settings(config),
        software=html.escape(", ".join(f"{k} {v}" for k, v in dataset.index["software"].items())),
    )


def _network_sections(dataset: Dataset, scores: dict[str, Any]) -> list[Section]:
    truth_folder = dataset.path / "truth"
    truth, network = read_table(truth_folder / "synapses.parquet", schema.TRUTH_SYNAPSES), scores["network"]
    ledger = (
        f"Every change of every synapse is booked by its cause; the causes add up to the change within "
        f"{network['ledger_error_receptors']:.0e} receptors and {network['ledger_error_ln']:.0e} in ln receptors. "
        f"{network['share_learned']:.0%} of the synapses count as learned."
    )
    moved = ("What moved the synapses", ledger, causes(truth))
    if dataset.config.imported.edges:
        return [moved]
    sections: list[Section] = [moved]
    if dataset.config.training.counterfactuals:
        sections.append(("Booked, or made?", _counterfactual_text(truth), counterfactual(truth)))
    if truth["input_channel"].notna().any():
        neurons = read_table(truth_folder / "neurons.parquet", schema.TRUTH_NEURONS)
        sections.append(("Along the order of the inputs", _GRADIENT_TEXT, input_gradient(truth, neurons)))
    history, notes = read_arrays(truth_folder / "history.zarr")
    ln_by_cause = {cause: history[f"ln_{cause}"] for cause in ("learning", "homeostasis", "drift")}
    curve = learning_curve(
        history["update"],
        history["score"],
        notes["score"],
        notes["criterion"],
        notes["trials_per_update"],
        history["snapshot"],
        ln_by_cause,
    )
    learned = (
        f"It reached the criterion ({network['score']} {network['criterion']:g}) after {network['criterion_trials']} trials"
        if network["criterion_trials"] is not None
        else "It did not reach the criterion in the trials it had"
    )
    text = f"{learned}; at the end its {network['score']} on test trials is {network['final_score']:.3f}."
    grown, places = read_growth(dataset), places_of(truth)
    film = (
        "The imaged synapses over the window: the area of a dot is its receptors, the colour what learning has added by then. "
        "New and gone are counted from the pulse."
    )
    strip = ("The growth of the map", film, growth(grown, places, dataset.config.volume.size_um))
    return [("What the network learned", text, curve), *sections, strip]


_GRADIENT_TEXT = (
    "Mean change of the synapses of each input's axons, for the cells of each pool; bands are two standard errors. A pool "
    "stands for one answer; where learning ties inputs to answers, the slopes of the pools are opposite. The tag's ratio has "
    "constitutive turnover in it, the same for all."
)


def _counterfactual_text(truth: pd.DataFrame) -> str:
    """Where the ledger and the runs without a cause disagree."""
    rows = [
        f"{cause}: correlation {r:.2f}, {apart:.0%} of the change lies elsewhere"
        for cause, (r, apart) in disagreement(truth).items()
        if np.isfinite(r)
    ]
    return (
        "The ledger says what moved a synapse; a second run without the cause says what would not have happened. The two "
        "differ where causes answer each other: without learning, homeostasis has other errors to correct. "
        + "; ".join(rows)
        + "."
    )


def _image_sections(dataset: Dataset, run: str, scores: dict[str, Any]) -> list[Section]:
    config, imaging = dataset.config, scores["imaging"]
    channels = image_attributes(dataset.image)["ome"]["omero"]["channels"]
    voxels = read_block(dataset.image, str(PREVIEW_LEVEL))
    pixel_um = config.volume.voxel_um[2] * 2**PREVIEW_LEVEL
    views = image_views(voxels[:, voxels.shape[1] // 2], voxels.max(axis=1), channels, pixel_um)
    matched = read_table(dataset.run(run) / "matched.parquet")
    hit = matched[matched["true_synapse_id"].notna()]
    size = " x ".join(f"{s:.1f}" for s in config.volume.size_um)
    picture = (
        f"A block of {size} um in {len(channels)} channels. Pulse-labelled (old) receptors are magenta, "
        "chase-labelled (new) ones green; the dyes in the cytosol tell the neurons apart."
    )
    parents = imaging["parents"]["accuracy"]
    counts = (
        f"{imaging['n_found']} synapses were found, {imaging['n_true']} were there: precision {imaging['precision']:.3f}, "
        f"recall {imaging['recall']:.3f} (matched one to one within {imaging['gate_um']['lateral_um']} um laterally and "
        f"{imaging['gate_um']['axial_um']} um axially; chance F1 {imaging['chance_f1']:.3f})."
    )
    if parents is not None:
        counts += f" The parent neuron is right for {parents:.1%}."
    figure = count_calibration(hit) if len(hit) else None
    return [("The image", picture, views), ("Counting receptors", counts, figure)]


def _separation_sections(dataset: Dataset, run: str, scores: dict[str, Any]) -> list[Section]:
    folder, separation = dataset.run(run), scores["separation"]
    result = read_separation(folder)
    matched = read_table(folder / "matched.parquet")
    truth = read_table(dataset.path / "truth" / "neurons.parquet", schema.TRUTH_NEURONS)
    learned = learned_of(matched)
    rankings = {separation["method"]: result.synapses["p_learning"].to_numpy(float)}
    others = matched[["synapse_id", "neuron_id", "neuron_prob", "r_old", "r_old_se", "r_new", "r_new_se"]]
    for method in ("hierarchical", "neuron_mode", "raw"):
        if method not in rankings:
            rankings[method] = separate(others, method).synapses["p_learning"].to_numpy(float)
    sections: list[Section] = []
    neurons = result.neurons.merge(truth[["neuron_id", "scale_factor"]], on="neuron_id", suffixes=("", "_true"))
    if neurons["scale_factor"].notna().any():
        sections.append(("Homeostasis: one factor per neuron", _factor_text(separation["factor"]), factor(neurons)))
    if learned.any():
        sections.append(("Which synapses learned?", _ranking_text(separation), precision_recall(learned, rankings)))
        budget = {stage: row["hierarchical"] for stage, row in scores["average_precision"].items()}
        text = "The same separation ('hierarchical') on tables that carry more and more of the measurement's errors."
        chance = separation["share_learned_true"]
        sections.append(
            ("Error budget", text + _budget_table(scores["average_precision"]), error_budget(budget, chance))
        )
    else:
        found = separation["discovery"][1]["n_called"]
        text = f"No synapse of this network learned by the stated definition; {found} were called at an FDR of 0.1."
        sections.append(("Which synapses learned?", text, None))
    if result.groups is not None:
        sections.append(
            (f"By {result.info['by']['column']}", _groups_text(result), groups(result.groups, result.info["by"]))
        )
    if "erasure" in scores and scores["network"]["share_learned"] > 0:
        curve = pd.DataFrame(scores["erasure"]["curve"])
        intact, chance = scores["erasure"]["loss_intact"], scores["erasure"]["loss_chance"]
        text = (
            "In the ground-truth network, learning is undone in a number of imaged synapses, chosen in several ways, and "
            "the task is tested again. A good choice hurts as much as the truly learned synapses do."
        )
        sections.append(("In-silico erasure", text, erasure(curve, intact, chance)))
    return sections


def _factor_text(scores: dict[str, Any]) -> str:
    if scores["rmse_ln"] is None:
        return ""
    return (
        f"Error of ln factor {scores['rmse_ln']:.2f} (centred {scores['rmse_ln_centred']:.2f}) at a true spread of "
        f"{scores['sd_ln_true']:.2f}. The 95 % interval holds for {scores['coverage_95']:.0%} of the neurons; with the "
        f"common component, which no data of this kind can tell from learning, for {scores['coverage_common']:.0%}."
    )


def _groups_text(result: Separation) -> str:
    by = result.info["by"]
    text = (
        f"{by['n_synapses']} synapses in {by['n_groups']} groups; bars are 95 % intervals that hold the scatter between "
        f"neurons and animals. Filled: differs from the rest at a false discovery rate of 0.05 over all groups, by "
        f"permutation of the {by['differs_between']}. Drift averages out in the mean change. "
    )
    return html.escape(text + " ".join(f"Note: {note}." for note in by["notes"]))


def _ranking_text(separation: dict[str, Any]) -> str:
    found = separation["discovery"][1]
    low_high = separation["average_precision_95"]
    interval = f" (95 % interval over neurons {low_high[0]:.2f} to {low_high[1]:.2f})" if low_high else ""
    realised = "-" if found["realised_fdr"] is None else f"{found['realised_fdr']:.2f}"
    return (
        f"{separation['share_learned_true']:.0%} of the measured synapses learned. Average precision of "
        f"'{separation['method']}': {separation['average_precision']:.2f}{interval}. At a nominal false discovery rate of "
        f"0.1 it calls {found['n_called']} synapses; the realised rate is {realised}."
    )


def _budget_table(rows: dict[str, dict[str, float | None]]) -> str:
    names = list(next(iter(rows.values())))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ["average precision", *names])
    body = ""
    for stage, values in rows.items():
        cells = "".join(f"<td>{'-' if values[n] is None else format(values[n], '.3f')}</td>" for n in names)
        body += f"<tr><td>{html.escape(stage)}</td>{cells}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _section(title: str, text: str, figure: Figure | None) -> str:
    picture = "" if figure is None else f'<img alt="{html.escape(title)}" src="data:image/png;base64,{_png(figure)}">'
    return f"<section><h2>{html.escape(title)}</h2><div class='text'>{text}</div>{picture}</section>"


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    # without the software's version and date the same data give the same bytes
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _summary(config: Config, scores: dict[str, Any]) -> str:
    tasks = ", then ".join(task.kind.replace("_", " ") for task in (config.task, *config.next_tasks))
    network = (
        f"A network of {config.network.n_units} units learned {tasks} by {config.rule.kind} while homeostasis "
        f"({config.homeostasis.kind}) and drift ({config.drift.kind}) went on"
    )
    if config.imported.edges:
        network = f"A network from elsewhere ({Path(config.imported.edges).name}) changed"
    return html.escape(
        f"{network}, over {config.training.window_days:g} days. {config.tissue.n_imaged_neurons} of its neurons were "
        f"imaged ({scores['imaging']['n_true']} synapses), the image was measured blind, and the result was scored."
    )


def _warnings(info: dict[str, Any], scores: dict[str, Any]) -> str:
    warnings = list(info["warnings"])
    if scores["network"].get("criterion_trials", 0) is None:
        warnings.insert(0, "the network did not reach the learning criterion")
    for found in scores["separation"]["discovery"]:
        rate, n = found["realised_fdr"], found["n_called"]
        if rate is not None and rate > found["nominal"] + 2 * np.sqrt(found["nominal"] / n):
            warnings.insert(
                0, f"at a nominal false discovery rate of {found['nominal']:g} the realised one is {rate:.2f}"
            )
            break
    return "".join(f"<li>{html.escape(text)}</li>" for text in warnings) or "<li>none</li>"


def _headlines(headlines: dict[str, dict[str, str]]) -> str:
    cards = []
    for title, rows in headlines.items():
        body = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
        cards.append(f"<div class='card'><h3>{html.escape(title)}</h3><table>{body}</table></div>")
    return "".join(cards)


def _settings(config: Config) -> str:
    rows = []
    for section, values in config.model_dump(mode="json").items():
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            label = f"{section}.{name}" if name else section
            rows.append(f"<tr><td>{html.escape(label)}</td><td>{html.escape(str(value))}</td></tr>")
    return f"<table>{''.join(rows)}</table>"
