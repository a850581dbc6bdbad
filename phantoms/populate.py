"""From the network of a data set to a population on disk: its truth, and a table to separate."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg import compute, schema
from synimg.calibrate import dyes_of, receptors_of_dyes
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.fit_law import fit_law
from synimg.phantoms.law import INHIBITORY, LEAST_RATE, TRAITS, Floats, Ints, Law
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.population import Block, Population
from synimg.phantoms.receptors import Counts, draw_counts
from synimg.store.atomic import atomic_path, write_json
from synimg.store.cohort import is_cohort
from synimg.store.dataset import Dataset
from synimg.store.network import read_arrays, read_network
from synimg.store.tables import table_writer
from synimg.streams import key64, stream


def population(
    dataset: Dataset | str | Path,
    out: str | Path,
    n_synapses: float,
    seed: int | None = None,
    n_neurons: int | None = None,
    report: compute.Report = compute.silent,
) -> dict[str, Any]:
    """Draw a population from the trained network of a data set, and write its truth and what would be measured of it.

    Parameters
    ----------
    dataset : Dataset or path
        With the stage network done.
    out : path
        New or empty folder: ``truth/synapses.parquet``, ``truth/neurons.parquet``, ``synapses.parquet`` (a table to
        separate), ``population.json``.
    n_synapses : int
        Synapses in all; 1e7 take minutes, and memory does not grow with them.
    seed : int, optional
        That of the data set if not given.
    n_neurons : int, optional
        Neurons; as many as hold so many synapses in the trained network if not given.
    report : callable, optional
        Called with (what, done, total).

    Returns
    -------
    dict
        What ``population.json`` holds: seed, numbers, and the causes' moments in the network and in the population.

    Raises
    ------
    SynimgError
        If the data set has no network or one without causes, numbers do not fit together, or `out` holds something.
    """
    law, config = law_of(dataset)
    seed = config.seed if seed is None else seed
    people = Population(law, _whole(n_synapses, "n_synapses", law), seed, n_neurons)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SynimgError(f"{out}: holds something else; --out takes a new or empty folder")
    threshold = config.training.learned_threshold_ln
    notes = {"is_learned": f"|ln_learning| > {threshold:g}, or the synapse formed by learning"}
    sums = {cause: _Moments() for cause in CAUSES}
    what = "drawing the population"
    report(what, 0, people.n_blocks)
    with atomic_path(out) as folder:
        with (
            table_writer(folder / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES, notes) as write_truth,
            table_writer(folder / "truth" / "neurons.parquet", schema.TRUTH_NEURONS) as write_neurons,
            table_writer(folder / "synapses.parquet", schema.SYNAPSES) as write_measured,
        ):
            for number in range(people.n_blocks):
                block = people.block(number)
                contact = block.contact
                counts = draw_counts(
                    contact["a_start"], contact["a_end"], config, key64(seed, "population", "counts", number)
                )
                write_truth(truth_frame(block, counts, config))
                write_neurons(neuron_frame(block, law))
                electrons = stream(seed, "population", "electrons", number)
                write_measured(measured_frame(block, counts, config, electrons))
                for cause in CAUSES:
                    sums[cause].add(contact["target"] - block.neuron[0], contact[f"ln_{cause}"])
                report(what, number + 1, people.n_blocks)
        facts = {
            "synimg_schema": schema.SCHEMA_VERSION,
            "source": str(dataset.path if isinstance(dataset, Dataset) else dataset),
            "seed": seed,
            "n_synapses": people.n_synapses,
            "n_neurons": people.n_neurons,
            "network": law.facts,
            "statistics": {cause: sums[cause].value for cause in CAUSES},
        }
        write_json(folder / "population.json", facts)
    return facts


def law_of(dataset: Dataset | str | Path) -> tuple[Law, Config]:
    """The law of a data set's network, and the data set's configuration.

    Raises
    ------
    SynimgError
        If there is no network yet, or one without causes.
    """
    if not isinstance(dataset, Dataset):
        if is_cohort(dataset):
            raise SynimgError(f"{dataset}: a cohort; a population is drawn from the network of one of its animals")
        dataset = Dataset.open(dataset)
    dataset.require("network", f"synimg generate ... --out {dataset.path}")
    config, truth = dataset.config, dataset.path / "truth"
    nodes, edges, _ = read_network(truth / "network.h5")
    snapshots = None
    if not config.imported.edges:
        history, _ = read_arrays(truth / "history.zarr")
        snapshots = {cause: history[f"ln_{cause}"].astype(np.float64) for cause in CAUSES}
    potentiated = getattr(config.turnover, "potentiated_ln", config.training.learned_threshold_ln)
    bound = np.inf if config.imported.edges else config.plasticity.largest_ln
    try:
        return fit_law(edges["excitatory"], nodes, snapshots, bound, potentiated), config
    except SynimgError as error:
        raise SynimgError(f"{dataset.path}: {error}") from None


def _whole(n_synapses: float, name: str, law: Law) -> int:
    """`n_synapses` as a whole number that fills a neuron at least."""
    per_neuron = law.facts["synapses_per_neuron"]
    if not np.isfinite(n_synapses) or n_synapses != int(n_synapses):
        raise SynimgError(f"{name} = {n_synapses}: it takes a whole number, such as 1e6")
    if n_synapses < per_neuron:
        raise SynimgError(
            f"{name} = {n_synapses:g}: fewer than the {per_neuron:.0f} that one neuron of the network holds; ask for more"
        )
    return int(n_synapses)


class _Moments:
    """Running moments of a cause over blocks of whole neurons."""

    def __init__(self) -> None:
        self.n, self.total, self.square, self.means = 0, 0.0, 0.0, 0.0

    def add(self, post: Ints, values: Floats) -> None:
        per_unit = np.bincount(post)
        sums = np.bincount(post, values)
        self.n += values.size
        self.total += float(values.sum())
        self.square += float(values @ values)
        self.means += float(np.sum(sums**2 / np.maximum(per_unit, 1)))

    @property
    def value(self) -> dict[str, float]:
        """Mean, sd, and share of the variance between neurons."""
        mean = self.total / self.n
        variance = max(self.square / self.n - mean**2, 0.0)
        between = (self.means / self.n - mean**2) / variance if variance > 0 else 0.0
        return {"mean": mean, "sd": float(np.sqrt(variance)), "share_between": between}


def truth_frame(block: Block, counts: Counts, config: Config) -> pd.DataFrame:
    """The truth about a block's synapses, in the columns of a data set's; none has a place in an image."""
    contact, training = block.contact, config.training
    n = contact["target"].size
    lasts = {name: contact[f"{name}_update"] >= 0 for name in ("formed", "eliminated")}
    learned = np.abs(contact["ln_learning"]) > training.learned_threshold_ln
    events: dict[str, Any] = {}
    for name, happened in lasts.items():
        day = (contact[f"{name}_update"] + 1) * training.window_days / training.n_updates
        by = np.array([*CAUSES, None], dtype=object)[contact[f"{name}_cause"]]
        events |= {name: happened, f"{name}_day": np.where(happened, day, np.nan), f"{name}_by": by}
    return pd.DataFrame(
        {
            "synapse_id": block.first_row + np.arange(1, n + 1),
            "pre_id": contact["source"] + 1,
            "post_id": contact["target"] + 1,
            "edge_id": contact["edge"] + 1,
            "is_imaged": np.zeros(n, bool),
            "head_volume_um3": contact["head_volume_um3"] * contact["a_end"] / contact["a_first"],
            **{name: contact[name] for name in ("a_start", "a_end", *CAUSES, *(f"ln_{cause}" for cause in CAUSES))},
            **events,
            **counts.columns(),
            "is_plastic": contact["is_plastic"],
            "is_learned": learned | (contact["formed_cause"] == CAUSES.index("learning")),
            "along": contact["along"],
        }
    )


def neuron_frame(block: Block, law: Law) -> pd.DataFrame:
    """The truth about a block's neurons."""
    onto = block.contact["target"] - block.neuron[0]
    n = np.bincount(onto, minlength=block.neuron.size)
    ln_factor = np.bincount(onto, block.contact["ln_homeostasis"], block.neuron.size) / np.maximum(n, 1)

    def rate(when: str) -> Floats:
        values = np.maximum(np.exp(block.trait[:, TRAITS.index(f"ln_rate_{when}")]) - LEAST_RATE, 0.0)
        return values if law.has_rates else np.full(values.size, np.nan)

    return pd.DataFrame(
        {
            "neuron_id": block.neuron + 1,
            "cell_type": np.where(block.kind == INHIBITORY, "I", "E"),
            "rate_start": rate("start"),
            "rate_end": rate("end"),
            "scale_factor": np.exp(ln_factor),
            "is_imaged": np.zeros(block.neuron.size, bool),
        }
    )


