"""What the rule, run again from the network at the start, tells a separation: true receptors, or measured data sets.

python benchmarks/resimulate.py [SEED ...]     two seeds of the demonstration's network by e-prop and by BPTT
python benchmarks/resimulate.py DATASET ...    measured data sets, such as `synimg demo` makes

r: correlation of the predicted with the true change by learning. AP: average precision of `hierarchical`; the ceiling knows
every neuron's factor and the laws, but no prediction. FDP: false share of what is called at a nominal FDR. What is known wrongly:
the rule, the sizes at the start, the read-outs, the task; and the predictions of other synapses.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import synimg
from synimg.analysis.separation import with_known_parents
from synimg.analysis.separation_files import measured_synapses
from synimg.analysis.validate.imaging import match_truth
from synimg.analysis.validate.network_ceiling import EXACT, Known, Labels, Sheet, laws_of, network_ceiling
from synimg.analysis.validate.scores import average_precision, discovery
from synimg.analysis.validate.separation import MEASURED, World, ceilings, labels_of, learned_of
from synimg.config import Config, preset
from synimg.phantoms.batches import start_readouts
from synimg.phantoms.learned import Start
from synimg.phantoms.network import train
from synimg.phantoms.receptors import draw_receptors
from synimg.phantoms.resimulate import of_experiment, run_again
from synimg.phantoms.wiring import build_wiring
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes
from synimg.store.tables import read_table
from synimg.streams import key64, stream

N_RUNS = 2
OTHER_RULE = {"eprop": "bptt", "bptt": "eprop"}
OTHER_TASK = "delayed_match"
SIZE_ERROR = 0.3


def row(name: str, table: pd.DataFrame, learned: np.ndarray, true_ln: np.ndarray) -> None:
    """Print one line: how good the prediction is, and what the separation makes of it."""
    result = synimg.separate(table, "hierarchical")
    ap = average_precision(learned, result.synapses["p_learning"].to_numpy(float))
    r = "-"
    if "predicted_ln" in table and table["predicted_ln"].notna().any():
        both = np.isfinite(true_ln) & table["predicted_ln"].notna().to_numpy()
        r = f"{np.corrcoef(true_ln[both], table['predicted_ln'].to_numpy(float)[both])[0, 1]:.2f}"
    lfdr = result.synapses["lfdr"].to_numpy(float)
    found = [discovery(learned, lfdr, nominal) for nominal in (0.05, 0.1)]
    called = [
        f"{d['n_called']}, {'-' if d['realised_fdr'] is None else format(d['realised_fdr'], '.3f')}" for d in found
    ]
    weight = result.info["parameters"]["prior_weights"].get("resimulate", ["-"])[0]
    weight = weight if isinstance(weight, str) else f"{weight:.2f}"
    print(f"| {name} | {r} | {weight} | {ap:.3f} | {' | '.join(called)} |", flush=True)


def head(title: str, learned: np.ndarray, known: Known | None) -> None:
    top = "-" if known is None else f"{average_precision(learned, known.p_learning):.3f}"
    print(f"\n{title}: {learned.size} synapses, {learned.mean():.1%} learned, AP of the ceiling {top}\n")
    print("| prediction | r | weight | AP | called at .05, FDP | at .1, FDP |\n|" + " --- |" * 6, flush=True)


def network(rule: str, seed: int) -> None:
    """True receptors of the demonstration's imaged number of neurons."""
    values = preset("demo").model_dump() | {"rule": {"kind": rule}}
    config = Config.model_validate(values | {"training": values["training"] | {"counterfactuals": False}})
    learned_network = train(config, seed)
    wiring, ledger = learned_network.wiring, learned_network.ledger
    n_units, rng = wiring.leak.size, stream(seed, "benchmark", "resimulate")
    some = np.flatnonzero(np.isin(wiring.contact_post, rng.permutation(n_units)[: config.tissue.n_imaged_neurons]))
    turnover = config.receptors.exchange_per_day * config.training.window_days
    old, new = draw_receptors(ledger.a_start[some], ledger.a[some], turnover, config.receptors.depression, rng)
    table = pd.DataFrame({"synapse_id": some, "neuron_id": wiring.contact_post[some] + 1, "r_old": old, "r_new": new})
    table = table.assign(r_old_se=0.0, r_new_se=0.0)
    ln = ledger.log["learning"].value[some]
    learned = np.abs(ln) > config.training.learned_threshold_ln
    neurons = pd.DataFrame({"neuron_id": np.arange(1, n_units + 1), "scale_factor": np.exp(learned_network.ln_factor)})
    everyone = np.abs(ledger.log["learning"].value) > config.training.learned_threshold_ln
    truth = pd.DataFrame({"a_start": ledger.a_start, "a_end": ledger.a, "is_learned": everyone})
    truth = truth.assign(post_id=wiring.contact_post + 1, **{f"ln_{c}": v.value for c, v in ledger.log.items()})
    laws = laws_of(truth, neurons, seed)
    assert laws is not None
    ids = table["neuron_id"].to_numpy()
    sheet = Sheet(old.astype(float), new.astype(float), Labels(1.0, 1.0), EXACT, ids, np.ones(ids.size))
    top = network_ceiling(laws, neurons, sheet, turnover, config.receptors.depression)
    head(f"{rule}, seed {seed}, true receptors", learned, top)

    def predicted(settings: Config, start: Start, n_runs: int) -> pd.DataFrame:
        runs = [run_again(key64(seed, "resimulate", k), settings, start) for k in range(n_runs)]
        return table.assign(predicted_ln=np.mean(runs, axis=0)[some])

    known = Start(wiring, start_readouts(config, seed, n_units))
    again = of_experiment(config, None, "benchmark")
    told = predicted(again, known, N_RUNS)
    row("none", table, learned, ln)
    row(f"the rule, {N_RUNS} runs", told, learned, ln)
    row("the wrong rule", predicted(of_experiment(config, OTHER_RULE[rule], "benchmark"), known, 1), learned, ln)
    blurred = replace(wiring, a_first=wiring.a_first * np.exp(SIZE_ERROR * rng.standard_normal(wiring.a_first.size)))
    name = f"sizes known to {SIZE_ERROR:.0%}"
    row(name, predicted(again, Start(blurred, known.readouts), 1), learned, ln)
    others = Start(wiring, start_readouts(config, seed + 1000, n_units))
    row("read-outs not known", predicted(again, others, 1), learned, ln)
    task = Config.model_validate(again.model_dump() | {"task": {"kind": OTHER_TASK}})
    elsewhere = replace(wiring, w_in=build_wiring(task, seed).w_in)
    row("another task", predicted(task, Start(elsewhere, start_readouts(task, seed, n_units)), 1), learned, ln)
    row("of other synapses", told.assign(predicted_ln=rng.permutation(told["predicted_ln"])), learned, ln)


