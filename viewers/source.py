"""A data set as the tables that figures and reports are made from, each read once and only when it is asked for."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.analysis.look import Measured
from synimg.analysis.quality import Quality, read_quality
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import separate, with_known_parents
from synimg.analysis.separation_files import measured_synapses, read_separation
from synimg.analysis.validate.separation import learned_of
from synimg.config import Config
from synimg.store.atomic import read_json
from synimg.store.dataset import Dataset
from synimg.store.image import Box, blocks, image_attributes, levels_of, open_array, read_intact
from synimg.store.network import read_arrays
from synimg.store.tables import read_table
from synimg.viewers.synapse_map import read_synapse_map

MOST_PIXELS = 1600


class Source:
    """The tables of one run of a data set.

    Every attribute raises `SynimgError` with what to run first where the stage that makes it is missing.
    """

    def __init__(self, dataset: Dataset, run: str = "default") -> None:
        self.dataset, self.run = dataset, run
        self.unread: set[Box] = set()
        """Chunks that were damaged when the image was drawn."""

    def _need(self, *stages: str) -> None:
        for stage in stages:
            if stage in {"network", "tissue", "image"}:
                self.dataset.require(stage, f"synimg generate ... --out {self.dataset.path}")
            else:
                if stage != "measure" and self.dataset.is_done(f"{self.run}/measure"):
                    measured_synapses(self.dataset, self.run)  # an empty table ends the way to all that comes after it
                self.dataset.require(f"{self.run}/{stage}", f"synimg {stage} {self.dataset.path} --run {self.run}")

    @cached_property
    def config(self) -> Config:
        """The configuration."""
        return self.dataset.config

    @cached_property
    def truth(self) -> pd.DataFrame:
        """All true synapses."""
        self._need("tissue")
        return read_table(self.dataset.path / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)

    @cached_property
    def true_neurons(self) -> pd.DataFrame:
        """All true neurons."""
        self._need("network")
        return read_table(self.dataset.path / "truth" / "neurons.parquet", schema.TRUTH_NEURONS)

    @cached_property
    def history(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and notes of the window."""
        self._need("network")
        return read_arrays(self.dataset.path / "truth" / "history.zarr")

    @cached_property
    def channels(self) -> list[dict[str, Any]]:
        """OMERO's description of the channels."""
        self._need("image")
        found: list[dict[str, Any]] = image_attributes(self.dataset.image)["ome"]["omero"]["channels"]
        return found

    @cached_property
    def _level(self) -> tuple[str, float]:
        """The finest level of the pyramid with at most `MOST_PIXELS` along an edge, or the coarsest; its pixels [um]."""
        self._need("image")
        levels = levels_of(self.dataset.image)
        small = (one for one in levels if max(open_array(self.dataset.image, one[0]).shape[-2:]) <= MOST_PIXELS)
        return next(small, levels[-1])

    @cached_property
    def projection(self) -> NDArray[Any]:
        """The maximum along z of every channel (c, y, x), read chunk by chunk; damaged chunks are dark."""
        level = open_array(self.dataset.image, self._level[0])
        flat = np.zeros((level.shape[0], *level.shape[2:]), level.dtype)
        for box in blocks(level.shape[1:], level.chunks[1:]):
            voxels, damaged = read_intact(self.dataset.image, self._level[0], box)
            self.unread.update(damaged)
            _, rows, columns = (slice(s, s + n) for s, n in zip(*box, strict=True))
            np.maximum(flat[:, rows, columns], voxels.max(axis=1), out=flat[:, rows, columns])
        return flat

    @cached_property
    def plane(self) -> NDArray[Any]:
        """The slice through the middle of every channel (c, y, x); damaged chunks are dark."""
        level = open_array(self.dataset.image, self._level[0])
        _, n, *sides = level.shape
        voxels, damaged = read_intact(self.dataset.image, self._level[0], ((n // 2, 0, 0), (1, sides[0], sides[1])))
        self.unread.update(damaged)
        flat: NDArray[Any] = voxels[:, 0]
        return flat

    @property
    def pixel_um(self) -> float:
        """Pixel size of `projection` and `plane`."""
        return self._level[1]

    @cached_property
    def synapses(self) -> pd.DataFrame:
        """The measured synapse map with what is derived from it."""
        self._need("measure")
        return read_synapse_map(self.dataset, self.run)

    @cached_property
    def detections(self) -> pd.DataFrame:
        """The detections behind the measured synapses, in their order."""
        self._need("measure")
        return read_table(self.dataset.run(self.run) / "detections.parquet")

    @cached_property
    def quality(self) -> Quality:
        """The quality report of the measurement."""
        self._need("measure")
        return read_quality(self.dataset.run(self.run))

    @property
    def path(self) -> Path:
        """The data set's folder."""
        return self.dataset.path

    @cached_property
    def measured(self) -> Measured:
        """The voxels with what was found in them."""
        self._need("measure")
        return Measured.open(self.dataset, self.run)

    @cached_property
    def separation(self) -> Separation:
        """The separation."""
        self._need("separate")
        return read_separation(self.dataset.run(self.run))

    @cached_property
    def scores(self) -> dict[str, Any]:
        """The scores of the validation."""
        self._need("validate")
        found: dict[str, Any] = read_json(self.dataset.run(self.run) / "scores.json")
        return found

    @cached_property
    def matched(self) -> pd.DataFrame:
        """Measured synapses with their true partners."""
        self._need("validate")
        return read_table(self.dataset.run(self.run) / "matched.parquet")

    @cached_property
    def separated(self) -> pd.DataFrame:
        """Those of `matched` that the separation has, in its order."""
        return with_known_parents(self.matched)

    @cached_property
    def learned(self) -> NDArray[np.bool_]:
        """Which synapses of the separation truly learned."""
        return learned_of(self.separated)

    @cached_property
    def neurons(self) -> pd.DataFrame:
        """The separation's neurons with the true factor."""
        truth = self.true_neurons[["neuron_id", "scale_factor"]]
        return self.separation.neurons.merge(truth, on="neuron_id", suffixes=("", "_true"))

    @cached_property
    def rankings(self) -> dict[str, NDArray[Any]]:
        """p(learning) by the run's method and by three others for comparison."""
        found = {self.separation.info["method"]: self.separation.synapses["p_learning"].to_numpy(float)}
        table = self.separated[["synapse_id", "neuron_id", "neuron_prob", "r_old", "r_old_se", "r_new", "r_new_se"]]
        for method in ("hierarchical", "neuron_mode", "raw"):
            if method not in found:
                found[method] = separate(table, method).synapses["p_learning"].to_numpy(float)
        return found
