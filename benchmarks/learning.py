"""Which rule learns which task, what moves the synapses meanwhile, and what a step costs; against PyTorch where it is there.

python benchmarks/learning.py [tasks|speed|large|consolidation|prediction ...]   all of them by default; an hour on two
cores. The tables of docs/learning.md are this script's output.
"""

import resource
import sys
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import threadpoolctl

from synimg.compute import n_cores
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.batches import trials_of
from synimg.phantoms.learned import Learned
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.network import train
from synimg.phantoms.rules.bptt import Bptt
from synimg.phantoms.rules.eprop import Eprop
from synimg.phantoms.weights import at_edges
from synimg.phantoms.wiring import build_wiring

SEEDS = (1, 2, 3)
RULES: dict[str, dict[str, Any]] = {
    "bptt": {"kind": "bptt"},
    "mdgl": {"kind": "mdgl", "learning_rate": 0.02},
    "eprop": {"kind": "eprop", "learning_rate": 0.02},
    "eprop, random feedback": {"kind": "eprop", "feedback": "random"},
    "node_perturbation": {"kind": "node_perturbation"},
    "reward_hebb": {"kind": "reward_hebb"},
    "cubic_hebb": {"kind": "cubic_hebb"},
    "readout_only": {"kind": "readout_only"},
}
BY_REWARD = ("node_perturbation", "reward_hebb", "cubic_hebb")
N_UPDATES = {
    "cue_accumulation": 400,
    "delayed_match": 400,
    "path_integration": 1000,
    "reaching": 500,
    "foraging": 1600,
}


def n_updates(rule: str, task: str) -> int:
    """Batches of trials: a reward alone needs more of them for a delay."""
    return 700 if rule in BY_REWARD and task == "delayed_match" else N_UPDATES[task]


def settings(rule: str, task: str, **training: Any) -> Config:
    """A network of 256 units with homeostasis and drift, as they are by default.

    Rules that know only a reward are slow: 128 units, batches of 64, and homeostasis slower than the learning. Place
    fields are as wide as e-prop's credit can use.
    """
    values: dict[str, Any] = {"task": {"kind": task}, "rule": RULES[rule]}
    values["training"] = {"n_updates": n_updates(rule, task), "test_every": 10} | training
    if task == "reaching" and rule == "eprop":
        values["rule"] = RULES[rule] | {"learning_rate": 0.01}
    if rule in BY_REWARD:
        values["network"] = {"n_units": 128}
        values["homeostasis"] = {"kind": "scaling", "rate_per_update": 0.0003}
        values["training"]["batch"] = 64
    if task == "foraging":
        values["task"]["field_sd"] = 1.0
        values["training"]["readout_learning_rate"] = 0.005
    return Config.model_validate(values)


def run(config: Config, seed: int) -> tuple[Learned | str, float]:
    """A trained network, or why there is none, and the seconds that it took."""
    begin = time.perf_counter()
    try:
        return train(config, seed), time.perf_counter() - begin
    except SynimgError as error:
        return str(error), time.perf_counter() - begin


def outcome(job: tuple[str, str, int]) -> tuple[float, float, int | None, float, dict[str, float]]:
    """End score, best score, trials to the criterion, seconds, and the facts about the causes, of one run."""
    rule, task, seed = job
    config = settings(rule, task)
    learned, seconds = run(config, seed)
    if isinstance(learned, str):
        return np.nan, np.nan, None, seconds, {}
    score, update = learned.history.score, learned.criterion_update[0]
    trials = None if update is None else update * config.training.batch
    return float(score[-1]), float(score.max()), trials, seconds, causes_of(learned)


def causes_of(learned: Learned) -> dict[str, float]:
    """Ledger error, sd and share of variance by cause, rank and common part of learning, in one network."""
    ledger, wiring = learned.ledger, learned.wiring
    log = {cause: ledger.log[cause].value for cause in CAUSES}
    linear = {cause: ledger.linear[cause].value for cause in CAUSES}
    facts = {"error_ln": ledger.error()[0], "error_receptors": ledger.error()[1]}
    for name, parts in (("ln", log), ("lin", linear)):
        total = sum(parts.values())
        for cause, values in parts.items():
            facts[f"share_{name}_{cause}"] = float(np.cov(values, total)[0, 1] / np.var(total, ddof=1))
    facts |= {f"sd_{cause}": float(values.std()) for cause, values in log.items()}
    if facts["sd_learning"] == 0:
        return facts | {"rank3": np.nan, "common": np.nan}
    n = wiring.leak.size
    count = np.maximum(np.bincount(wiring.contact_post, minlength=n), 1)
    mean = np.bincount(wiring.contact_post, log["learning"], n) / count
    facts["common"] = float(np.average(mean**2, weights=count) / np.mean(log["learning"] ** 2))
    matrix = np.zeros((n, n))
    matrix[wiring.contact_post, wiring.contact_pre] = log["learning"]
    energy = np.linalg.svd(matrix, compute_uv=False) ** 2
    facts["rank3"] = float(energy[:3].sum() / energy.sum())
    return facts


