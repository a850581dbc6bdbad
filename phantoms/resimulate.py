"""The rule, run again from the network at the start: what it says each synapse will learn."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import compute, schema
from synimg.config import Config
from synimg.errors import SynimgError, UnworkableError
from synimg.phantoms.batches import start_readouts
from synimg.phantoms.learned import Start
from synimg.phantoms.network import train
from synimg.phantoms.wiring import stored_wiring
from synimg.store.cohort import is_cohort
from synimg.store.dataset import Dataset
from synimg.store.network import read_network
from synimg.store.tables import read_columns, write_table
from synimg.streams import key64

Floats = NDArray[np.float64]
N_RUNS = 4
AT_THE_START = frozenset(
    {
        *("x", "y", "is_excitatory", "leak"),  # of units
        *("edge", "along", "a_start"),  # of contacts
        "weight",  # of inhibitory connections
        *("w_in", "gain", "gain_in", "max_rate"),
    }
)
"""Of a network file what an experimenter could know: who connects to whom and how strongly, before the window."""
PLACES = ("synapse_id", *schema.PLACE)


def resimulate(
    dataset: Dataset | str | Path,
    out: str | Path | None = None,
    rule: str | None = None,
    runs: int = N_RUNS,
    seed: int | None = None,
    workers: int | None = None,
    report: compute.Report = compute.silent,
) -> pd.DataFrame:
    """Predict what each synapse learns, by running the rule again from the network at the start.

    Parameters
    ----------
    dataset : Dataset or path
        With the stages network and tissue done.
    out : path, optional
        File to write, ``.parquet`` or ``.csv``; `synimg.separate` takes it as ``--predicted``.
    rule : str, optional
        A learning rule with its default settings; that of the data set's configuration if not given.
    runs : int
        Runs that are averaged, each with trials, noise and chances of its own.
    seed : int, optional
        Of the runs; that of the configuration if not given. No run repeats the trials of the data set's own.
    workers : int, optional
        Processes; 1 (this process) by default.
    report : callable, optional
        Called with (what, done, total).

    Returns
    -------
    DataFrame
        By `schema.PREDICTIONS`, a row per contact that was there at the start: its place, and ``predicted_ln``.

    Raises
    ------
    SynimgError
        If the data set has no network or place yet, has an imported network (no task that could be run), the rule is unknown
        or moves no synapse of this network, or a run diverges.

    Notes
    -----
    What is known: the connectome at the pulse (sizes, inhibition, inputs and outputs included), time constants, places of the
    synapses, and, of the configuration, the task, its number of trials, the rule and what it may move. What the window did is
    not: of the data set's truth only `AT_THE_START` and `PLACES` are read. Homeostasis, drift and turnover do not act, as
    nobody knows which they were; contacts that formed in the window are not predicted. Random gates and random feedback are
    drawn anew.
    """
    dataset = _opened(dataset)
    config = of_experiment(dataset.config, rule, str(dataset.path))
    if runs < 1:
        raise SynimgError(f"--runs = {runs}; it takes 1 or more")
    if out is not None:
        _check_free(Path(out))
    start, synapse_id = read_start(dataset)
    dataset.require("tissue", f"synimg generate ... --out {dataset.path}")
    place = read_columns(dataset.path / "truth" / "synapses.parquet", PLACES).set_index("synapse_id").loc[synapse_id]
    first = dataset.config.seed if seed is None else seed
    seeds = [key64(first, "resimulate", k) for k in range(runs)]
    with compute.pool(workers) as pool:
        learned = np.stack(pool.in_turn(run_again, seeds, (config, start), "running the rule again", report))
    if not learned.any():
        raise SynimgError(f"{dataset.path}: rule '{config.rule.kind}' moves no synapse of this network; name another")
    error = learned.std(axis=0, ddof=1) / np.sqrt(runs) if runs > 1 else np.full(synapse_id.size, np.nan)
    table = pd.DataFrame(
        {
            "synapse_id": synapse_id,
            "pre_id": start.wiring.contact_pre + 1,
            "post_id": start.wiring.contact_post + 1,
            **{name: place[name].to_numpy(float) for name in schema.PLACE},
            "predicted_ln": learned.mean(axis=0),
            "predicted_ln_se": error,
        }
    )
    if out is not None:
        notes = {"rule": config.rule.model_dump(mode="json"), "runs": runs, "seed": first}
        write_table(Path(out), table, schema.PREDICTIONS, notes)
    return table


def read_start(dataset: Dataset) -> tuple[Start, NDArray[np.int64]]:
    """The network at the pulse, and the id of each of its contacts; nothing of what the window did is read."""
    dataset.require("network", f"synimg generate ... --out {dataset.path}")
    nodes, edges, extra = read_network(dataset.path / "truth" / "network.h5", AT_THE_START)
    there = np.flatnonzero(edges["excitatory"]["a_start"] > 0)
    contacts = {name: values[there] for name, values in edges["excitatory"].items()}
    _, contacts["edge"] = np.unique(contacts["edge"], return_inverse=True)
    contacts["a_first"], contacts["formed_update"] = contacts["a_start"], np.full(there.size, -1)
    contacts["head_volume_um3"] = np.zeros(there.size)  # the window's operators do not look at it
    wiring = stored_wiring(nodes, contacts, edges["inhibitory"], extra)
    readouts = start_readouts(dataset.config, dataset.config.seed, wiring.leak.size)
    return Start(wiring, readouts), there + 1


def run_again(seed: int, config: Config, start: Start) -> Floats:
    """What learning added to ln receptors of each contact (n_contacts,) in one run of the window."""
    try:
        return train(config, seed, start=start).ledger.log["learning"].value
    except UnworkableError as error:
        raise SynimgError(f"the rule, run again: {error}") from None


def of_experiment(config: Config, rule: str | None, where: str) -> Config:
    """The configuration as far as an experimenter knows it: network, task and rule, and no other cause of change."""
    if config.imported.edges:
        raise SynimgError(f"{where}: an imported network has no task that could be run again")
    values = config.model_dump()
    if rule is not None and rule != config.rule.kind:
        values["rule"] = {"kind": rule}
    for cause in ("homeostasis", "drift", "turnover"):
        values[cause] = {"kind": "off"}
    values["training"] |= {"counterfactuals": False}
    values["record"] |= {"n_snapshots": 1, "traced_contacts": 0}
    return Config.parse(values, where if rule is None else "--rule")


def _opened(dataset: Dataset | str | Path) -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    if is_cohort(dataset):
        raise SynimgError(f"{dataset}: a cohort; the rule is run again in one of its animals: give its folder")
    return Dataset.open(dataset)


def _check_free(out: Path) -> None:
    if out.suffix not in {".parquet", ".csv"}:
        raise SynimgError(f"{out}: predictions are a table; its name ends in .parquet or .csv")
    if out.exists():
        raise SynimgError(f"{out}: exists already; choose another name or remove it first")
