"""Average precision of the methods beside the ceiling on three seeds of the demonstration, by stage; speed and memory.

python benchmarks/separation.py [SEED ...]     the demonstration
python benchmarks/separation.py speed [N_SYNAPSES ...]     seconds and memory of `hierarchical` beside `neuron_mode`
"""

import shutil
import sys
import tempfile
from pathlib import Path

import synimg
from synimg.analysis.method_process import run_apart
from synimg.analysis.separation import separate_dataset
from synimg.analysis.validate.scores import average_precision
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


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


def main() -> None:
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
