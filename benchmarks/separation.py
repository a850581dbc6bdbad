"""Average precision of the methods v the oracle factor on three seeds of the demonstration, by stage.

python benchmarks/separation.py [SEED ...]
"""

import shutil
import sys
import tempfile
from pathlib import Path

import synimg
from synimg.analysis.separation import separate_dataset


def main() -> None:
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
                print(
                    f"  {stage:<24} {values}; hierarchical / oracle {best / row['oracle factor']:.2f}, "
                    f"/ neuron_mode {best / row['neuron_mode']:.2f}, / raw {best / row['raw']:.2f}"
                )
            for found in scores["separation"]["discovery"]:
                print(f"  nominal FDR {found['nominal']}: {found['n_called']} called, realised {found['realised_fdr']}")
            erasure = {r["set"]: round(r["loss"], 3) for r in scores["erasure"]["curve"] if r["fraction"] == 0.2}
            print(f"  erasure of 20 %: intact {scores['erasure']['loss_intact']:.3f}, {erasure}", flush=True)
            shutil.rmtree(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