def tasks() -> None:
    """Every rule on every task, and what moved the synapses."""
    # a reward at the end of a trial says too little of a whole course: choices alone for the rules that know no more
    choices = ("cue_accumulation", "delayed_match")
    pairs = [(rule, task) for task in N_UPDATES for rule in RULES if task in choices or rule not in BY_REWARD]
    jobs = [(rule, task, seed) for rule, task in pairs for seed in SEEDS]
    print("| task | rule | score at the end, by seed | trials to the criterion of .9 | seconds per 1000 trials |")
    print("| --- | --- | --- | --- | --- |")
    found: dict[tuple[str, str, int], Any] = {}
    with ProcessPoolExecutor(n_cores()) as pool:
        for job, row in zip(jobs, pool.map(outcome, jobs), strict=True):
            found[job] = row
            rule, task, seed = job
            if seed != SEEDS[-1]:
                continue
            rows = [found[rule, task, s] for s in SEEDS]
            per_thousand = np.mean([row[3] for row in rows]) / (
                n_updates(rule, task) * (64 if rule in BY_REWARD else 32) / 1000
            )
            scores = ", ".join("diverged" if np.isnan(row[0]) else f"{row[0]:.2f}" for row in rows)
            trials = ", ".join("never" if row[2] is None else str(row[2]) for row in rows)
            print(f"| {task} | {rule} | {scores} | {trials} | {per_thousand:.1f} |", flush=True)
    print(
        "\n| task | rule | sd of ln: L, H, D | share of variance, ln: L, H, D | receptors: L, H, D | rank 3 | common | ledger |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for task in ("delayed_match", "path_integration"):
        for rule in RULES:
            facts = [row[4] for seed in SEEDS if (row := found.get((rule, task, seed))) and row[4]]
            if not facts:
                continue
            mean = {key: np.mean([f[key] for f in facts]) for key in facts[0]}
            text = [" / ".join(f"{mean[f'{k}_{c}']:.2f}" for c in CAUSES) for k in ("sd", "share_ln", "share_lin")]
            worst = max(max(f["error_ln"], f["error_receptors"]) for f in facts)
            print(
                f"| {task} | {rule} | {' | '.join(text)} | {mean['rank3']:.2f} | {mean['common']:.2f} | {worst:.0e} |"
            )


def _best(function: Any, n: int = 7) -> float:
    function()
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def speed() -> None:
    """Seconds of one update: ours, PyTorch's of the same network, and what the ledger adds to it."""
    config = Config.model_validate({"network": {"n_units": 200, "connection_probability": 0.2}})
    wiring, rng = build_wiring(config, 1), np.random.default_rng(1)
    batch = config.task.draw(32, config.network.dt_ms, rng)
    weights = wiring.weights(wiring.a_start)
    readout = Readout.start(2, 200, rng)

    pre, post = wiring.source, wiring.post

    def ours(rule: Any, noise_sd: float = config.network.noise_sd) -> Any:
        rates = run_trials(wiring, weights, batch, noise_sd, np.random.default_rng(2))
        trials = trials_of(wiring, weights, readout, batch, rates, np.zeros(32, np.float32))
        return at_edges(rule.at_post(trials, None)[0], trials.presynaptic(pre), post, pre, one_by_one=False)

    sds = (config.network.noise_sd, 0.0)
    n_steps, n_threads = len(batch.inputs), threadpoolctl.threadpool_info()[0]["num_threads"]
    print(f"\nOne update, N = 200, T = {n_steps}, batch 32, {n_threads} threads:")
    for sd, what in zip(sds, ("with noise on every unit", "without, whose random numbers are not ours"), strict=True):
        whole, local = _best(partial(ours, Bptt(), sd)), _best(partial(ours, Eprop(), sd))
        print(
            f"{what}: BPTT {1e3 * whole:.1f} ms, e-prop {1e3 * local:.1f} ms, e-prop / BPTT {local / whole:.2f}", end=""
        )
        try:
            import torch
        except ImportError:
            print("; no PyTorch to compare with (pip install torch)")
            continue
        peer, slope = _torch(torch, wiring, weights, batch, readout, sd)
        print(f", PyTorch {torch.__version__} BPTT {1e3 * peer:.1f} ms, BPTT / PyTorch {whole / peer:.2f}")
        if not sd:
            mine, theirs = ours(Bptt(), 0.0), slope[post, pre]
            off = np.abs(mine - theirs).max() / np.abs(theirs).max()
            print(f"largest difference of the gradients {off:.1e} of the largest")

    many = Config.model_validate({"network": {"n_units": 1000, "connection_probability": 0.1}})
    wide = build_wiring(many, 1)
    big, output = wide.weights(wide.a_start), Readout.start(2, 1000, rng)
    rates = run_trials(wide, big, batch, 0.0, rng)
    trials = trials_of(wide, big, output, batch, rates, np.zeros(32, np.float32))
    tracemalloc.start()
    at_edges(Eprop().at_post(trials, None)[0], trials.rates[:-1], wide.post, wide.pre, one_by_one=False)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    print(
        f"With 1000 units e-prop's step takes {peak:.0f} MiB; a trace per synapse and trial would be {1e6 * 32 * 4 / 2**20:.0f}"
    )

    def ledgers() -> float:
        """Share of training that goes into booking."""
        short = settings("eprop", "cue_accumulation", n_updates=60, test_every=60)
        begin = time.perf_counter()
        train(short, 1)
        whole_run = time.perf_counter() - begin
        ledger = train(short, 1).ledger
        change = 1e-3 * np.random.default_rng(1).standard_normal(ledger.a.size)
        return 60 * 3 * _best(lambda: ledger.book("drift", change), 50) / whole_run

    print(f"The ledger takes {100 * ledgers():.0f} % of the training of the default network")


def _torch(torch: Any, wiring: Any, weights: Any, batch: Any, readout: Readout, noise_sd: float) -> tuple[float, Any]:
    w_in, leak = torch.from_numpy(weights.inputs), torch.from_numpy(wiring.leak)
    inputs, target = torch.from_numpy(batch.inputs), torch.from_numpy(batch.target)
    w_out, b_out = torch.from_numpy(readout.w), torch.from_numpy(readout.b)
    steps = np.flatnonzero(batch.response)

    def gradient(sd: float) -> Any:
        w = torch.from_numpy(weights.recurrent).requires_grad_()
        drive = inputs @ w_in.T
        if sd:
            drive = drive + sd * torch.randn_like(drive)
        x = torch.zeros(drive.shape[1:])
        r, kept = x, []
        for t in range(len(drive)):
            x = (1 - leak) * x + leak * (r @ w.T + drive[t])
            r = torch.relu(x)
            kept.append(r)
        logits = torch.stack([kept[t] for t in steps]) @ w_out.T + b_out
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 2), target.repeat(len(steps)))
        loss.backward()
        return w.grad

    return _best(lambda: gradient(noise_sd)), gradient(0.0).numpy()


