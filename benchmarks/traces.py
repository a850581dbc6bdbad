"""Parents from traces: the demonstration's pulse and chase channels as a lab's stack, with the true dendrites as traces.

python benchmarks/traces.py [SEED ...]

Prints, for all dendrites traced and for a part of them, how many synapses get a parent, how often it is right and how often it says
so, beside the nearest dendrite's surface.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

import synimg
from synimg.analysis.lab import Lab, measure_recordings
from synimg.analysis.lab_recording import LabRecording
from synimg.analysis.traces import TraceSettings, Tracing, near_traces, parents_of_traces
from synimg.analysis.validate.imaging import match_truth
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes, read_block
from synimg.store.morphology import Trace, read_traces
from synimg.store.tables import read_table

SHARES = (1.0, 0.5, 0.15)
LEVELS = (0.5, 0.8)


def measured(dataset: Dataset, folder: Path) -> pd.DataFrame:
    """Synapses of the pulse and chase channels, of which no more is known than a lab knows, with their true parents."""
    known = image_attributes(dataset.image)["synimg"]
    names = [channel["name"] for channel in known["channels"]]
    grey = read_block(dataset.image, "0")[[names.index("pulse"), names.index("chase")]]
    tifffile.imwrite(folder / "lab.tif", grey, metadata={"axes": "CZYX"})
    recording = LabRecording.parse({"camera": known["camera"], "psf": known["psf"]}, "lab")
    sigma = tuple(np.mean([c["psf_sigma_um"] for c in known["channels"][:2]], axis=0))
    lab = Lab(recording.with_(None, sigma))
    voxel_um = tuple(known["voxel_um"])
    (found,) = measure_recordings([folder / "lab.tif"], {"old": "0", "new": "1"}, lab, folder / "out", voxel_um)
    truth = read_table(dataset.path / "truth/synapses.parquet")
    truth = truth[truth["is_imaged"].to_numpy(bool)].reset_index(drop=True)
    return match_truth(read_table(found.folder / "synapses.parquet"), truth)


def row(synapses: pd.DataFrame, traces: list[Trace], level: float) -> dict[str, float]:
    """Scores with these dendrites traced; what is no synapse has no right parent."""
    points, true = synapses[PLACE].to_numpy(float), synapses["post_id_true"].fillna(-1).to_numpy(int)
    found = parents_of_traces(points, Tracing(traces, TraceSettings(least_parent_prob=level))).table
    known = found["neuron_id"].notna().to_numpy()
    near = near_traces(points, traces).sort_values(["synapse", "bin"], kind="stable").drop_duplicates("synapse")
    nearest = np.array([trace.neuron_id for trace in traces])[near["trace"]]
    right = found["neuron_id"][known].to_numpy(int) == true[known]
    return {
        "with a parent": known.mean(),
        "right": right.mean() if right.size else np.nan,
        "stated": found["neuron_prob"][known].mean(),
        "nearest: with a parent": len(near) / len(synapses),
        "nearest: right": (nearest == true[near["synapse"]]).mean(),
    }


def main(seeds: list[int]) -> None:
    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            dataset = synimg.generate("demo", Path(name) / "mouse", seed=seed, workers=1)
            synapses, traces = measured(dataset, Path(name)), read_traces([dataset.path / "truth/morphology"])
        for share in SHARES:
            some = traces[: max(round(share * len(traces)), 1)]
            rows += [{"seed": seed, "traced": share, "level": x, **row(synapses, some, x)} for x in LEVELS]
    table = pd.DataFrame(rows).groupby(["traced", "level"], sort=False).mean().drop(columns="seed")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [1])
