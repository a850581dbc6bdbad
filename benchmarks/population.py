"""A population drawn from small trained networks against larger networks trained alike; its speed and memory.

python benchmarks/population.py [SMALL LARGE N_SEEDS [RULE]]     e.g. 128 384 4 eprop
python benchmarks/population.py speed [N_SYNAPSES]

Every population has as many neurons and synapses as a large network. What is close is judged by the spread of the large
networks among themselves: z is the distance of the means in standard deviations of one large network, KS the
Kolmogorov-Smirnov distance of populations to large networks, and of large networks to each other.
"""

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import ks_2samp, kurtosis

from synimg.config import Config, preset
from synimg.family import part
from synimg.phantoms.clusters import neighbour_correlation
from synimg.phantoms.fit_law import fit_law
from synimg.phantoms.law import is_lasting, moments
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.populate import population
from synimg.phantoms.population import Population
from synimg.phantoms.stages.network import train_one
from synimg.phantoms.stages.network_file import save_network
from synimg.store.network import read_network


def config_of(n_units: int, rule: str = "eprop", seed: int = 1) -> Config:
    """The demonstration with as many units, and turnover."""
    base = preset("demo")
    return base.model_copy(
        update={
            "seed": seed,
            "network": base.network.model_copy(update={"n_units": n_units}),
            "rule": part("synimg.phantoms.rules", rule)(),
            "turnover": part("synimg.phantoms.turnover", "clustered")(),
        }
    )


def trained(n_units: int, rule: str, seed: int, folder: str):
    """Contacts, nodes and snapshots of a trained network."""
    learned = train_one(None, config_of(n_units, rule, seed), folder)
    Path(folder, "without_nothing.pickle").unlink()
    file = Path(folder) / f"{n_units}_{seed}.h5"
    save_network(file, learned, {}, {})
    nodes, edges, _ = read_network(file)
    there = np.isin(np.arange(learned.wiring.a_first.size), np.flatnonzero(~learned.wiring.is_potential))
    for event in learned.history.events:
        there[event.contact] = True
    snapshots = {cause: values[:, there].astype(float) for cause, values in learned.history.ln.items()}
    return edges["excitatory"], nodes, snapshots


def drawn(law, contacts, nodes, seed: int):
    """The contacts of a population of the size of a network, and its rates (start, end)."""
    people = Population(law, contacts["target"].size, seed, nodes["is_excitatory"].size)
    blocks = [people.block(k) for k in range(people.n_blocks)]
    return {name: np.concatenate([b.contact[name] for b in blocks]) for name in blocks[0].contact}


def statistics(contacts, n_units: int) -> dict[str, float]:
    """What a population is to keep."""
    lasts = is_lasting(contacts)
    c = {name: values[lasts] for name, values in contacts.items() if np.ndim(values)}
    post, learning = c["target"], c["ln_learning"]
    out = {}
    for cause in CAUSES:
        found = moments(post, c[f"ln_{cause}"], n_units)
        out |= {f"sd ln {cause}": found["sd"], f"between neurons, {cause}": found["share_between"]}
    scaled = np.abs(learning) / learning.std()
    out |= {f"|learning| / sd, {q} % quantile": float(np.percentile(scaled, q)) for q in (50, 90, 99)}
    out["learning, excess kurtosis"] = float(kurtosis(learning))
    matrix = np.zeros((n_units, n_units))
    matrix[post, c["source"]] = learning
    share = np.linalg.svd(matrix, compute_uv=False) ** 2
    share /= share.sum()
    out |= {
        "first singular value's share": share[0],
        "first three": share[:3].sum(),
        "effective rank": 1 / (share**2).sum(),
    }
    n = np.maximum(np.bincount(post, minlength=n_units), 1)
    mean = {cause: np.bincount(post, c[f"ln_{cause}"], n_units) / n for cause in CAUSES}
    out["neurons: learning and homeostasis, r"] = float(np.corrcoef(mean["learning"], mean["homeostasis"])[0, 1])
    out["neighbours up to 1 contact, r"] = float(
        neighbour_correlation(post, c["edge"], c["along"], learning)[0][:2].mean()
    )
    change = contacts["a_end"] - contacts["a_start"]
    for cause in CAUSES:
        out[f"share in receptors, {cause}"] = float(np.cov(contacts[cause], change)[0, 1] / change.var())
    out["formed"] = float((contacts["formed_update"] >= 0).mean())
    out["formed by learning"] = float((contacts["formed_cause"] == 0).mean())
    out["eliminated"] = float((contacts["eliminated_update"] >= 0).mean())
    out["sd ln receptors"] = float(np.log(c["a_start"]).std())
    return out


