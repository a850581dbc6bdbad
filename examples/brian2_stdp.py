"""A spiking network from Brian2, with STDP and synaptic scaling, through receptors, image and separation.

Needs ``pip install brian2 'numpy<2.4'`` (Brian2 2.9 does not start with a later NumPy). Run it:
python examples/brian2_stdp.py OUT  (a new folder; about a minute)

Two groups of inputs drive 40 cells; in the first group spikes come together, which STDP (Song, Miller and Abbott 2000)
rewards. Each second every cell scales its inputs towards a rate of its own (van Rossum, Bi and Turrigiano 2000). Both
mechanisms write down what they have changed, so that the truth is known by cause.
"""

import sys
from pathlib import Path

import brian2 as b2
import numpy as np
import pandas as pd

import synimg
from synimg.analysis.separation_files import separate_dataset

N_INPUTS, N_CELLS, P_CONNECT, DURATION_S = 100, 40, 0.3, 30


def simulate(seed: int) -> pd.DataFrame:
    """Edges before and after, and what STDP (learning) and scaling (homeostasis) did to each."""
    b2.seed(seed)
    b2.prefs.codegen.target = "numpy"
    rng = np.random.default_rng(seed)
    together = b2.PoissonGroup(1, 4 * b2.Hz)  # its spikes arrive at half of the inputs at the same time
    alone = b2.PoissonGroup(N_INPUTS, 6 * b2.Hz)
    inputs = b2.NeuronGroup(N_INPUTS, "fire : 1", threshold="fire > 0.5", reset="fire = 0")
    own = b2.Synapses(alone, inputs, on_pre="fire_post = 1")
    own.connect(j="i")
    shared = b2.Synapses(together, inputs, on_pre="fire_post = 1")
    shared.connect(i=0, j=np.arange(N_INPUTS // 2))
    cells = b2.NeuronGroup(
        N_CELLS,
        """dv/dt = -v / (20*ms) : 1
           drate/dt = -rate / (2*second) : Hz
           target : Hz (constant)""",
        threshold="v > 1",
        reset="v = 0; rate += 1 / (2*second)",
        method="exact",
    )
    cells.target = 8 * np.exp(0.4 * rng.standard_normal(N_CELLS)) * b2.Hz
    synapses = b2.Synapses(
        inputs,
        cells,
        """w : 1
           learned : 1
           scaled : 1
           darrived/dt = -arrived / (20*ms) : 1 (event-driven)
           dfired/dt = -fired / (20*ms) : 1 (event-driven)""",
        on_pre="v_post += w; arrived += 1; learned -= 0.0055*w*fired; w -= 0.0055*w*fired",
        on_post="fired += 1; learned += 0.005*w*arrived; w += 0.005*w*arrived",
    )
    synapses.connect(p=P_CONNECT)
    synapses.w = 0.15 * np.exp(0.5 * rng.standard_normal(len(synapses)))
    before = np.array(synapses.w)
    scaling = synapses.run_regularly(
        """change = 0.02 * w * clip((target_post - rate_post) / target_post, -1, 1)
           scaled += change
           w += change""",
        dt=1 * b2.second,
    )
    net = b2.Network(together, alone, inputs, own, shared, cells, synapses, scaling)
    net.run(DURATION_S * b2.second)
    return pd.DataFrame(
        {
            "pre": np.array(synapses.i) + 1,
            "post": np.array(synapses.j) + 1 + N_INPUTS,
            "weight_before": before,
            "weight_after": np.array(synapses.w),
            "learning": np.array(synapses.learned),
            "homeostasis": np.array(synapses.scaled),
        }
    )


def main() -> None:
    """Simulate, hand over, and see what can be read back."""
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/brian2_stdp.py OUT   (a new folder)")
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    edges = simulate(seed=1)
    edges.to_parquet(out / "edges.parquet")
    config = synimg.Config.model_validate(
        {
            "imported": {"edges": str((out / "edges.parquet").resolve())},
            "tissue": {"n_imaged_neurons": N_CELLS},
            "volume": {"shape_vox": [32, 384, 384], "chunk_vox": [16, 192, 192]},
        }
    )
    data = synimg.generate(config, out / "mouse")
    synimg.measure(data)
    separate_dataset(data.path, method="neuron_mode")
    scores = synimg.validate(data.path)
    ln = np.log(edges["weight_after"] / edges["weight_before"])
    common = np.where(edges["pre"] <= N_INPUTS // 2, "together", "alone")
    print(f"ln weight changed by {ln.groupby(common).mean().round(2).to_dict()} (inputs that fire together, alone)")
    for title, rows in scores["headlines"].items():
        print(title, rows)


if __name__ == "__main__":
    main()
