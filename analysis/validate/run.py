"""Validation of a data set: the truth comes out of the drawer, everything is scored against it."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from numpy.typing import NDArray

from synimg import compute, schema
from synimg.analysis.damage import is_near, share_lost
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.separation import separate, with_known_parents
from synimg.analysis.separation_files import measured_synapses, read_separation
from synimg.analysis.validate.erasure import erasure_curve
from synimg.analysis.validate.imaging import AXES, imaging_scores, match_truth
from synimg.analysis.validate.separation import (
    MEASURED,
    World,
    budget_tables,
    ceiling_scores,
    ceilings,
    compare,
    labels_of,
    separation_scores,
    truth_of,
)
from synimg.analysis.validate.verdict import verdicts
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.batches import test_task
from synimg.phantoms.judge import Judgement
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.stages.network_file import load_network
from synimg.store.atomic import write_json
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes
from synimg.store.network import read_arrays
from synimg.store.tables import read_background, read_table, write_table

Floats = NDArray[np.float64]


def validate(
    dataset: Dataset | str | Path, run: str = "default", report: compute.Report = compute.silent
) -> dict[str, Any]:
    """Score a run of a data set; also written to ``analysis/<run>/scores.json``.

    Parameters
    ----------
    dataset : Dataset or path
        With its truth, a measurement and a separation.
    run : str
        Analysis run.
    report : callable, optional
        Called with (what, done, total).

    Returns
    -------
    dict
        JSON-ready: ``headlines``, ``network``, ``imaging``, ``separation``, ``average_precision``, ``erasure``.

    Raises
    ------
    SynimgError
        If a stage is missing, or the truth has been deleted.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    dataset.require("image", f"synimg generate ... --out {dataset.path}")
    synapses = measured_synapses(dataset, run)
    dataset.require(f"{run}/separate", f"synimg separate {dataset.path} --run {run}")
    config, truth_folder, folder = dataset.config, dataset.path / "truth", dataset.run(run)
    if not truth_folder.is_dir():
        raise SynimgError(f"{dataset.path}: has no truth folder; validation needs the ground truth")
    truth = read_table(truth_folder / "synapses.parquet", schema.TRUTH_SYNAPSES)
    neurons = read_table(truth_folder / "neurons.parquet", schema.TRUTH_NEURONS)
    if truth["is_learned"].isna().any():
        raise SynimgError(
            f"{dataset.path}: the imported network came without causes, so there is nothing to score a separation against; "
            "give its edges the columns learning, homeostasis and drift"
        )
    imaged = truth[truth["is_imaged"]].reset_index(drop=True)
    result = read_separation(folder)
    what = "scoring"
    report(what, 0, 5)
    background = read_background(truth_folder)
    matched = match_truth(synapses, imaged, background)
    lost, share = not_measured(dataset, run)
    there = imaged[~lost(imaged) | imaged["synapse_id"].isin(matched["true_synapse_id"])]
    others = None if background is None else background[~lost(background)]
    scores: dict[str, Any] = {
        "synimg_schema": schema.SCHEMA_VERSION,
        "animal_id": config.animal_id,
        "seed": config.seed,
        "run": run,
        "network": ledger_scores(truth) | ({} if config.imported.edges else learning_scores(truth_folder)),
        "imaging": imaging_scores(matched, there, read_table(folder / "detections.parquet"), others)
        | ({"share_not_measured": share} if share else {}),
    }
    report(what, 1, 5)
    separated = with_known_parents(matched)
    beside = truth_of(separated)
    scores["separation"] = separation_scores(result, beside, neurons, config.seed)
    report(what, 2, 5)
    tag = image_attributes(dataset.image)["synimg"]["tag"]
    tops = ceilings(_world(config, truth, neurons, tag), imaged, separated) if beside["is_learned"].any() else {}
    if MEASURED in tops:
        scores["separation"]["ceiling"] = ceiling_scores(tops[MEASURED], result, beside, config.seed)
    report(what, 3, 5)
    called = dataset.index["stages"][f"{run}/separate"]["notes"].get("method", "auto")
    name = result.info["method"]
    validated = name, name if called == "auto" else called, result.synapses["p_learning"].to_numpy(float)
    scores["average_precision"] = compare(budget_tables(imaged, separated, tag), tops, validated)
    report(what, 4, 5)
    if not config.imported.edges:
        scores["erasure"] = erase(truth_folder, config, truth, separated, result.synapses)
    report(what, 5, 5)
    scores["verdicts"] = [asdict(one) for one in verdicts(result, beside, neurons)]
    scores["headlines"] = headlines(scores)
    with dataset.stage(f"{run}/validate") as scratch:
        out = scratch / "analysis" / run
        write_json(out / "scores.json", scores)
        write_table(out / "matched.parquet", matched)
    return scores


