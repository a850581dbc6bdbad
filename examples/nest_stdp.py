"""A spiking network from NEST, whose excitatory synapses change by STDP, through receptors, image and separation.

Needs NEST 3.10 (``pip install nest-simulator``, or conda). Run it:
python examples/nest_stdp.py OUT  (a new folder; about a minute)

All cells fire at a few Hz by noise of their own. A quarter of the excitatory ones also fire together, now and then, and
drive others; STDP (Song, Miller and Abbott 2000; depression in proportion to the weight, as in van Rossum, Bi and
Turrigiano 2000) rewards their synapses and leaves most of the others where they were.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import synimg
from synimg.analysis.separation_files import separate_dataset

N_EXCITATORY, N_INHIBITORY, N_TOGETHER, INDEGREE = 80, 20, 20, 20


def simulate(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Edges with their weights before and after, and the cells; all that changes is STDP's doing (learning)."""
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.rng_seed = seed
    excitatory = nest.Create("iaf_psc_alpha", N_EXCITATORY)
    inhibitory = nest.Create("iaf_psc_alpha", N_INHIBITORY)
    noise = nest.Create("poisson_generator", params={"rate": 1200.0})
    nest.Connect(noise, excitatory + inhibitory, syn_spec={"weight": 40.0})
    common = nest.Create("poisson_generator", params={"rate": 4.0})
    relay = nest.Create("parrot_neuron")  # or each cell would get spikes of its own
    nest.Connect(common, relay)
    nest.Connect(relay, excitatory[:N_TOGETHER], syn_spec={"weight": 3000.0})
    rule = {"rule": "fixed_indegree", "indegree": INDEGREE, "allow_autapses": False, "allow_multapses": False}
    start = {"weight": nest.math.exp(nest.random.normal(np.log(40.0), 0.5)), "delay": 1.5}
    stdp = {"lambda": 0.002, "alpha": 5.0, "Wmax": 200.0, "mu_plus": 0.0, "mu_minus": 1.0}
    plastic = {"synapse_model": "stdp_synapse", **stdp, **start}
    nest.Connect(excitatory, excitatory, rule, plastic)
    nest.Connect(excitatory, inhibitory, rule, plastic)
    weak = {**rule, "indegree": 5}
    nest.Connect(inhibitory, excitatory + inhibitory, weak, {"weight": -160.0, "delay": 1.5})
    cells = excitatory + inhibitory
    keys = ["source", "target", "weight"]
    before = pd.DataFrame(nest.GetConnections(cells, cells).get(keys))
    nest.Simulate(20_000.0)
    after = pd.DataFrame(nest.GetConnections(cells, cells).get(keys))
    both = before.merge(after, on=["source", "target"], suffixes=("_before", "_after"))
    edges = both.rename(columns={"source": "pre", "target": "post"})
    edges["learning"] = edges["weight_after"] - edges["weight_before"]
    kinds = ["E"] * N_EXCITATORY + ["I"] * N_INHIBITORY
    return edges, pd.DataFrame({"cell_id": cells.tolist(), "cell_type": kinds})


def main() -> None:
    """Simulate, hand over, and see what can be read back."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/nest_stdp.py OUT   (a new folder)")
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    edges, cells = simulate(seed=1)
    for name, table in (("edges", edges), ("cells", cells)):
        table.to_parquet(out / f"{name}.parquet")
    config = synimg.Config.model_validate(
        {
            "imported": {name: str((out / f"{name}.parquet").resolve()) for name in ("edges", "cells")},
            "tissue": {"n_imaged_neurons": 30},
            "volume": {"shape_vox": [32, 384, 384], "chunk_vox": [16, 192, 192]},
        }
    )
    data = synimg.generate(config, out / "mouse")
    synimg.measure(data)
    separate_dataset(data.path, method="neuron_mode")
    scores = synimg.validate(data.path)
    excitatory = edges[edges["weight_before"] > 0]
    ln = np.log(excitatory["weight_after"] / excitatory["weight_before"])
    source = np.where(excitatory["pre"] <= N_TOGETHER, "together", "alone")
    print(f"ln weight changed by {ln.groupby(source).mean().round(2).to_dict()} (from cells that fire together, alone)")
    for title, rows in scores["headlines"].items():
        print(title, rows)


if __name__ == "__main__":
    main()
