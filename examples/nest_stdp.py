"""A spiking network from NEST, whose excitatory synapses change by STDP, through receptors and image.

Needs NEST (``pip install nest-simulator``, or conda). Run it:  python examples/nest_stdp.py OUT  (a new folder)
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import synimg

N_EXCITATORY, N_INHIBITORY, INDEGREE = 80, 20, 20


def simulate(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Edges with their weights before and after, and the cells; all that changes is STDP's doing (learning)."""
    import nest

    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.rng_seed = seed
    excitatory = nest.Create("iaf_psc_alpha", N_EXCITATORY)
    inhibitory = nest.Create("iaf_psc_alpha", N_INHIBITORY)
    noise = nest.Create("poisson_generator", params={"rate": 9000.0})
    nest.Connect(noise, excitatory + inhibitory, syn_spec={"weight": 40.0})
    rule = {"rule": "fixed_indegree", "indegree": INDEGREE, "allow_autapses": False, "allow_multapses": False}
    start = {"weight": nest.math.exp(nest.random.normal(np.log(40.0), 0.5)), "delay": 1.5}
    plastic = {"synapse_model": "stdp_synapse", "lambda": 0.005, "alpha": 1.05, "Wmax": 200.0, **start}
    nest.Connect(excitatory, excitatory, rule, plastic)
    nest.Connect(excitatory, inhibitory, rule, plastic)
    weak = {**rule, "indegree": 5}
    nest.Connect(inhibitory, excitatory + inhibitory, weak, {"weight": -160.0, "delay": 1.5})
    cells = excitatory + inhibitory
    keys = ["source", "target", "weight"]
    before = pd.DataFrame(nest.GetConnections(cells, cells).get(keys))
    nest.Simulate(10_000.0)
    after = pd.DataFrame(nest.GetConnections(cells, cells).get(keys))
    both = before.merge(after, on=["source", "target"], suffixes=("_before", "_after"))
    edges = both.rename(columns={"source": "pre", "target": "post"})
    edges["learning"] = edges["weight_after"] - edges["weight_before"]
    kinds = ["E"] * N_EXCITATORY + ["I"] * N_INHIBITORY
    return edges, pd.DataFrame({"cell_id": cells.tolist(), "cell_type": kinds})


def main() -> None:
    """Simulate, hand over, and image."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/nest_stdp.py OUT   (a new folder)")
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, table in zip(("edges", "cells"), simulate(seed=1), strict=True):
        table.to_parquet(out / f"{name}.parquet")
    config = synimg.Config.model_validate(
        {
            "imported": {name: str((out / f"{name}.parquet").resolve()) for name in ("edges", "cells")},
            "tissue": {"n_imaged_neurons": 30},
            "volume": {"shape_vox": [32, 384, 384], "chunk_vox": [16, 192, 192]},
        }
    )
    data = synimg.generate(config, out / "mouse")
    print(f"{data.path}: {len(synimg.measure(data))} synapses measured; next: synimg separate {data.path}")


if __name__ == "__main__":
    main()