def _world(config: Config, truth: pd.DataFrame, neurons: pd.DataFrame, tag: dict[str, Any]) -> World:
    turnover = config.receptors.exchange_per_day * config.training.window_days
    return World(truth, neurons, labels_of(tag), turnover, config.receptors.depression, config.seed)


def not_measured(dataset: Dataset, run: str) -> tuple[Callable[[pd.DataFrame], NDArray[np.bool_]], float]:
    """Which rows of a table lie where the image could not be measured, and the share of the image that is."""
    notes, volume = dataset.index["stages"][f"{run}/measure"]["notes"], dataset.config.volume
    damaged = [(tuple(first), tuple(size)) for first, size in notes.get("damaged", [])]
    margin = MeasureSettings.parse(notes.get("settings", {}), f"{dataset.path}: settings of {run}").halo_vox

    def lost(table: pd.DataFrame) -> NDArray[np.bool_]:
        return is_near(table[AXES].to_numpy(float) / np.array(volume.voxel_um), damaged, margin)

    return lost, share_lost(damaged, margin, volume.shape_vox)


def learning_scores(truth_folder: Path) -> dict[str, Any]:
    """The learning curve's outcome."""
    history, notes = read_arrays(truth_folder / "history.zarr")
    update = notes["criterion_update"]
    return {
        "criterion": notes["criterion"],
        "criterion_update": update,
        "criterion_trials": None if update is None else update * notes["trials_per_update"],
        "score": notes["score"],
        "final_score": float(history["score"][-1]),
        "final_loss": float(history["loss"][-1]),
        **{key: notes[key] for key in ("tasks", "score_by_task", "forgotten_by_task")},
    }


def ledger_scores(truth: pd.DataFrame) -> dict[str, Any]:
    """The ledger's error and the spread of each cause."""
    linear = sum(truth[cause] for cause in CAUSES) - (truth["a_end"] - truth["a_start"])
    stayed = truth[(truth["a_start"] > 0) & (truth["a_end"] > 0)]
    log = sum(stayed[f"ln_{cause}"] for cause in CAUSES) - np.log(stayed["a_end"] / stayed["a_start"])
    return {
        "share_learned": float(truth["is_learned"].mean()),
        "ledger_error_receptors": float(np.abs(linear).max()),
        "ledger_error_ln": float(np.abs(log).max()),
        "sd_ln": {cause: float(truth[f"ln_{cause}"].std()) for cause in CAUSES},
    }


def erase(
    truth_folder: Path, config: Config, truth: pd.DataFrame, matched: pd.DataFrame, separated: pd.DataFrame
) -> dict[str, Any]:
    """Task loss after undoing the learning of called, truly learned, raw and random synapses; of the last task."""
    wiring, readouts, contacts, nodes = load_network(truth_folder / "network.h5")
    ln_learning = contacts["ln_learning"]

    def test(mask: NDArray[np.bool_]) -> Judgement:
        with threadpoolctl.threadpool_limits(1):
            a = contacts["a_end"] * np.exp(-np.where(mask, ln_learning, 0.0))
            weights = wiring.weights(a, nodes["ln_inhibition"])
            return test_task(config, config.seed, wiring, weights, readouts, len(readouts) - 1)

    def evaluate(mask: NDArray[np.bool_]) -> tuple[float, float]:
        judged = test(mask)
        return judged.loss, judged.score

    imaged = truth["is_imaged"].to_numpy(bool)
    hit = matched["true_synapse_id"].notna().to_numpy()
    contact = matched.loc[hit, "true_synapse_id"].to_numpy(np.int64) - 1

    def on_contacts(score: Floats) -> Floats:
        spread = np.full(imaged.size, -np.inf)
        spread[contact] = score[hit]
        return spread

    raw = separate(matched[["synapse_id", "neuron_id", "r_old", "r_new"]], "raw").synapses["p_learning"].to_numpy(float)
    sets = {
        "truly learned most": np.where(imaged, np.abs(ln_learning), -np.inf),
        "called by the separation": on_contacts(separated["p_learning"].to_numpy(float)),
        "most new receptors (raw)": on_contacts(raw),
    }
    intact = test(np.zeros(imaged.size, bool))
    curve = erasure_curve(evaluate, sets, imaged, config.seed)
    return {
        "loss_intact": intact.loss,
        "score_intact": intact.score,
        "loss_chance": intact.chance,
        "curve": [{k: None if pd.isna(v) else v for k, v in row.items()} for row in curve.to_dict("records")],
    }


