"""The stage `network`: trained here, or taken from the files of another simulator."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg import compute
from synimg.config import Config
from synimg.errors import SynimgError, UnworkableError
from synimg.phantoms.imported import import_network
from synimg.phantoms.learned import Learned
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.network import train
from synimg.phantoms.recording import eligibility, record_activity
from synimg.phantoms.stages.history import history_arrays, learning_facts
from synimg.phantoms.stages.network_file import save_network
from synimg.store.dataset import Dataset
from synimg.store.network import write_arrays, write_network

Floats = NDArray[np.float64]


def make_network(dataset: Dataset, config: Config, pool: compute.Pool, report: compute.Report) -> None:
    """Do the stage: import the network where the configuration names its files, else train it."""
    if config.imported.edges:
        _import_network(dataset, config)
    else:
        _train_network(dataset, config, pool, report)


def _train_network(dataset: Dataset, config: Config, pool: compute.Pool, report: compute.Report) -> None:
    notes: dict[str, Any] = {}
    with dataset.stage("network", notes, resumes=True) as scratch:
        off = CAUSES if config.training.counterfactuals else ()
        states = scratch / "states"
        states.mkdir(exist_ok=True)
        runs: list[str | None] = [None, *off]
        learned: Learned
        shared = config, str(states.resolve())
        learned, *without = pool.in_turn(train_one, runs, shared, "training the network", report)
        a_without = {cause: other.ledger.a for cause, other in zip(off, without, strict=True)}
        truth = scratch / "truth"
        truth.mkdir(exist_ok=True)
        known: dict[str, Floats] = {}
        facts = learning_facts(config, learned)
        write_arrays(truth / "history.zarr", history_arrays(learned), facts)
        rates: dict[str, NDArray[Any]] = {"snapshot": learned.history.snapshot, "rate": learned.history.rates}
        if config.record.imaged_neurons:
            wiring = learned.wiring
            end = wiring.weights(learned.ledger.a, learned.ln_inhibition)
            recorded = record_activity(config, config.seed, wiring, (wiring.weights(wiring.a_start), end))
            rates |= {"recorded_neuron_id": recorded.unit + 1, "calcium": recorded.calcium}
            known["eligibility"] = eligibility(recorded, wiring.contact_pre, wiring.contact_post)
        save_network(truth / "network.h5", learned, a_without, known)
        write_arrays(truth / "activity.zarr", rates, {"unit": "arbitrary units of rate"})
        notes |= {"criterion_met": facts["criterion_update"] is not None, "score": float(learned.history.score[-1])}
        shutil.rmtree(states)


def train_one(without: str | None, config: Config, folder: str) -> Learned:
    """One run of the window, with the cause `without` switched off; goes on where an interrupted call ended."""
    try:
        return train(config, config.seed, without, checkpoint=Path(folder) / f"without_{without or 'nothing'}.pickle")
    except UnworkableError as error:
        if without is None:
            raise
        raise UnworkableError(f"without {without}, {error}; or leave out training.counterfactuals") from None


def _import_network(dataset: Dataset, config: Config) -> None:
    notes: dict[str, Any] = {}
    try:
        found = import_network(config, config.seed)
    except SynimgError as error:
        raise UnworkableError(str(error)) from None
    with dataset.stage("network", notes) as scratch:
        (scratch / "truth").mkdir()
        edges = {"excitatory": found.contacts, "inhibitory": found.inhibitory}
        write_network(scratch / "truth" / "network.h5", found.nodes, edges, found.extra)
        notes |= {"imported": Path(config.imported.edges).name, "has_causes": found.has_causes}
