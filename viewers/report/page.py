"""One HTML page that tells the story of a data set: what was simulated, what was read, and how far it is from the truth."""

import base64
import html
import io
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from synimg.analysis.separation_files import measured_synapses
from synimg.config import Config, preset, presets
from synimg.store.atomic import write_text
from synimg.store.cohort import is_cohort
from synimg.store.dataset import Dataset
from synimg.viewers.report.maps import map_view
from synimg.viewers.report.sections import lost_text, sections_of
from synimg.viewers.report.tables import sortable
from synimg.viewers.source import Source

NEURON_COLUMNS = (
    "neuron_id", "n_synapses", "scale_factor", "scale_factor_lo", "scale_factor_hi", "common_lo", "common_hi", "scale_factor_true",
)  # fmt: skip
SYNAPSE_COLUMNS = (
    "synapse_id", "neuron_id", "branch_id", "class", "match", "p_learning", "r_old", "r_new", "log_turnover",
    "turnover_residual", "delta_learning", "delta_homeostasis", "delta_drift", "ln_learning_true",
)  # fmt: skip
UNTAUGHT = ("yoked", "deprived", "naive")
"""Groups of a cohort that are not meant to learn the task."""
MOST_ROWS = 5000
DPI = 110


def report(dataset: Dataset | str | Path, run: str = "default", out: str | Path | None = None) -> Path:
    """Write the report of a validated run, or of a cohort of them; return where it is.

    Parameters
    ----------
    dataset : Dataset or path
        With measurement, separation and validation; or a cohort's folder.
    run : str
        Analysis run.
    out : path, optional
        HTML file; ``analysis/<run>/report.html`` in the data set, or ``report.html`` in the cohort, if not given.

    Raises
    ------
    SynimgError
        If a stage is missing, or `out` cannot be written.
    """
    if not isinstance(dataset, Dataset) and is_cohort(dataset):
        from synimg.viewers.report.cohort import render_cohort

        page, path = render_cohort(Path(dataset), run), Path(out or Path(dataset) / "report.html")
        path = path if path.suffix == ".html" else path.with_suffix(".html")
        write_text(path, page)
        return path
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    measured_synapses(dataset, run)
    for stage in ("separate", "validate"):
        dataset.require(f"{run}/{stage}", f"synimg {stage} {dataset.path} --run {run}")
    page = render_page(dataset, run)
    if out is not None:
        path = Path(out)
        path = path if path.suffix == ".html" else path.with_suffix(".html")
        write_text(path, page)
        return path
    dataset.drop(f"{run}/report")
    with dataset.stage(f"{run}/report") as scratch:
        write_text(scratch / "analysis" / run / "report.html", page)
    return dataset.run(run) / "report.html"


def render_page(dataset: Dataset, run: str) -> str:
    """The page as HTML text with all pictures, tables and scripts inside."""
    source = Source(dataset, run)
    config, scores = source.config, source.scores
    body = "\n".join(section(*one) for one in sections_of(source))
    software = ", ".join(f"{k} {v}" for k, v in dataset.index["software"].items())
    lost = lost_text(scores["average_precision"], scores["separation"]["method"])
    return fill_template(
        title=f"{config.animal_id}, seed {config.seed}",
        summary=_summary(config, scores) + f"<p>{html.escape(lost)}</p>",
        warnings=_warnings(source.separation.info, scores, config.group not in UNTAUGHT),
        headlines=_headlines(scores["headlines"]),
        body=body + _explore(source),
        settings=difference_table(config) + settings_table(config),
        software=software,
    )


def fill_template(**parts: str) -> str:
    """The page's template with its parts filled in; title and software are escaped, the others are HTML."""
    folder = resources.files("synimg.viewers.report")
    template = Template(folder.joinpath("template.html").read_text(encoding="utf-8"))
    script = folder.joinpath("report.js").read_text(encoding="utf-8")
    escaped = {name: html.escape(parts.pop(name)) for name in ("title", "software")}
    return template.substitute(**escaped, **parts, script=script)


