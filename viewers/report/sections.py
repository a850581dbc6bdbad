"""The sections of a report: what each says, and the figure that shows it."""

import html
import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.analysis.diagnosis import diagnosis_lines
from synimg.analysis.separate.protocol import Separation
from synimg.errors import SynimgError
from synimg.viewers.figures.counterfactual import disagreement
from synimg.viewers.gallery import draw
from synimg.viewers.source import Source

Section = tuple[str, str, Figure | None]
"""Title, text, figure."""


def sections_of(source: Source) -> list[Section]:
    """Every section that the data set has, in the order of the story: network, image, separation."""
    return [*_network(source), *_image(source), *_separation(source)]


def _if_there(name: str, source: Source) -> Figure | None:
    """The figure, or None where this data set cannot have it."""
    try:
        return draw(name, source)
    except SynimgError:
        return None


def _network(source: Source) -> list[Section]:
    network = source.scores["network"]
    ledger = (
        f"Every change of every synapse is booked by its cause; the causes add up to the change within "
        f"{network['ledger_error_receptors']:.0e} receptors and {network['ledger_error_ln']:.0e} in ln receptors. "
        f"{network['share_learned']:.0%} of the synapses count as learned."
    )
    moved = ("What moved the synapses", ledger, draw("causes", source))
    if source.config.imported.edges:
        return [moved]
    sections: list[Section] = [moved]
    if source.config.training.counterfactuals:
        sections.append(("Booked, or made?", _counterfactual_text(source.truth), draw("counterfactual", source)))
    if (gradient := _if_there("input_gradient", source)) is not None:
        sections.append(("Along the order of the inputs", _GRADIENT_TEXT, gradient))
    learned = (
        f"It reached the criterion ({network['score']} {network['criterion']:g}) after {network['criterion_trials']} trials"
        if network["criterion_trials"] is not None
        else "It did not reach the criterion in the trials it had"
    )
    text = f"{learned}; at the end its {network['score']} on test trials is {network['final_score']:.3f}."
    film = (
        "The imaged synapses over the window: the area of a dot is its receptors, the colour what learning has added by then. "
        "New and gone are counted from the pulse."
    )
    curve = ("What the network learned", text, draw("learning_curve", source))
    return [curve, *sections, ("The growth of the map", film, draw("growth", source))]


_GRADIENT_TEXT = (
    "Mean change of the synapses of each input's axons, for the cells of each pool; bands are two standard errors. A pool "
    "stands for one answer; where learning ties inputs to answers, the slopes of the pools are opposite. The tag's ratio has "
    "constitutive turnover in it, the same for all."
)


def _counterfactual_text(truth: pd.DataFrame) -> str:
    """Where the ledger and the runs without a cause disagree."""
    rows = [
        f"{cause}: correlation {r:.2f}, mean difference {apart:.0%} of the mean change"
        for cause, (r, apart) in disagreement(truth).items()
        if np.isfinite(r)
    ]
    return (
        "The ledger says what moved a synapse; a second run without the cause says what would not have happened. The two "
        "differ where causes answer each other: without learning, homeostasis has other errors to correct. "
        + "; ".join(rows)
        + "."
    )


def _image(source: Source) -> list[Section]:
    imaging = source.scores["imaging"]
    size = " × ".join(f"{s:.1f}" for s in source.config.volume.size_um)
    picture = (
        f"A block of {size} µm in {len(source.channels)} channels. Pulse-labelled (old) receptors are magenta, "
        "chase-labelled (new) ones green; the dyes in the cytosol tell the neurons apart."
    )
    parents = imaging["parents"]["accuracy"]
    counts = (
        f"{imaging['n_found']} synapses were found, {imaging['n_true']} were there: precision {imaging['precision']:.3f}, "
        f"recall {imaging['recall']:.3f} (matched one to one within {imaging['gate_um']['lateral_um']} µm laterally and "
        f"{imaging['gate_um']['axial_um']} µm axially; chance F1 {imaging['chance_f1']:.3f})."
    )
    if n_others := imaging.get("n_true_background", 0):  # scores of an older version have none
        counts += f" {n_others} of those there belong to neurons that are not in the network."
    if parents is not None:
        counts += f" The parent neuron is right for {parents:.1%}."
    drawn = draw("image", source)
    if n := len(source.unread):
        picture += f" {n} of its chunks could not be read and {'is' if n == 1 else 'are'} black here; synimg repair mends them."
    return [
        ("The image", picture, drawn),
        ("Counting receptors", counts, _if_there("counts", source)),
        *_quality(source),
    ]


