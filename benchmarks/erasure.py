"""In-silico erasure on path integration: what undoing the synapses called learned costs the task, from true counts.

python benchmarks/erasure.py [SEED ...]     four minutes on two cores for three seeds

A network of 256 units learns path integration until it meets the criterion; its receptors are counted without error; a
twentieth of the synapses is undone: learning taken out of those with the highest p(learning), with the largest change by
learning in truth, with the largest turnover (`raw`), and of random ones. The cost is the task's loss above that of the
intact network, as a share of what undoing the truly largest costs. A step of these rules does not shrink: a network that is
trained for longer goes on to change, until undoing anything makes it diverge.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from synimg.analysis.separation import separate
from synimg.analysis.validate.erasure import erasure_curve
from synimg.compute import n_cores
from synimg.config import Config
from synimg.phantoms.network import test_task, train
from synimg.phantoms.receptors import draw_receptors
from synimg.streams import stream

RULES: dict[str, dict[str, Any]] = {"bptt": {"kind": "bptt"}, "eprop": {"kind": "eprop", "learning_rate": 0.02}}
FRACTION = 0.05
MOST_UPDATES = 800
TRUE = "truly largest"


def costs(job: tuple[str, int]) -> tuple[float, float, dict[str, float]]:
    """Score and loss of the intact network, and the loss that each choice of synapses adds when they are undone."""
    rule, seed = job
    config = Config.model_validate(
        {
            "task": {"kind": "path_integration"},
            "rule": RULES[rule],
            "training": {"n_updates": MOST_UPDATES, "test_every": 20, "counterfactuals": False},
        }
    )
    needed = train(config, seed).criterion_update[0]
    config = config.model_copy(
        update={"training": config.training.model_copy(update={"n_updates": needed or MOST_UPDATES})}
    )
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


def main() -> None:
    """A row per rule and seed."""
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