def compare(small: int, large: int, n_seeds: int, rule: str) -> None:
    """Print the table."""
    seeds = range(1, n_seeds + 1)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        targets = [trained(large, rule, seed + 100, folder) for seed in seeds]
        print(f"{n_seeds} networks of {large} units ({rule}): {time.perf_counter() - start:.0f} s")
        start = time.perf_counter()
        sources = [trained(small, rule, seed, folder) for seed in seeds]
        print(f"{n_seeds} networks of {small} units: {time.perf_counter() - start:.0f} s")
    start = time.perf_counter()
    laws = [fit_law(contacts, nodes, snapshots, 2.0) for contacts, nodes, snapshots in sources]
    print(f"laws: {time.perf_counter() - start:.1f} s")
    people = [drawn(law, *target[:2], seed) for law, target, seed in zip(laws, targets, seeds, strict=True)]
    rows = {
        "small": [statistics(contacts, small) for contacts, *_ in sources],
        "population": [statistics(contacts, large) for contacts in people],
        "large": [statistics(contacts, large) for contacts, *_ in targets],
    }
    print(f"{'':<40}{'small':>14}{'population':>14}{'large':>14}{'z':>7}")
    for name in rows["large"][0]:
        values = {of: np.array([row[name] for row in found]) for of, found in rows.items()}
        sd = values["large"].std(ddof=1)
        z = (values["population"].mean() - values["large"].mean()) / max(sd, 1e-12)
        text = "".join(f"{v.mean():>8.3f} ±{v.std(ddof=1):<4.2f}" for v in values.values())
        print(f"{name:<40}{text}{z:>7.1f}")
    print("KS distance, median (largest)")
    for name in (*(f"ln_{cause}" for cause in CAUSES), "a_start", "learning / sd"):

        def of(contacts, name=name):
            return contacts["ln_learning"] / contacts["ln_learning"].std() if "/" in name else contacts[name]

        among = [ks_2samp(of(a[0]), of(b[0])).statistic for a, b in combinations(targets, 2)]
        to = [ks_2samp(of(p), of(t[0])).statistic for p in people for t in targets]
        own = [ks_2samp(of(p), of(s[0])).statistic for p, s in zip(people, sources, strict=True)]
        print(f"{name:<20} population to large {np.median(to):.3f} ({max(to):.3f}), among large {np.median(among):.3f} "
              f"({max(among):.3f}), population to its own small network {np.median(own):.3f}")  # fmt: skip


def _draw(folder: str, n_synapses: float) -> None:
    start = time.perf_counter()
    out = Path(folder) / f"{n_synapses:g}"
    population(Path(folder) / "mouse", out, n_synapses)
    seconds, size = time.perf_counter() - start, sum(f.stat().st_size for f in out.rglob("*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(
        f"{n_synapses:.0e} synapses: {seconds:.0f} s, peak memory {peak / 1e9:.2f} GB, files {size / 1e9:.2f} GB",
        flush=True,
    )


def speed(n_synapses: float) -> None:
    """Print times and peak memory, each from a process of its own."""
    import synimg

    with tempfile.TemporaryDirectory() as folder:
        synimg.generate(config_of(128).model_copy(update={"volume": preset("tiny").volume,
                        "tissue": preset("tiny").tissue}), Path(folder) / "mouse")  # fmt: skip
        for n in (n_synapses / 100, n_synapses / 10, n_synapses):
            process = multiprocessing.get_context("spawn").Process(target=_draw, args=(folder, n))
            process.start()
            process.join()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.argv[1:2] == ["speed"]:
        speed(float((sys.argv[2:] or ["1e7"])[0]))
    else:
        numbers = [int(a) for a in sys.argv[1:4]] or [128, 384, 4]
        compare(*numbers, (sys.argv[4:] or ["eprop"])[0])
