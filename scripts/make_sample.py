"""Makes viewers/sample.zip, the data set behind napari's File > Open Sample: python scripts/make_sample.py"""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import synimg
from synimg.analysis.separation_files import separate_dataset
from synimg.config import Config
from synimg.model import Model

OUT = Path(__file__).parent.parent / "viewers" / "sample.zip"
SEED = 6
"""A network that learned what the separation can call: most so small ones give it nothing to be sure of."""


def settings() -> Config:
    """A network that learns, in a block small enough to travel with the package: two channels and labels read in place."""
    config = synimg.preset("tiny")
    identity: Model = Config.model_validate({"identity": {"kind": "label_readout"}}).identity
    volume = config.volume.model_copy(update={"shape_vox": (24, 128, 144), "chunk_vox": (24, 128, 144)})
    # little drift and much light, so that so small a block has synapses that can be called
    parts: dict[str, Any] = {
        "animal_id": "sample",
        "identity": identity,
        "volume": volume,
        "record": config.record.model_copy(update={"n_snapshots": 6}),
        "dyes": config.dyes.model_copy(update={"photons_per_receptor": 150.0}),
        "drift": config.drift.model_copy(update={"sd_per_day": 0.02}),
        "receptors": config.receptors.model_copy(update={"receptors_mean": 120.0}),
        "tissue": config.tissue.model_copy(update={"n_imaged_neurons": 8}),
        "training": config.training.model_copy(update={"n_updates": 240}),
    }
    return config.model_copy(update=parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample"
        synimg.generate(settings(), path, seed=SEED)
        synimg.measure(path)
        separate_dataset(path, method="hierarchical", seed=SEED)
        synimg.validate(path)
        with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                # the same bytes each time: no date of making
                entry = zipfile.ZipInfo(str(file.relative_to(folder)))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
    print(f"{OUT}: {OUT.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