def headlines(scores: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What a reader wants first, as text."""
    network, imaging, separation = scores["network"], scores["imaging"], scores["separation"]
    learning = {"synapses that learned": f"{network['share_learned']:.1%}"}
    if "score" in network:
        trials = network["criterion_trials"]
        learning = {
            "task learned after": "criterion not met" if trials is None else f"{trials} trials",
            f"{network['score']} at the end": f"{network['final_score']:.3f}",
        }
    erasure = {}
    if "erasure" in scores:
        curve = pd.DataFrame(scores["erasure"]["curve"])
        fifth = curve[curve["fraction"] == 0.2].set_index("set")["loss"]
        rows = {"intact": f"{scores['erasure']['loss_intact']:.3f}", **{str(k): f"{v:.3f}" for k, v in fifth.items()}}
        erasure = {"Erasure: loss after undoing 20 % of the synapses": rows}
    counts, lost = imaging["counts"], imaging.get("share_not_measured")
    return {
        "Network": {
            **learning,
            "ledger: causes add up to within": f"{network['ledger_error_receptors']:.0e} receptors",
        },
        "Image": {
            "synapses found / there": f"{imaging['n_found']} / {imaging['n_true']}",
            **({"  in what could be measured": f"{1 - lost:.0%} of the image"} if lost else {}),
            "F1 (by chance)": f"{imaging['f1']:.3f} ({imaging['chance_f1']:.3f})",
            "old, new receptors: found / true": f"{_text(counts['r_old']['bias'])}, {_text(counts['r_new']['bias'])}",
            "parent neuron right": _text(imaging["parents"]["accuracy"], ".1%"),
        },
        f"Separation ({separation['method']})": separation_headlines(
            separation, scores["average_precision"].get(MEASURED, {})
        )
        | {one["what"]: one["text"] for one in scores["verdicts"]},
        **erasure,
    }


def separation_headlines(separation: dict[str, Any], budget: dict[str, float | None]) -> dict[str, str]:
    """What a reader wants first of a separation's scores, as text."""
    rows = {
        "average precision (chance)": f"{_with(separation['average_precision'], separation['average_precision_95'])} "
        f"({separation['share_learned_true']:.3f})"
    }
    if budget:
        rows["  " + " / ".join(budget)] = " / ".join(map(_text, budget.values()))
    if "ceiling" in separation:
        rows["  as a share of the ceiling's"] = _with(separation["ceiling"]["share"], separation["ceiling"]["share_95"])
    for found in separation["discovery"][:2]:
        rate = _with(found["realised_fdr"], found["realised_fdr_95"])
        rows[f"called at FDR {found['nominal']}, realised"] = f"{found['n_called']}, {rate}"
    stated = separation["calibration"]
    rows["calibration error of p(learning)"] = _with(stated["error"], stated["error_95"])
    if "factor" in separation:
        factor = separation["factor"]
        rows["ln factor: error, centred (spread)"] = (
            f"{_text(factor['rmse_ln'])}, {_text(factor['rmse_ln_centred'])} ({_text(factor['sd_ln_true'])})"
        )
        rows["  interval holds, with common part"] = (
            f"{_text(factor['coverage_95'])}, {_text(factor['coverage_common'])}"
        )
    deltas = {cause: separation[f"delta_{cause}"] for cause in CAUSES if f"delta_{cause}" in separation}
    if deltas:
        rows["change by " + " / ".join(deltas)] = ""
        for name, key in (("R2", "r2"), ("slope, true on stated", "slope"), ("interval holds", "coverage_95")):
            rows[f"  {name}"] = " / ".join(_text(d.get(key), ".2f") for d in deltas.values())
    by_animal: list[dict[str, Any]] = list(separation["shares"].values())
    shares = by_animal[0] if len(by_animal) == 1 else {}
    kinds = {"share_learned": "share learned"} | {f"var_share_{c}": f"variance by {c}" for c in CAUSES}
    for key, name in kinds.items():
        if key in shares:
            one = shares[key]
            rows[f"{name}: stated, true"] = (
                f"{_with(one['found'], one['found_95'], '.2f')}, {_text(one['true'], '.2f')}"
            )
    return rows


def _with(value: float | None, ends: list[float] | None, form: str = ".3f") -> str:
    """A number with its interval."""
    return _text(value, form) + (f" [{ends[0]:{form}}, {ends[1]:{form}}]" if ends and value is not None else "")


def _text(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
