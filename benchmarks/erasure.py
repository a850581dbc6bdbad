"""In-silico erasure on path integration: what undoing the synapses called learned costs the task, from true counts or an image.

python benchmarks/erasure.py [SEED ...]     four minutes on two cores for three seeds
python benchmarks/erasure.py --measured [SEED ...]     from the measured map, about ten minutes of one core each
python benchmarks/erasure.py --measured DATASET ...     of measured data sets that are there

A network of 256 units learns path integration until it meets the criterion; its receptors are counted without error; a
twentieth of the synapses is undone: learning taken out of those with the highest p(learning), with the largest change by
learning in truth, with the largest turnover (`raw`), and of random ones. The cost is the task's loss above that of the
intact network, as a share of what undoing the truly largest costs. A step of these rules does not shrink: a network that is
trained for longer goes on to change, until undoing anything makes it diverge.

With --measured the dendrites of half of the units stand in an image of the demonstration's density; synapses are found, counted
and given parents as in any data set, and what was not found or was taken for something else can be undone by nobody. Shares
refer to the synapses in the image.
"""

import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import synimg
from synimg import schema
from synimg.analysis.separation import separate, with_known_parents
from synimg.analysis.separation_files import measured_synapses
from synimg.analysis.validate.erasure import erasure_curve
from synimg.analysis.validate.imaging import match_truth
from synimg.analysis.validate.run import erase
from synimg.compute import n_cores
from synimg.config import Config
from synimg.phantoms.batches import test_task
from synimg.phantoms.network import train
from synimg.phantoms.receptors import draw_receptors
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.streams import stream

RULES: dict[str, dict[str, Any]] = {"bptt": {"kind": "bptt"}, "eprop": {"kind": "eprop", "learning_rate": 0.02}}
FRACTION = 0.05
MOST_UPDATES = 800
TRUE = "truly largest"
N_IMAGED, VOLUME = 128, {"shape_vox": (48, 1048, 1048), "chunk_vox": (16, 350, 350)}
"""Dendrites, as dense as in the demonstration. All 256 would take 25 minutes to measure."""


Costs = tuple[float, float, dict[str, float]]


def trained_to_criterion(rule: str, seed: int) -> Config:
    """The configuration of a network that is trained until it meets the criterion, and no longer."""
    config = Config.model_validate(
        {
            "task": {"kind": "path_integration"},
            "rule": RULES[rule],
            "training": {"n_updates": MOST_UPDATES, "test_every": 20, "counterfactuals": False},
        }
    )
    needed = train(config, seed).criterion_update[0]
    return config.model_copy(
        update={"training": config.training.model_copy(update={"n_updates": needed or MOST_UPDATES})}
    )


def costs(job: tuple[str, int]) -> Costs:
    """Score and loss of the intact network, and the loss that each choice of synapses adds when they are undone."""
    rule, seed = job
    config = trained_to_criterion(rule, seed)
    learned = train(config, seed)
    wiring, ledger = learned.wiring, learned.ledger
    there = (ledger.a_start > 0) & (ledger.a > 0)
    ln_learning = ledger.log["learning"].value
    turnover = config.receptors.exchange_per_day * config.training.window_days
    rng = stream(seed, "benchmark", "erasure")
    r_old, r_new = draw_receptors(ledger.a_start[there], ledger.a[there], turnover, config.receptors.depression, rng)
    contact = np.flatnonzero(there)
    table = pd.DataFrame(
        {
            "synapse_id": contact,
            "neuron_id": wiring.contact_post[there],
            "r_old": r_old.astype(float),
            "r_new": r_new.astype(float),
            "r_old_se": 0.0,
            "r_new_se": 0.0,
        }
    )
    partners = table.assign(pre_id=wiring.contact_pre[there])

    def ranked(frame: pd.DataFrame, method: str) -> np.ndarray:
        score = np.full(there.size, -np.inf)
        score[contact] = separate(frame, method).synapses["p_learning"].to_numpy()
        return score

    sets = {
        TRUE: np.where(there, np.abs(ln_learning), -np.inf),
        "hierarchical": ranked(table, "hierarchical"),
        "hierarchical, pre_id known": ranked(partners, "hierarchical"),
        "raw": ranked(table, "raw"),
    }

    def evaluate(mask: np.ndarray) -> tuple[float, float]:
        a = ledger.a * np.exp(-np.where(mask, ln_learning, 0.0))
        judged = test_task(config, seed, wiring, wiring.weights(a, learned.ln_inhibition), learned.readouts, 0)
        return judged.loss, judged.score

    intact = evaluate(np.zeros(there.size, bool))
    curve = erasure_curve(evaluate, sets, there, seed)
    rows = curve[curve["fraction"] == FRACTION]
    return intact[1], intact[0], {str(r["set"]): float(r["loss"] - intact[0]) for _, r in rows.iterrows()}