def _quality(source: Source) -> list[Section]:
    """How far the measurement can be trusted, by what it can know without the truth."""
    try:
        quality = source.quality
    except SynimgError:  # a run that was edited by hand
        return []
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in quality.warnings())
    rows = "".join(f"<tr><td>{_typeset(k)}</td><td>{_typeset(v)}</td></tr>" for k, v in quality.headlines().items())
    text = (
        "What the measurement says of itself, without the truth: parts of the image were made anew from what was found, with "
        "the neighbours that must hide there, and measured again; and bright synapses that stand alone show the optics."
        + (f"<ul>{said}</ul>" if said else "")
        + f"<table>{rows}</table>"
    )
    return [("How far to trust the measurement", text, _if_there("optics", source))]


def _typeset(line: str) -> str:
    """A line that a terminal shows in plain letters, with the signs that a page has."""
    line = re.sub(r"\bum\^3", "µm³", line).replace("+-", "±")
    return html.escape(re.sub(r"\bum\b", "µm", line))


def _separation(source: Source) -> list[Section]:
    separation = source.scores["separation"]
    sections: list[Section] = []
    if (diagnosis := source.separation.info["diagnosis"].get("table")) is not None:
        lines = "".join(f"<li>{_typeset(line)}</li>" for line in diagnosis_lines(diagnosis))
        sections.append(("What the table looked like before it was separated", f"<ul>{lines}</ul>", None))
    if (factor := _if_there("factor", source)) is not None:
        sections.append(("Homeostasis: one factor per neuron", _factor_text(separation["factor"]), factor))
    if source.learned.any():
        sections.append(("Which synapses learned?", _ranking_text(separation), draw("precision_recall", source)))
        method, rows = separation["method"], source.scores["average_precision"]
        text = html.escape(
            f"The same separation ('{method}') on tables that carry more and more of the measurement's errors. "
        )
        text += html.escape(lost_text(rows, method)) + _budget_table(rows)
        sections.append(("Error budget", text, draw("error_budget", source)))
    else:
        found = separation["discovery"][1]["n_called"]
        text = f"No synapse of this network learned by the stated definition; {found} were called at an FDR of 0.1."
        sections.append(("Which synapses learned?", text, None))
    if (groups := _if_there("groups", source)) is not None:
        sections.append((f"By {source.separation.info['by']['column']}", _groups_text(source.separation), groups))
    if (erasure := _if_there("erasure", source)) is not None:
        text = (
            "In the ground-truth network, learning is undone in a number of imaged synapses, chosen in several ways, and "
            "the task is tested again. A good choice hurts as much as the truly learned synapses do."
        )
        sections.append(("In-silico erasure", text, erasure))
    return sections


def lost_text(rows: dict[str, dict[str, float | None]], method: str) -> str:
    """Which stage loses most of the truth: the largest fall of the average precision from one table to the next.

    Parameters
    ----------
    rows : dict
        Average precision by stage, from the true counts on, and by method.
    method : str
        The method whose fall is told.
    """
    known = [(stage, float(v)) for stage, row in rows.items() if (v := row.get(method)) is not None]
    if len(known) < 2:
        return ""
    falls = [(before[1] - after[1], before, after) for before, after in itertools.pairwise(known)]
    fall, before, after = max(falls, key=lambda item: item[0])
    if fall <= 0.01:
        return f"No stage loses anything to speak of: average precision {known[0][1]:.2f} at first, {known[-1][1]:.2f} at last."
    return (
        f"Most is lost from '{before[0]}' to '{after[0]}': average precision {before[1]:.2f} becomes {after[1]:.2f}; "
        f"from first to last {known[0][1]:.2f} becomes {known[-1][1]:.2f}."
    )


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
    realised = "" if found["realised_fdr"] is None else f"; the realised rate is {found['realised_fdr']:.2f}"
    if "ceiling" in separation:
        top = separation["ceiling"]
        low, high = top["share_95"]
        interval += f", {top['share']:.0%} ({low:.0%} to {high:.0%}) of what can be had by who knows the network's laws"
    return (
        f"{separation['share_learned_true']:.0%} of the measured synapses learned. Average precision of "
        f"'{separation['method']}': {separation['average_precision']:.2f}{interval}. At a nominal false discovery rate of "
        f"0.1 it calls {found['n_called']} synapses{realised}."
    )


def _budget_table(rows: dict[str, dict[str, float | None]]) -> str:
    names = list(next(iter(rows.values())))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ["average precision", *names])
    body = ""
    for stage, values in rows.items():
        cells = "".join(f"<td>{'-' if values[n] is None else format(values[n], '.3f')}</td>" for n in names)
        body += f"<tr><td>{html.escape(stage)}</td>{cells}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