def _explore(source: Source) -> str:
    """The map to zoom into, and the tables of all neurons and synapses."""
    synapses = source.synapses
    parts = ["<section><h2>The map, to zoom into</h2>", map_view(source), "</section>"]
    neurons = source.neurons
    neurons = neurons[[name for name in NEURON_COLUMNS if name in neurons]]
    parts += ["<section><h2>Every neuron</h2>", sortable("neurons", neurons, "scale_factor > 1.2"), "</section>"]
    columns = [name for name in SYNAPSE_COLUMNS if name in synapses and synapses[name].notna().any()]
    shown, said = synapses, ""
    if len(shown) > MOST_ROWS and "p_learning" in shown:
        shown = shown.nlargest(MOST_ROWS, "p_learning")
        said = f"<p>The {MOST_ROWS} synapses most likely to have learned, of {len(synapses)}.</p>"
    parts += [
        "<section><h2>Every synapse</h2>",
        said,
        sortable("synapses", shown[columns], "class = potentiated, p_learning > 0.8"),
        "</section>",
    ]
    return "\n".join(parts)


def section(title: str, text: str, figure: Figure | None) -> str:
    """A section as HTML; the text is HTML already."""
    picture = ""
    if figure is not None:
        # on a phone a picture keeps a size at which it can be read, and is moved sideways
        size = f"--width:{figure.get_size_inches()[0] * DPI:.0f}px"
        image = f'<img alt="{html.escape(title)}" style="{size}" src="data:image/png;base64,{png(figure)}">'
        picture = f"<div class='scroll'>{image}</div>"
    return f"<section><h2>{html.escape(title)}</h2><div class='text'>{text}</div>{picture}</section>"


def png(figure: Figure) -> str:
    """A figure as base64 of a PNG."""
    buffer = io.BytesIO()
    # without the software's version and date the same data give the same bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _summary(config: Config, scores: dict[str, Any]) -> str:
    tasks = ", then ".join(task.kind.replace("_", " ") for task in (config.task, *config.next_tasks))
    network = (
        f"A network of {config.network.n_units} units learned {tasks} by {config.rule.kind} while homeostasis "
        f"({config.homeostasis.kind}) and drift ({config.drift.kind}) went on"
    )
    if config.group in UNTAUGHT:
        network = f"A network of {config.network.n_units} units was {config.group}: it did not get to learn {tasks}. It changed"
    if config.imported.edges:
        network = f"A network from elsewhere ({Path(config.imported.edges).name}) changed"
    n_synapses = scores["imaging"]["n_true"] - scores["imaging"].get("n_true_background", 0)
    n_neurons = f"{config.tissue.n_imaged_neurons} of" if not config.tissue.dendrite_um_per_um3 else "Some of"
    text = html.escape(
        f"{network}, over {config.training.window_days:g} days. {n_neurons} its neurons were "
        f"imaged ({n_synapses} synapses), the image was measured blind, and the result was scored."
    )
    return f"<p>{text}</p>"


def _warnings(info: dict[str, Any], scores: dict[str, Any], is_taught: bool) -> str:
    warnings = list(info["warnings"])
    if is_taught and scores["network"].get("criterion_trials", 0) is None:
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


def _flat(config: Config) -> dict[str, str]:
    """Every setting as text by its dotted name."""
    rows = {}
    for name, values in config.model_dump(mode="json").items():
        for key, value in values.items() if isinstance(values, dict) else [("", values)]:
            rows[f"{name}.{key}" if key else name] = value if isinstance(value, str) else json.dumps(value)
    return rows


def nearest_preset(config: Config) -> tuple[str, dict[str, tuple[str, str]]]:
    """The preset that differs least from a configuration, and what differs: setting to (there, here)."""
    ours = _flat(config)
    found = {}
    for name in presets():
        theirs = _flat(preset(name))
        found[name] = {
            key: (theirs.get(key, "-"), ours.get(key, "-"))
            for key in {**theirs, **ours}
            if key not in {"animal_id", "seed"} and theirs.get(key) != ours.get(key)
        }
    # the plain one of several that differ equally
    name = min(found, key=lambda key: (len(found[key]), key != "demo"))
    return name, found[name]


def difference_table(config: Config) -> str:
    """What differs from the nearest preset, as HTML."""
    name, changed = nearest_preset(config)
    if not changed:
        return f"<p>The settings are those of the preset '{html.escape(name)}'.</p>"
    rows = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(there)}</td><td>{html.escape(here)}</td></tr>"
        for key, (there, here) in changed.items()
    )
    head = f"<tr><th>setting</th><th>preset {html.escape(name)}</th><th>here</th></tr>"
    return f"<p>What differs from the nearest preset:</p><table id='changed'>{head}{rows}</table>"


def settings_table(config: Config) -> str:
    """All settings, folded away, as HTML."""
    rows = "".join(
        f"<tr><td>{html.escape(key)}</td><td>{html.escape(value)}</td></tr>" for key, value in _flat(config).items()
    )
    return f"<details><summary>All settings</summary><table>{rows}</table></details>"