def dataset(path: Path) -> None:
    """The measured table of a data set."""
    mouse = Dataset.open(path)
    truth = read_table(path / "truth" / "synapses.parquet")
    neurons = read_table(path / "truth" / "neurons.parquet")
    table = measured_synapses(mouse, "default")
    imaged = truth[truth["is_imaged"].astype(bool)].reset_index(drop=True)
    table = with_known_parents(table)
    matched = match_truth(table, imaged)
    learned, ln = learned_of(matched), matched["ln_learning_true"].to_numpy(float)
    config = mouse.config
    turnover = config.receptors.exchange_per_day * config.training.window_days
    labels = labels_of(image_attributes(mouse.image)["synimg"]["tag"])
    world = World(truth, neurons, labels, turnover, config.receptors.depression, config.seed)
    top = ceilings(world, imaged, matched).get(MEASURED)
    head(f"{path.name}, measured", learned, None if top is None or top.rows.size < len(table) else top.known)
    row("none", table, learned, ln)

    def told(**settings: Any) -> pd.DataFrame:
        found = synimg.resimulate(path, runs=N_RUNS, **settings).set_index("synapse_id")["predicted_ln"]
        return table.assign(predicted_ln=matched["true_synapse_id"].map(found))

    right = told()
    row(f"the rule, {N_RUNS} runs", right, learned, ln)
    row("the wrong rule", told(rule=OTHER_RULE[config.rule.kind]), learned, ln)
    rng = stream(config.seed, "benchmark", "resimulate")
    row(
        "of other synapses",
        right.assign(predicted_ln=rng.permutation(right["predicted_ln"].to_numpy(float).copy())),
        learned,
        ln,
    )


def main() -> None:
    """A table per network or data set."""
    paths = [Path(word) for word in sys.argv[1:] if not word.isdigit()]
    for path in paths:
        dataset(path)
    for seed in [int(word) for word in sys.argv[1:] if word.isdigit()] or ([] if paths else [1, 2]):
        for rule in OTHER_RULE:
            network(rule, seed)


if __name__ == "__main__":
    main()
