"""Every figure by name: what the report, the documentation and 'synimg figure' draw, from the tables of a data set."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.analysis.look import look
from synimg.analysis.tile_look import fullest, look_at_colours, look_at_shift, look_at_tile
from synimg.config import Tissue as TissueSettings
from synimg.errors import SynimgError, nearest
from synimg.phantoms.morphology import Tree, branching_of, grow
from synimg.phantoms.tissue import tree_of
from synimg.schema import PLACE
from synimg.store.atomic import atomic_path
from synimg.store.dataset import Dataset
from synimg.store.growth import read_growth
from synimg.store.morphology import read_tree_arrays
from synimg.streams import stream
from synimg.viewers.figures.causes import causes
from synimg.viewers.figures.count_calibration import count_calibration
from synimg.viewers.figures.counterfactual import counterfactual
from synimg.viewers.figures.decoding import decoding
from synimg.viewers.figures.dendrites import dendrites
from synimg.viewers.figures.depth import depth
from synimg.viewers.figures.erasure import erasure
from synimg.viewers.figures.error_budget import error_budget
from synimg.viewers.figures.factor import factor
from synimg.viewers.figures.groups import groups
from synimg.viewers.figures.growth import growth
from synimg.viewers.figures.image_views import image_views
from synimg.viewers.figures.input_gradient import input_gradient
from synimg.viewers.figures.learning_curve import learning_curve
from synimg.viewers.figures.optics import optics
from synimg.viewers.figures.precision_recall import precision_recall
from synimg.viewers.figures.shift import shift
from synimg.viewers.figures.sizes import sizes
from synimg.viewers.figures.synapse_card import synapse_card
from synimg.viewers.figures.tile import tile
from synimg.viewers.growth import places_of
from synimg.viewers.lab_source import LabSource, is_lab_result
from synimg.viewers.neurons import neuron_figure
from synimg.viewers.source import Source

ENDINGS = (".png", ".pdf", ".svg")
DPI = 150


@dataclass(frozen=True)
class Entry:
    """A figure: what it shows, and the function that draws it; the function raises if the data set cannot have it.

    Those `of_labs` can be drawn of a lab's measured recording, too.
    """

    what: str
    draw: Callable[[Any], Figure]
    of_labs: bool = False


def _history(source: Source) -> None:
    if source.config.imported.edges:
        raise SynimgError(f"{source.dataset.path}: its network was imported, so there is no training to show")


def _learning_curve(source: Source) -> Figure:
    _history(source)
    history, notes = source.history
    return learning_curve(
        history["update"],
        history["score"],
        notes["score"],
        notes["criterion"],
        notes["trials_per_update"],
        history["snapshot"],
        {cause: history[f"ln_{cause}"] for cause in ("learning", "homeostasis", "drift")},
    )


def _counterfactual(source: Source) -> Figure:
    _history(source)
    if not source.config.training.counterfactuals:
        raise SynimgError(f"{source.dataset.path}: made with training.counterfactuals = false; there is no second run")
    return counterfactual(source.truth)


def _input_gradient(source: Source) -> Figure:
    if not source.truth["input_channel"].notna().any():
        raise SynimgError(f"{source.dataset.path}: its inputs come over fixed weights; set network.axons_per_input")
    return input_gradient(source.truth, source.true_neurons)


def _growth(source: Source) -> Figure:
    _history(source)
    return growth(read_growth(source.dataset), places_of(source.truth), source.config.volume.size_um)


def _image(source: Source) -> Figure:
    return image_views(source.plane, source.projection, source.channels, source.pixel_um)


def _counts(source: Source) -> Figure:
    hit = source.matched[source.matched["true_synapse_id"].notna()]
    if hit.empty:
        raise SynimgError(f"{source.dataset.path}: no found synapse is a true one, so there are no counts to compare")
    return count_calibration(hit)


def _optics(source: Source | LabSource) -> Figure:
    if not any(c.axial is not None for c in source.quality.optics.channels):
        raise SynimgError(f"{source.path}: too few bright synapses stand alone to see the point spread function")
    return optics(source.quality.optics)


def _sizes(source: Source | LabSource) -> Figure:
    found = source.detections
    if "form" not in found:
        raise SynimgError(f"{source.path}: was measured by an older version, without sizes; measure it again")
    if found["area_um2"].isna().all():
        raise SynimgError(f"{source.path}: no synapse is so bright that its size can be told from a point's")
    true = None
    if isinstance(source, Source) and source.dataset.is_done(f"{source.run}/validate"):
        true = source.matched["a_end_true"].to_numpy(float) / source.config.tissue.psd_density_per_um2
    return sizes(source.synapses, found["form"].to_numpy(object), true, source.quality.unit)


def _tile(source: Source | LabSource) -> Figure:
    return tile(look_at_tile(source.measured, fullest(source.measured, 1)[0]))


def _shift(source: Source | LabSource) -> Figure:
    return shift(look_at_shift(source.measured))


def _decoding(source: Source | LabSource) -> Figure:
    return decoding(look_at_colours(source.measured))


def _depth(source: Source | LabSource) -> Figure:
    trend = source.quality.depth
    if trend is None or len(trend.medians) < 2:
        raise SynimgError(f"{source.path}: too few synapses, or planes, to see a trend with depth")
    return depth(trend)


def _factor(source: Source) -> Figure:
    if not source.neurons["scale_factor"].notna().any():
        method = source.separation.info["method"]
        raise SynimgError(f"{source.dataset.path}: method '{method}' gives no factor of a neuron")
    return factor(source.neurons)


def _ranking(source: Source) -> Figure:
    _some_learned(source)
    return precision_recall(source.learned, source.rankings)


def _budget(source: Source) -> Figure:
    _some_learned(source)
    rows, separation = source.scores["average_precision"], source.scores["separation"]
    method, ceiling = ({stage: row.get(n) for stage, row in rows.items()} for n in (separation["method"], "ceiling"))
    return error_budget(method, separation["share_learned_true"], ceiling)


def _some_learned(source: Source) -> None:
    if not source.learned.any():
        raise SynimgError(f"{source.dataset.path}: no synapse of this network learned by the stated definition")


def _erasure(source: Source) -> Figure:
    scores = source.scores
    if "erasure" not in scores or not scores["network"]["share_learned"]:
        raise SynimgError(f"{source.dataset.path}: there is no learning that could be undone")
    found = scores["erasure"]
    return erasure(pd.DataFrame(found["curve"]), found["loss_intact"], found["loss_chance"])


def _groups(source: Source) -> Figure:
    result = source.separation
    if result.groups is None:
        raise SynimgError(
            f"{source.dataset.path}: separated without a question about groups; 'synimg separate ... --by'"
        )
    return groups(result.groups, result.info["by"])


def _neuron(source: Source) -> Figure:
    counts = source.synapses["neuron_id"].value_counts()
    if counts.empty:
        raise SynimgError(f"{source.dataset.path}: no synapse with a known parent was found")
    return neuron_figure(source.synapses, int(counts.index[0]), source.dataset, source.run)


def _synapse(source: Source | LabSource) -> Figure:
    table = source.synapses
    if table.empty:
        raise SynimgError(f"{source.path}: no synapse was found")
    order = table["p_learning"] if "p_learning" in table else table["r_new"]
    row = table.iloc[int(np.argmax(order.fillna(-np.inf).to_numpy(float)))]
    cutout = look(source.measured, row[PLACE].to_numpy(float))
    theirs = table.loc[table["neuron_id"] == row["neuron_id"], "log_turnover"].to_numpy(float)
    return synapse_card(cutout, theirs, float(row["log_turnover"]))


REFERENCE = "SYNIMG_MORPHOLOGIES"
"""Environment variable: folder of real neurons, which the dendrites of a data set are compared with."""


REAL_BEND = 0.03
"""`tissue.bend` of dendrites as straight as real ones, whose tips are 1.2 and 1.5 times as far away along them as through space."""

REAL_PACE_SD_LN = 0.4
"""`tissue.pace_sd_ln` with which the farthest tips reach as far as real ones, and crossings thin out as slowly."""


def _dendrites(source: Source) -> Figure:
    """Whole trees are grown with the settings, as a block holds parts of trees alone."""
    settings, folder = source.config.tissue, os.environ.get(REFERENCE, "")
    files = [Path(name) for name in settings.morphologies]
    files = files or sorted(
        file for file in Path(folder or "/dev/null").glob("*") if file.suffix in {".swc", ".asc", ".h5"}
    )
    if folder and not files:
        raise SynimgError(f"{REFERENCE} = {folder}: no .swc, .asc or .h5 file there")
    families = []
    for k, file in enumerate(files[:2]):
        real = tree_of(*read_tree_arrays(file))
        inside, name = real.points_um[real.pieces()], file.stem
        low, length_um = inside.min(axis=0), float(real.length_um(real.pieces()).sum())
        n, segment_um, fork_share = branching_of(real)
        like = settings.model_copy(
            update={"n_primary_dendrites": n, "segment_um": segment_um, "fork_share": fork_share, "bend": REAL_BEND}
            | {"pace_sd_ln": REAL_PACE_SD_LN}
        )
        grown = {
            f"grown in the room of {name}": settings,
            f"grown like it: {n}, {segment_um:.0f} µm, {fork_share:.2f}, {REAL_BEND}, {REAL_PACE_SD_LN}": like,
        }
        place = real.points_um[0] - low, tuple(np.ptp(inside, axis=0) + 1.0), length_um
        family = [(label, _grown(place, one, source.config.seed, k)) for label, one in grown.items()]
        families.append([(name, real), *family])
    if not families:
        box = (150.0, 250.0, 250.0)
        families = [[("grown", _grown((0.5 * np.array(box), box, 2000.0), settings, source.config.seed, 0))]]
    return dendrites(families, settings.segment_um)


def _grown(place: Any, settings: TissueSettings, seed: int, k: int) -> Tree:
    soma_um, box_um, length_um = place
    return grow(soma_um, box_um, length_um, settings, stream(seed, "figure", "dendrites", k))


FIGURES: dict[str, Entry] = {
    "learning_curve": Entry(
        "how well the network does its task, and what moves the synapses meanwhile", _learning_curve
    ),
    "causes": Entry("what moved each synapse, by cause", lambda source: causes(source.truth)),
    "counterfactual": Entry(
        "what the ledger books to a cause, and what a run without the cause lacks", _counterfactual
    ),
    "input_gradient": Entry("change along the order of the inputs", _input_gradient),
    "growth": Entry("the map at several days of the window", _growth),
    "dendrites": Entry(
        f"grown dendrites beside real ones (folder {REFERENCE}): Sholl curve, lengths of sections that branch",
        _dendrites,
    ),
    "image": Entry("a slice and the projections of the recorded image", _image),
    "counts": Entry("measured against true receptors, and whether the stated errors are true", _counts),
    "tile": Entry("one tile step by step: image, background, search, what was kept, residual", _tile, of_labs=True),
    "optics": Entry(
        "whether the point spread function is as wide as stated, by bright synapses", _optics, of_labs=True
    ),
    "sizes": Entry(
        "how large synapses are, by counts and beside the truth: points, discs, elongated", _sizes, of_labs=True
    ),
    "shift": Entry("how far one receptor channel lies beside the other, by bright synapses", _shift, of_labs=True),
    "depth": Entry("whether counts change with depth: light that fades, or tissue that differs", _depth, of_labs=True),
    "decoding": Entry("colours of synapses beside the code book, and whether their probabilities hold", _decoding),
    "synapse": Entry("the synapse most sure to have learned: voxels, model, residual", _synapse, of_labs=True),
    "neuron": Entry("the neuron with most synapses: log turnover, factor, what is left along the dendrite", _neuron),
    "factor": Entry("every neuron's factor, recovered against true", _factor),
    "precision_recall": Entry("ranking of the learned synapses by several methods", _ranking),
    "error_budget": Entry("which stage loses what", _budget),
    "erasure": Entry("what the task loses when learning is undone in chosen synapses", _erasure),
    "groups": Entry("share learned and mean change of groups of synapses", _groups),
}


def draw(name: str, source: Source | LabSource) -> Figure:
    """The figure `name` of a data set, or of a lab's measured recording.

    Raises
    ------
    SynimgError
        For an unknown name, a stage that is missing, or a data set that cannot have this figure; the sentence says why.
    """
    if name not in FIGURES:
        raise SynimgError(f"unknown figure '{name}'; {nearest(name, list(FIGURES))}")
    if isinstance(source, LabSource) and not FIGURES[name].of_labs:
        there = ", ".join(known for known, entry in FIGURES.items() if entry.of_labs)
        raise SynimgError(f"{source.path}: figure '{name}' is of data sets; of a lab's recording there are {there}")
    return FIGURES[name].draw(source)


def save(name: str, dataset: str | Path | Dataset, out: str | Path, run: str = "default") -> Path:
    """Draw a figure of a data set into a file, whole or not at all.

    Parameters
    ----------
    name : str
        A name of `FIGURES`.
    dataset : path or Dataset
        The data set, or the folder of a lab's measured recording.
    out : path
        ``.png``, ``.pdf`` or ``.svg``.
    run : str
        Analysis run.

    Raises
    ------
    SynimgError
        As `draw`, and for another ending.
    """
    out = Path(out)
    if out.suffix.lower() not in ENDINGS:
        raise SynimgError(f"{out}: a figure's name ends in {', '.join(ENDINGS)}")
    if not isinstance(dataset, Dataset) and is_lab_result(Path(dataset)):
        with LabSource(Path(dataset)) as recorded:
            figure = draw(name, recorded)
    else:
        figure = draw(name, Source(dataset if isinstance(dataset, Dataset) else Dataset.open(dataset), run))
    keys = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}
    with atomic_path(out) as temporary:
        # without its date and its maker the same data give the same bytes
        figure.savefig(temporary, dpi=DPI, metadata={keys[out.suffix.lower()]: None})
    return out