def consolidation() -> None:
    """Three tasks in a row: what is left of each at the end."""
    kinds: dict[str, dict[str, Any]] = {
        "none": {"kind": "none"},
        "elastic": {"kind": "elastic"},
        "synaptic_intelligence": {"kind": "synaptic_intelligence"},
        "beakers": {"kind": "beakers"},
        "context_gating": {"kind": "context_gating"},
    }
    jobs = [(rule, name, kind, seed) for rule in ("bptt", "eprop") for name, kind in kinds.items() for seed in SEEDS]
    with ProcessPoolExecutor(n_cores()) as pool:
        found = dict(zip([(r, n, s) for r, n, _, s in jobs], pool.map(_in_a_row, jobs), strict=True))
    print("\n| rule | consolidation | cues, match, reaching at the end | forgotten of cues, match |")
    print("| --- | --- | --- | --- |")
    for rule in ("bptt", "eprop"):
        for name in kinds:
            ends = np.mean([found[rule, name, seed][0] for seed in SEEDS], axis=0)
            lost = np.mean([found[rule, name, seed][1] for seed in SEEDS], axis=0)
            print(
                f"| {rule} | {name} | {', '.join(f'{v:.2f}' for v in ends)} | {', '.join(f'{v:.2f}' for v in lost)} |"
            )