def imaged(rule: str, seed: int, folder: Path) -> None:
    """A measured data set of such a network."""
    config = trained_to_criterion(rule, seed)
    update = {
        "volume": config.volume.model_copy(update=VOLUME),
        "tissue": config.tissue.model_copy(update={"n_imaged_neurons": N_IMAGED}),
    }
    synimg.generate(config.model_copy(update=update), folder, seed=seed)
    synimg.measure(folder)


def measured_costs(path: Path) -> tuple[str, Costs]:
    """What a measured data set is, and the same costs from its map."""
    mouse, truth_folder = Dataset.open(path), path / "truth"
    truth = read_table(truth_folder / "synapses.parquet", schema.TRUTH_SYNAPSES)
    table = measured_synapses(mouse, "default")
    matched = with_known_parents(match_truth(table, truth[truth["is_imaged"]].reset_index(drop=True)))
    found = erase(truth_folder, mouse.config, truth, matched, separate(table, "hierarchical").synapses)
    intact = found["loss_intact"]
    cost = {str(r["set"]): r["loss"] - intact for r in found["curve"] if r["fraction"] == FRACTION}
    names = {"truly learned most": TRUE, "called by the separation": "hierarchical", "most new receptors (raw)": "raw"}
    name = f"{mouse.config.rule.kind} | {mouse.config.seed}"
    return name, (found["score_intact"], intact, {names.get(key, key): value for key, value in cost.items()})


def measured(words: list[str]) -> None:
    """A row per rule and seed, or per data set."""
    given = [Path(word) for word in words if not word.isdigit()]
    seeds = [int(word) for word in words if word.isdigit()] or ([] if given else [1])
    printed = False
    with tempfile.TemporaryDirectory() as place:
        for path in [*given, *(Path(place) / f"{rule}-{seed}" for rule in RULES for seed in seeds)]:
            if path not in given:
                rule, seed = path.name.split("-")
                imaged(rule, int(seed), path)
            name, (score, loss, cost) = measured_costs(path)
            others = [key for key in cost if key != TRUE]
            if not printed:
                print(f"| rule | seed | R2 intact | loss intact, {TRUE} undone | {' | '.join(others)} |")
                print("|" + " --- |" * (4 + len(others)))
                printed = True
            shares = " | ".join(f"{cost[key] / cost[TRUE]:.0%}" for key in others)
            print(f"| {name} | {score:.2f} | {loss:.3f}, {loss + cost[TRUE]:.3f} | {shares} |", flush=True)


def main() -> None:
    """A row per rule and seed."""
    if sys.argv[1:2] == ["--measured"]:
        measured(sys.argv[2:])
        return
    seeds = [int(word) for word in sys.argv[1:]] or [1, 2, 3]
    jobs = [(rule, seed) for rule in RULES for seed in seeds]
    shares = []
    with ProcessPoolExecutor(n_cores()) as pool:
        for (rule, seed), (score, loss, cost) in zip(jobs, pool.map(costs, jobs), strict=True):
            names = [name for name in cost if name != TRUE]
            if not shares:
                print(f"| rule | seed | R2 intact | loss intact, {TRUE} undone | {' | '.join(names)} |")
                print("|" + " --- |" * (4 + len(names)))
            share = {name: cost[name] / cost[TRUE] for name in names}
            shares.append({"rule": rule} | share)
            of_seed = " | ".join(f"{share[name]:.0%}" for name in names)
            print(f"| {rule} | {seed} | {score:.2f} | {loss:.3f}, {loss + cost[TRUE]:.3f} | {of_seed} |", flush=True)
    for rule, mean in pd.DataFrame(shares).groupby("rule", sort=False).mean().iterrows():
        print(f"| {rule} | mean | | | {' | '.join(f'{value:.0%}' for value in mean)} |")


if __name__ == "__main__":
    main()
