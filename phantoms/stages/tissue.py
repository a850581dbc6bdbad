"""The stage `tissue`: receptors, dendrites, spines and axons, and the tables of the truth."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from synimg import compute, schema
from synimg.config import Config
from synimg.phantoms.axons import draw_axons
from synimg.phantoms.prepare import preparation_of
from synimg.phantoms.render import channel_shift_um
from synimg.phantoms.stages.drawn import Drawn, crowd_around, draw
from synimg.phantoms.stages.truth import neuron_truth, synapse_truth
from synimg.phantoms.surroundings import background_tables
from synimg.store.atomic import write_json
from synimg.store.dataset import Dataset
from synimg.store.morphology import write_swc
from synimg.store.tables import table_writer, write_table

AXON_TABLE = "axons.parquet"
AXONS = "axons"
"""Folder of pieces of axons, while they are drawn."""


def make_tissue(dataset: Dataset, config: Config, trees: list[Any], pool: compute.Pool, report: compute.Report) -> None:
    """Do the stage."""
    report("growing the tissue", 0, 1)
    with dataset.stage("tissue") as scratch:
        drawn, truth = draw(dataset, config, trees), scratch / "truth"
        _write_synapses(truth, config, drawn)
        _write_maps(truth, config)
        _write_background(truth, config, drawn)
        _write_neurons(truth, config, drawn)
        if config.axons.um_per_um3 > 0:
            files = scratch / AXONS
            with table_writer(truth / AXON_TABLE, schema.TRUTH_AXONS) as write:
                for table in draw_axons(drawn.grown, drawn.wiring.contact_pre, config, pool, files, report):
                    write(table)
            shutil.rmtree(files)
        readouts = config.identity.readouts(drawn.tissue, config.seed)
        if readouts is not None:
            write_table(scratch / "readouts.parquet", readouts, schema.READOUTS)
    report("growing the tissue", 1, 1)


def _write_synapses(truth: Path, config: Config, drawn: Drawn) -> None:
    threshold = config.training.learned_threshold_ln
    notes = {
        "is_learned": f"|ln_learning| > {threshold:g}: learning alone moved the receptors by more than "
        f"a factor of {np.exp(threshold):.3g}, or the synapse formed by learning",
        "depression": config.receptors.depression,
    }
    write_table(truth / "synapses.parquet", synapse_truth(config, drawn), schema.TRUTH_SYNAPSES, notes)


def _write_maps(truth: Path, config: Config) -> None:
    """Where channels and the preparation put what lies in the tissue, if elsewhere."""
    if max(config.optics.motion_sd_um) > 0:
        names = ["pulse", "chase", *(name for name, *_ in config.identity.dye_channels())]
        shifts = {name: channel_shift_um(config, name, config.seed).tolist() for name in names}
        write_json(truth / "channels.json", {"shift_um": shifts})
    if config.preparation:
        write_json(truth / "preparation.json", preparation_of(config, config.seed).facts())


def _write_background(truth: Path, config: Config, drawn: Drawn) -> None:
    """The synapses of neurons outside the network, where there are any."""
    crowd = crowd_around(config, drawn)
    if crowd is not None and config.surroundings.synapses_per_um3 > 0:
        with table_writer(truth / "background.parquet", schema.TRUTH_BACKGROUND) as write:
            for table in background_tables(crowd):
                write(table)


def _write_neurons(truth: Path, config: Config, drawn: Drawn) -> None:
    """The table of neurons, and the dendrites of those that are imaged."""
    write_table(truth / "neurons.parquet", neuron_truth(config, drawn), schema.TRUTH_NEURONS)
    for neuron_id, tree in zip(drawn.tissue.neuron_id, drawn.tissue.trees, strict=True):
        file = truth / "morphology" / f"neuron{neuron_id:04d}.swc"
        write_swc(file, tree.points_um, tree.radius_um, tree.parent, tree.swc_type)