def _in_a_row(job: tuple[str, str, dict[str, Any], int]) -> tuple[list[float], list[float]]:
    from synimg.phantoms.stages.history import learning_facts

    rule, _, kind, seed = job
    config = Config.model_validate(
        {
            "network": {"n_units": 128},
            "task": {"kind": "cue_accumulation"},
            "next_tasks": [{"kind": "delayed_match"}, {"kind": "reaching"}],
            "rule": RULES[rule] | {"learning_rate": 0.01},
            "consolidation": kind,
            # scaling at the default rate undoes what is learned of a task that is over, whatever is consolidated
            "homeostasis": {"kind": "scaling", "rate_per_update": 0.0002},
            "training": {"n_updates": 750, "test_every": 125},
        }
    )
    facts = learning_facts(config, train(config, seed))
    return facts["score_by_task"], facts["forgotten_by_task"]


def prediction() -> None:
    """A ring with landmarks: what prediction without labels does for path integration."""
    objectives: dict[str, dict[str, Any]] = {
        "readout only": {"kind": "readout_only"},
        "prediction": {"kind": "predictive"},
        "prediction, e-prop": {"kind": "predictive", "credit": "eprop"},
        "each cell's own drive": {"kind": "predictive", "of": "drive"},
        "task": {"kind": "bptt"},
        "prediction and task 1 : 1": {"kind": "predictive", "task_weight": 1.0},
        "prediction and task, competing": {"kind": "predictive", "task_weight": 1.0, "combination": "competing"},
    }
    jobs = [(name, values, seed) for name, values in objectives.items() for seed in SEEDS]
    with ProcessPoolExecutor(n_cores()) as pool:
        found = dict(zip([(name, seed) for name, _, seed in jobs], pool.map(_on_the_ring, jobs), strict=True))
    print("\n| what recurrent synapses learn for | R2, by seed | sd of ln by prediction, by the task |")
    print("| --- | --- | --- |")
    for name in objectives:
        rows = [found[name, seed] for seed in SEEDS]
        sds = np.mean([row[1] for row in rows], axis=0)
        print(f"| {name} | {', '.join(f'{row[0]:.2f}' for row in rows)} | {sds[0]:.2f}, {sds[1]:.2f} |")


def _on_the_ring(job: tuple[str, dict[str, Any], int]) -> tuple[float, tuple[float, float]]:
    _, rule, seed = job
    config = Config.model_validate(
        {
            "network": {"n_units": 128},
            "task": {"kind": "path_integration", "n_landmarks": 8},
            "rule": rule,
            "training": {"n_updates": 500, "test_every": 500},
        }
    )
    learned = train(config, seed)
    whole = float(learned.ledger.log["learning"].value.std())
    parts = {name: float(log.value.std()) for name, (log, _) in learned.ledger.parts.items()}
    if not parts:
        predicts = rule["kind"] == "predictive"
        parts = {"prediction": whole * predicts, "task": whole * (not predicts)}
    return float(learned.history.score[-1]), (parts["prediction"], parts["task"])


def large() -> None:
    """A network of 4096 units at 10 %, in sparse form: seconds, memory, and how soon it learns."""
    config = Config.model_validate(
        {
            "network": {"n_units": 4096, "connection_probability": 0.1},
            "training": {"n_updates": 40, "test_every": 20},
            "record": {"n_snapshots": 2},
        }
    )
    begin = time.perf_counter()
    learned = train(config, 1)
    seconds = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    wiring = learned.wiring
    print(
        f"\n4096 units, {wiring.pre.size} excitatory connections, {wiring.a_first.size} contacts: 40 updates of 32 trials in "
        f"{seconds:.0f} s, {memory:.1f} GiB; accuracy {learned.history.score[0]:.2f} to {learned.history.score[-1]:.2f}, "
        f"ledger error {max(learned.ledger.error()):.0e}"
    )


PARTS = {"tasks": tasks, "speed": speed, "large": large, "consolidation": consolidation, "prediction": prediction}


def main() -> None:
    """The parts that were asked for."""
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