def measured_frame(block: Block, counts: Counts, config: Config, rng: np.random.Generator) -> pd.DataFrame:
    """What a perfect microscope would measure: labelled receptors and shot noise, every parent known, no background.

    Synapses without a photo-electron are not seen and left out.
    """
    per_dye = config.camera.quantum_efficiency * config.dyes.photons_per_receptor
    found = []
    for photons in (counts.photons_old, counts.photons_new):
        electrons = rng.poisson(config.camera.quantum_efficiency * photons).astype(np.float64)
        found.append(dyes_of(electrons, np.sqrt(electrons), per_dye, config.dyes.photons_shape))
    (old, old_var), (new, new_var) = found
    r_old, r_old_se, r_new, r_new_se, _ = receptors_of_dyes(old, new, old_var, new_var, config.tag.chemistry())
    seen = old + new > 0
    n = seen.size
    return pd.DataFrame(
        {
            "synapse_id": block.first_row + np.arange(1, n + 1),
            "animal_id": config.animal_id,
            "group": config.group,
            "neuron_id": block.contact["target"] + 1,
            "neuron_prob": np.ones(n),
            "pre_id": block.contact["source"] + 1,
            "r_old": r_old,
            "r_old_se": r_old_se,
            "r_new": r_new,
            "r_new_se": r_new_se,
        }
    )[seen]
