"""Average precision of the methods beside the ceiling on three seeds of the demonstration, by stage; speed and memory.

python benchmarks/separation.py [SEED ...]     the demonstration
python benchmarks/separation.py speed [N_SYNAPSES ...]     seconds and memory of `hierarchical` beside `neuron_mode`
python benchmarks/separation.py extensions [NAME|SEED ...]     gain of further columns, and cost where they are noise
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import synimg
from synimg.analysis.calls import called
from synimg.analysis.inhibition import change_of_inhibition
from synimg.analysis.method_process import run_apart
from synimg.analysis.separation_files import separate_dataset
from synimg.analysis.validate.ceiling import ceiling
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.receptors import draw_receptors
from synimg.phantoms.scenarios.draw import Drawn, draw
from synimg.phantoms.scenarios.suite import scenario
from synimg.streams import stream

DENDRITE_UM, CLUSTER_UM, CLUSTER_SIZE = 100.0, 2.0, 3
PREDICTION_R = 0.6
N_INHIBITORY = 10
BASE = scenario("sparse_potentiation").model_copy(update={"n_neurons": 50})
FEW = scenario("few_synapses").model_copy(update={"n_neurons": 400, "factor_sd_ln": 0.4})


def speed(sizes: list[int]) -> None:
    """Seconds, and the largest memory of the process, of a table of the base scenario."""
    base = scenario("sparse_potentiation")
    print("| synapses | method | s | against neuron_mode | MiB above an empty process | AP |")
    print("| --- | --- | --- | --- | --- | --- |")
    for n in sizes:
        drawn = draw(base.model_copy(update={"n_neurons": n // 40}), 1)
        learned = drawn.truth["is_learned"].to_numpy(bool)
        idle = run_apart(drawn.table.head(40), "raw", 1, 60.0).peak_bytes
        found = {method: run_apart(drawn.table, method, 1, 3600.0) for method in ("neuron_mode", "hierarchical")}
        for method, run in found.items():
            if run.result is None:
                print(f"| {learned.size} | {method} | {run.reason} | | | |", flush=True)
                continue
            ap = average_precision(learned, run.result.synapses["p_learning"].to_numpy(float))
            ratio = run.seconds / found["neuron_mode"].seconds
            memory = (run.peak_bytes - idle) / 2**20
            print(
                f"| {learned.size} | {method} | {run.seconds:.1f} | {ratio:.2f} | {memory:.0f} | {ap:.3f} |", flush=True
            )


def clustering(drawn: Drawn, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Places on dendrites: what learned lies in clusters of about three, or anywhere."""
    place = DENDRITE_UM * rng.random(len(drawn.table))
    anywhere = drawn.table.assign(z_um=0.0, y_um=0.0, x_um=place)
    learned, clustered = drawn.truth["is_learned"].to_numpy(bool), place.copy()
    for rows in drawn.table.index[learned].groupby(drawn.table["neuron_id"].to_numpy()[learned]).values():
        centre = DENDRITE_UM * rng.random(-(-len(rows) // CLUSTER_SIZE))
        clustered[rows] = rng.choice(centre, len(rows)) + CLUSTER_UM * rng.standard_normal(len(rows))
    return anywhere.assign(x_um=clustered), anywhere


def resimulate(drawn: Drawn, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A simulation whose changes correlate by .6 with those by learning, or the same of other synapses."""
    true = drawn.truth["ln_learning"].to_numpy(float)
    said = true + true.std() * np.sqrt(PREDICTION_R**-2 - 1.0) * rng.standard_normal(true.size)
    return drawn.table.assign(predicted_ln=said), drawn.table.assign(predicted_ln=rng.permutation(said))


def inhibitory_mirror(drawn: Drawn, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ten inhibitory synapses per neuron, scaled by the inverse of its factor, or by that of another neuron."""
    neurons, tables = drawn.neurons, []
    for factor in (neurons["scale_factor"].to_numpy(), rng.permutation(neurons["scale_factor"])):
        start = BASE.mean_receptors * np.exp(0.5 * rng.standard_normal(N_INHIBITORY * len(neurons)))
        growth = np.exp(BASE.drift_sd_ln * rng.standard_normal(start.size)) / np.repeat(factor, N_INHIBITORY)
        old, new = draw_receptors(start, start * growth, BASE.turnover, BASE.depression, rng)
        found = pd.DataFrame(
            {"neuron_id": np.repeat(neurons["neuron_id"], N_INHIBITORY).to_numpy(), "r_old": old, "r_new": new}
        )
        tables.append(drawn.table.assign(inhibition_ln=drawn.table["neuron_id"].map(change_of_inhibition(found))))
    return tables[0], tables[1]


EXTENSIONS = {
    "clustering": (BASE, clustering),
    "resimulate": (BASE, resimulate),
    "inhibitory_mirror": (FEW, inhibitory_mirror),
}


def extensions(words: list[str]) -> None:
    """AP and realised FDR of `hierarchical` without a column, with it where it holds, and where it is noise."""
    print("| extension | ceiling of the counts | | AP | called at .05, false | at .1, false |")
    print("|" + " --- |" * 6, flush=True)
    seeds = [int(word) for word in words if word.isdigit()] or [1001, 1002, 1003]
    for name in [word for word in words if word in EXTENSIONS] or EXTENSIONS:
        settings, known = EXTENSIONS[name]
        precision, bound = {"without": [], "holds": [], "noise": []}, []
        calls = {key: np.zeros((2, 2), int) for key in precision}
        for seed in seeds:
            drawn = draw(settings, seed)
            learned = drawn.truth["is_learned"].to_numpy(bool)
            bound.append(average_precision(learned, ceiling(settings, drawn).synapses["p_learning"].to_numpy(float)))
            holds, noise = known(drawn, stream(seed, "benchmark", name))
            for key, table in (("without", drawn.table), ("holds", holds), ("noise", noise)):
                found = synimg.separate(table, "hierarchical").synapses
                precision[key].append(average_precision(learned, found["p_learning"].to_numpy(float)))
                for k, nominal in enumerate((0.05, 0.1)):
                    chosen = called(found["lfdr"].to_numpy(float), nominal)
                    calls[key][k] += chosen.sum(), (chosen & ~learned).sum()
        for key, ap in precision.items():
            text = " | ".join(f"{n}, {false / max(n, 1):.3f}" for n, false in calls[key])
            first = f"{name} | {np.mean(bound):.3f}" if key == "without" else " | "
            print(f"| {first} | {key} | {np.mean(ap):.3f} | {text} |", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["extensions"]:
        extensions(sys.argv[2:])
        return
    if sys.argv[1:2] == ["speed"]:
        speed([int(float(n)) for n in sys.argv[2:]] or [10_000, 100_000])
        return
    seeds = [int(seed) for seed in sys.argv[1:]] or [1, 2, 3]
    folder = Path(tempfile.mkdtemp())
    try:
        for seed in seeds:
            path = folder / f"seed{seed}"
            synimg.generate("demo", path, seed=seed, workers=2)
            synimg.measure(path, workers=2)
            separate_dataset(path)
            scores = synimg.validate(path)
            print(f"seed {seed}: learned after {scores['network']['criterion_trials']} trials, ledger error "
                  f"{scores['network']['ledger_error_receptors']:.0e}, F1 {scores['imaging']['f1']:.3f}, parents "
                  f"{scores['imaging']['parents']['accuracy']:.3f}, ln factor error "
                  f"{scores['separation']['factor']['rmse_ln']:.3f}")  # fmt: skip
            for stage, row in scores["average_precision"].items():
                values = ", ".join(f"{name} {value:.3f}" for name, value in row.items())
                best = row["hierarchical"]
                shares = ", ".join(f"/ {name} {best / row[name]:.2f}" for name in ("ceiling", "neuron_mode", "raw"))
                print(f"  {stage:<24} {values}; hierarchical {shares}")
            for found in scores["separation"]["discovery"]:
                print(f"  nominal FDR {found['nominal']}: {found['n_called']} called, realised {found['realised_fdr']}")
            erasure = {r["set"]: round(r["loss"], 3) for r in scores["erasure"]["curve"] if r["fraction"] == 0.2}
            print(f"  erasure of 20 %: intact {scores['erasure']['loss_intact']:.3f}, {erasure}", flush=True)
            shutil.rmtree(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
