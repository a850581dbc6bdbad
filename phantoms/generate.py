"""The forward chain: network, receptors, tissue, image. Each stage is saved whole, a second call goes on where it ended."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import compute, schema
from synimg.config import Config, Volume, load
from synimg.errors import SynimgError, UnworkableError
from synimg.phantoms import curriculum
from synimg.phantoms.activity import Readout
from synimg.phantoms.axons import draw_axons
from synimg.phantoms.cohort import animals_of, missing_controls
from synimg.phantoms.imported import import_network
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.network import Learned, train
from synimg.phantoms.plan import check_disk, check_tissue, notes_beforehand
from synimg.phantoms.preparation.base import retention
from synimg.phantoms.prepare import preparation_of, prepared, tissue_config
from synimg.phantoms.receptors import Counts, draw_counts
from synimg.phantoms.recording import eligibility, record_activity
from synimg.phantoms.render import (
    SATURATED,
    Channel,
    build_channels,
    channel_shift_um,
    imaging_notes,
    render_block,
    shrink_block,
)
from synimg.phantoms.solids import solids
from synimg.phantoms.strands import axon_capsules
from synimg.phantoms.surroundings import Crowd, background_tables, crowd_of
from synimg.phantoms.tissue import Tissue, build_tissue, tree_of
from synimg.phantoms.wiring import Attributes, Wiring, stored_wiring
from synimg.psf.protocol import one_emitter
from synimg.store.atomic import sha256, write_json
from synimg.store.bins import Bins
from synimg.store.cohort import INDEX as COHORT_INDEX
from synimg.store.cohort import Cohort
from synimg.store.dataset import INDEX, Dataset, append_journal, read_journal
from synimg.store.image import Box, blocks, create_image, pyramid
from synimg.store.morphology import read_tree_arrays, write_swc
from synimg.store.network import read_network, write_arrays, write_network
from synimg.store.remote import is_address, mirrored
from synimg.store.tables import table_pieces, table_writer, write_table

Floats = NDArray[np.float64]


def generate(
    config: Config | str | Path,
    out: str | Path,
    seed: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    report: compute.Report = compute.silent,
) -> Dataset | Cohort:
    """Make a data set, or a cohort of them, or complete what an interrupted call has begun.

    Parameters
    ----------
    config : Config, path or str
        A configuration, its TOML file, or the name of a preset.
    out : path
        Folder of the data set; new, empty, or of an interrupted call with the same configuration. Or an fsspec address,
        such as ``s3://bucket/mouse01``: the local mirror is returned (see `synimg.store.remote`).
    seed : int, optional
        Takes the place of the configuration's seed.
    workers : int, optional
        Processes; 1 (this process) by default. The result does not depend on it.
    scheduler : str, optional
        Address of a dask scheduler that runs already, ``tcp://...``.
    report : callable, optional
        Called with (what, done, total).

    Returns
    -------
    Dataset or Cohort
        With the stages network, tissue and image done; a cohort where the section `cohort` asks for animals.

    Raises
    ------
    SynimgError
        For a mistake in the configuration, a folder that holds something else, a disk that is full or too small. A run
        that diverges, and an imported network that cannot be read, leave no folder behind.
    """
    if isinstance(out, str) and is_address(out):
        with mirrored(out) as folder:
            return generate(config, folder, seed, workers, scheduler, report)
    compute.refuse_wrong(workers, scheduler)
    config = load(config)
    if seed is not None:
        config = Config.parse(config.model_dump() | {"seed": seed}, "--seed")
    trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    animals = animals_of(config)
    if not any((Path(out) / index).exists() for index in (INDEX, COHORT_INDEX)):
        n_contacts = 0
        for one in animals or [config]:
            imaging_notes(one)  # what cannot be imaged is refused before anything is made
            n_contacts = max(n_contacts, check_tissue(one, [tree_of(*arrays) for arrays in trees]))
        check_disk(config, Path(out), n_contacts)
    try:
        return _generate(config, Path(out), animals, trees, (workers, scheduler), report)
    except UnworkableError:
        for path in [Path(out), *(Path(out) / animal.animal_id for animal in animals)]:
            if (path / INDEX).is_file():
                Dataset.open(path).discard()
        raise


def _generate(
    config: Config,
    out: Path,
    animals: list[Config],
    trees: list[Any],
    where: tuple[int | None, str | None],
    report: compute.Report,
) -> Dataset | Cohort:
    if not animals:
        with compute.pool(*where, folder=out) as pool:
            return _generate_one(config, out, trees, pool, report)
    cohort = Cohort.create(out, config, animals, missing_controls(config))
    with compute.pool(*where, folder=out) as pool:
        for i, animal in enumerate(animals):
            report("animals", i, len(animals))
            _generate_one(animal, cohort.path / animal.animal_id, trees, pool, report)
    report("animals", len(animals), len(animals))
    return cohort


def _generate_one(config: Config, out: Path, trees: list[Any], pool: compute.Pool, report: compute.Report) -> Dataset:
    dataset = Dataset.create(out, config)
    missing = [stage for stage in ("network", "tissue", "image") if not dataset.is_whole(stage)]
    if "network" in missing and config.imported.edges:
        _import_network(dataset, config)
    elif "network" in missing:
        _make_network(dataset, config, pool, report)
    if "tissue" in missing:
        _make_tissue(dataset, config, trees, pool, report)
    if "image" in missing:
        _make_image(dataset, config, trees, pool, report)
    return dataset


def train_one(without: str | None, config: Config, folder: str) -> Learned:
    """One run of the window, with the cause `without` switched off; goes on where an interrupted call ended."""
    try:
        return train(config, config.seed, without, checkpoint=Path(folder) / f"without_{without or 'nothing'}.pickle")
    except UnworkableError as error:
        if without is None:
            raise
        raise UnworkableError(f"without {without}, {error}; or leave out training.counterfactuals") from None


def _make_network(dataset: Dataset, config: Config, pool: compute.Pool, report: compute.Report) -> None:
    notes: dict[str, Any] = {}
    with dataset.stage("network", notes, resumes=True) as scratch:
        off = CAUSES if config.training.counterfactuals else ()
        states = scratch / "states"
        states.mkdir(exist_ok=True)
        runs: list[str | None] = [None, *off]
        done = dict(pool.run(train_one, runs, (config, str(states.resolve())), "training the network", report))
        learned: Learned = done[0]
        a_without = {cause: done[i + 1].ledger.a for i, cause in enumerate(off)}
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


def ever_there(learned: Learned) -> NDArray[np.int64]:
    """The contacts that lived at some time; the others are places where a synapse could have formed."""
    there = ~learned.wiring.is_potential
    for event in learned.history.events:
        there[event.contact] = True
    return np.flatnonzero(there)


def learning_facts(config: Config, learned: Learned) -> dict[str, Any]:
    """What the learning curve comes down to, JSON-ready."""
    met, by_task = learned.criterion_update, learned.history.score_by_task
    after_own = [
        float(by_task[np.flatnonzero(np.isfinite(by_task[:, k + 1]))[0], k]) for k in range(by_task.shape[1] - 1)
    ]
    return {
        "criterion": config.training.criterion,
        "score": "accuracy" if curriculum.tasks_of(config)[-1].answer == "choice" else "R2",
        "criterion_update": None if None in met else met[-1],
        "trials_per_update": config.training.batch,
        "tasks": curriculum.names_of(config),
        "criterion_update_by_task": list(met),
        "score_by_task": by_task[-1].tolist(),
        "forgotten_by_task": [before - now for before, now in zip(after_own, by_task[-1], strict=False)],
    }


def history_arrays(learned: Learned) -> dict[str, NDArray[Any]]:
    """Learning curve, causes at snapshots, traced contacts, births and deaths; contacts by row of the truth table."""
    history, kept = learned.history, ever_there(learned)
    row = np.full(learned.wiring.a_first.size, -1)
    row[kept] = np.arange(kept.size)
    traced = np.isin(history.traced, kept)
    events = history.events
    contact = np.concatenate([event.contact for event in events]) if events else np.zeros(0, np.int64)
    lengths = [event.contact.size for event in events]
    return {
        "update": history.update,
        "score": history.score,
        "loss": history.loss,
        "progress": history.progress,
        "score_by_task": history.score_by_task,
        "snapshot": history.snapshot,
        **{f"ln_{cause}": values[:, kept] for cause, values in history.ln.items()},
        "trace_synapse_id": row[history.traced[traced]] + 1,
        "trace_update": history.trace_update,
        **{f"trace_ln_{cause}": values[:, traced] for cause, values in history.trace_ln.items()},
        "event_synapse_id": row[contact] + 1,
        "event_update": np.repeat([event.update for event in events], lengths).astype(np.int64),
        "event_is_birth": np.repeat([event.is_birth for event in events], lengths).astype(bool),
        "event_cause": np.repeat([CAUSES.index(event.cause) for event in events], lengths).astype(np.int64),
    }


def save_network(path: Path, learned: Learned, a_without: dict[str, Floats], known: dict[str, Floats]) -> None:
    """Write the network after the window as SONATA: one edge per contact that ever lived, with the ledger by cause.

    What else is `known` of each contact goes along under its name.
    """
    wiring, ledger, kept = learned.wiring, learned.ledger, ever_there(learned)
    _, edge = np.unique(wiring.contact_edge[kept], return_inverse=True)
    born, died = (np.full(wiring.a_first.size, -1) for _ in range(2))
    by_birth, by_death = (np.full(wiring.a_first.size, -1) for _ in range(2))
    for event in learned.history.events:
        when, why = (born, by_birth) if event.is_birth else (died, by_death)
        when[event.contact], why[event.contact] = event.update, CAUSES.index(event.cause)
    contacts: dict[str, NDArray[Any]] = {
        "source": wiring.contact_pre[kept],
        "target": wiring.contact_post[kept],
        "edge": edge,
        "is_plastic": learned.is_plastic[wiring.contact_edge][kept].astype(np.uint8),
        "along": wiring.along[kept],
        "head_volume_um3": wiring.head_volume_um3[kept],
        "a_first": wiring.a_first[kept],
        "a_start": ledger.a_start[kept],
        "a_end": ledger.a[kept],
        "formed_update": born[kept],
        "formed_cause": by_birth[kept],
        "eliminated_update": died[kept],
        "eliminated_cause": by_death[kept],
        **{f"ln_{cause}": ledger.log[cause].value[kept] for cause in CAUSES},
        **{cause: ledger.linear[cause].value[kept] for cause in CAUSES},
        **{f"ln_learning_{part}": log.value[kept] for part, (log, _) in ledger.parts.items()},
        **{f"learning_{part}": linear.value[kept] for part, (_, linear) in ledger.parts.items()},
        **{f"cf_{cause}": (ledger.a - a)[kept] for cause, a in a_without.items()},
        **{name: values[kept] for name, values in known.items()},
    }
    inhibitory: dict[str, NDArray[Any]] = {
        "source": wiring.inhibitory_pre,
        "target": wiring.inhibitory_post,
        "weight": wiring.inhibitory_weight,
    }
    axons: dict[str, NDArray[Any]] = {"x": wiring.axon_position[:, 0], "y": wiring.axon_position[:, 1]}
    nodes: dict[str, NDArray[Any]] = {
        "x": wiring.position[:, 0],
        "y": wiring.position[:, 1],
        "is_excitatory": wiring.is_excitatory.astype(np.uint8),
        "leak": wiring.leak,
        "pool": learned.readouts[0].pool,
        "rate_start": learned.rate_start,
        "rate_end": learned.rate_end,
        "scale_factor": np.exp(learned.ln_factor),
        "ln_inhibition": learned.ln_inhibition,
    }
    extra: dict[str, NDArray[Any]] = {
        "w_in": wiring.w_in,
        "gain": np.array(wiring.gain),
        "gain_in": np.array(wiring.gain_in),
        "max_rate": np.array(wiring.max_rate),
    }
    for k, readout in enumerate(learned.readouts):
        extra |= {f"w_out_{k}": readout.w, f"b_out_{k}": readout.b}
    write_network(
        path,
        nodes,
        {"excitatory": contacts, "inhibitory": inhibitory},
        extra,
        axons if len(wiring.axon_position) else None,
    )


def load_network(path: Path) -> tuple[Wiring, tuple[Readout, ...], Attributes, Attributes]:
    """The wiring, the trained read-outs, and the attributes of contacts and of units that `save_network` wrote."""
    nodes, edges, extra = read_network(path)
    contacts = edges["excitatory"]
    wiring = stored_wiring(nodes, contacts, edges["inhibitory"], extra)
    n_tasks = sum(name.startswith("w_out_") for name in extra)
    readouts = tuple(Readout(extra[f"w_out_{k}"], extra[f"b_out_{k}"], ()) for k in range(n_tasks))
    return wiring, readouts, contacts, nodes


def _draw(
    dataset: Dataset, config: Config, trees: list[Any]
) -> tuple[Wiring, Attributes, Attributes, Tissue, Counts, Tissue]:
    """Receptors and tissue of the network on disk, the tissue before and after it is prepared; quick, and the same every time."""
    wiring, _, contacts, nodes = load_network(dataset.path / "truth" / "network.h5")
    counts = draw_counts(contacts["a_start"], contacts["a_end"], config, config.seed)
    imported = [tree_of(*arrays) for arrays in trees]
    tissue = build_tissue(tissue_config(config), wiring, contacts["a_end"], config.seed, imported)
    shown = prepared(tissue, preparation_of(config, config.seed), config.volume.size_um)
    return wiring, contacts, nodes, tissue, counts, shown


def _crowd(config: Config, contacts: Attributes, tissue: Tissue) -> Crowd | None:
    """What glows besides the network; where causes are not known, other synapses change as the network's do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.log(contacts["a_end"] / contacts["a_start"])
    unlearned = contacts["ln_drift"] + contacts["ln_homeostasis"]
    ln_change = np.where(np.isfinite(unlearned), unlearned, whole)
    return crowd_of(config, contacts["a_start"], ln_change, int(tissue.is_imaged.sum()), config.seed)


def _make_tissue(
    dataset: Dataset, config: Config, trees: list[Any], pool: compute.Pool, report: compute.Report
) -> None:
    report("growing the tissue", 0, 1)
    with dataset.stage("tissue") as scratch:
        wiring, contacts, nodes, grown, counts, tissue = _draw(dataset, config, trees)
        truth = scratch / "truth"
        threshold = config.training.learned_threshold_ln
        notes = {
            "is_learned": f"|ln_learning| > {threshold:g}: learning alone moved the receptors by more than "
            f"a factor of {np.exp(threshold):.3g}, or the synapse formed by learning",
            "depression": config.receptors.depression,
        }
        synapses = synapse_truth(config, wiring, contacts, counts, tissue, grown.position_um)
        if max(config.optics.motion_sd_um) > 0:
            names = ["pulse", "chase", *(name for name, *_ in config.identity.dye_channels())]
            shifts = {name: channel_shift_um(config, name, config.seed).tolist() for name in names}
            write_json(truth / "channels.json", {"shift_um": shifts})
        if config.preparation:
            write_json(truth / "preparation.json", preparation_of(config, config.seed).facts())
        write_table(truth / "synapses.parquet", synapses, schema.TRUTH_SYNAPSES, notes)
        crowd = _crowd(config, contacts, tissue)
        if crowd is not None and config.surroundings.synapses_per_um3 > 0:
            with table_writer(truth / "background.parquet", schema.TRUTH_BACKGROUND) as write_background:
                for table in background_tables(crowd):
                    write_background(table)
        codes = config.identity.barcodes(tissue.neuron_id, config.seed)
        neurons = neuron_truth(nodes, tissue, codes)
        write_table(truth / "neurons.parquet", neurons, schema.TRUTH_NEURONS)
        for neuron_id, tree in zip(tissue.neuron_id, tissue.trees, strict=True):
            file = truth / "morphology" / f"neuron{neuron_id:04d}.swc"
            write_swc(file, tree.points_um, tree.radius_um, tree.parent, tree.swc_type)
        if config.axons.um_per_um3 > 0:
            files = scratch / AXONS
            with table_writer(truth / AXON_TABLE, schema.TRUTH_AXONS) as write_axons:
                for table in draw_axons(grown, wiring.contact_pre, config, pool, files, report):
                    write_axons(table)
            shutil.rmtree(files)
        readouts = config.identity.readouts(tissue, config.seed)
        if readouts is not None:
            write_table(scratch / "readouts.parquet", readouts, schema.READOUTS)
    report("growing the tissue", 1, 1)


def synapse_truth(
    config: Config, wiring: Wiring, contacts: Attributes, counts: Counts, tissue: Tissue, tissue_um: Floats
) -> pd.DataFrame:
    """The truth table, one row per contact of the network; those of neurons that are not imaged have no position."""
    imaged = tissue.is_imaged
    growth = contacts["a_end"] / contacts["a_first"]
    training = config.training
    known = np.isfinite(contacts["ln_learning"]).all()
    is_learned = (np.abs(contacts["ln_learning"]) > training.learned_threshold_ln) | (
        contacts["formed_cause"] == CAUSES.index("learning")
    )
    parts = {
        name: values
        for name, values in contacts.items()
        if name.startswith(("learning_", "ln_learning_", "eligibility"))
    }

    def day(update: NDArray[Any]) -> Floats:
        return np.where(update >= 0, (update + 1) * training.window_days / training.n_updates, np.nan)

    def cause_of(number: NDArray[Any]) -> pd.Series:
        return pd.Series(np.array([*CAUSES, None], dtype=object)[number], dtype="string")

    source = wiring.source[wiring.contact_edge] - wiring.leak.size
    channel = pd.array(np.maximum(source, 0), dtype="Int64")
    channel[source < 0] = pd.NA
    position = {f"{a}_um": tissue.position_um[:, i] for i, a in enumerate("zyx")}
    return pd.DataFrame(
        {
            "synapse_id": np.arange(1, imaged.size + 1),
            "pre_id": wiring.contact_pre + 1,
            "post_id": wiring.contact_post + 1,
            "edge_id": wiring.contact_edge + 1,
            "synapse_class": wiring.synapse_class[wiring.contact_edge],
            "input_channel": channel,
            "branch_id": pd.array(np.where(imaged, tissue.branch_id, 0), dtype="Int64").copy(),
            **position,
            **{f"tissue_{a}_um": tissue_um[:, i] for i, a in enumerate("zyx")},
            "is_imaged": imaged,
            "head_volume_um3": contacts["head_volume_um3"] * growth,
            "a_start": contacts["a_start"],
            "a_end": contacts["a_end"],
            **{cause: contacts[cause] for cause in CAUSES},
            **{f"ln_{cause}": contacts[f"ln_{cause}"] for cause in CAUSES},
            "formed": contacts["formed_update"] >= 0,
            "formed_day": day(contacts["formed_update"]),
            "formed_by": cause_of(contacts["formed_cause"]),
            "eliminated": contacts["eliminated_update"] >= 0,
            "eliminated_day": day(contacts["eliminated_update"]),
            "eliminated_by": cause_of(contacts["eliminated_cause"]),
            **{f"cf_{cause}": contacts[f"cf_{cause}"] for cause in CAUSES if f"cf_{cause}" in contacts},
            **counts.columns(),
            "is_plastic": contacts["is_plastic"].astype(bool),
            "is_learned": is_learned if known else pd.array([None] * imaged.size, dtype="boolean"),
            **parts,
        }
    ).assign(branch_id=lambda frame: frame["branch_id"].mask(~imaged))


def neuron_truth(nodes: dict[str, NDArray[Any]], tissue: Tissue, codes: Sequence[str | None]) -> pd.DataFrame:
    """The truth about neurons; those that are not imaged have no soma position."""
    n = nodes["leak"].size
    row = tissue.neuron_id - 1
    soma = np.full((n, 3), np.nan)
    soma[row] = tissue.soma_um
    imaged = np.zeros(n, bool)
    imaged[row] = True
    pool = pd.array(nodes["pool"], dtype="Int64")
    pool[nodes["pool"] < 0] = pd.NA
    code = pd.Series([None] * n, dtype="object")
    code.iloc[row] = codes
    return pd.DataFrame(
        {
            "neuron_id": np.arange(1, n + 1),
            "cell_type": np.where(nodes["is_excitatory"] > 0, "E", "I"),
            "pool": pool,
            **{f"soma_{a}_um": soma[:, i] for i, a in enumerate("zyx")},
            "barcode": code,
            "rate_start": nodes["rate_start"],
            "rate_end": nodes["rate_end"],
            "scale_factor": nodes["scale_factor"],
            "is_imaged": imaged,
        }
    )


MOST_SATURATED = 1e-4
"""Share of saturated voxels from which on the user is told."""
AXON_TABLE = "axons.parquet"
AXONS = "axons"
"""Folder of pieces of axons, while they are drawn."""
EMITTERS = "emitters"
"""Folder of what the blocks are rendered from, while the image is being made."""


def image_parts(
    dataset: Dataset, config: Config, trees: list[Any] | None = None, folder: Path | None = None
) -> tuple[list[Channel], tuple[Bins, Bins | None], dict[str, Any]]:
    """What the image of a data set is rendered from: channels, solid things and axons, and what the experimenter knows.

    With a `folder`, all that may be long lies in files there.
    """
    if trees is None:
        trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    _, contacts, _, _, counts, tissue = _draw(dataset, config, trees)
    crowd, volume = _crowd(config, contacts, tissue), config.volume
    things = solids(tissue, volume.voxel_um, volume.shape_vox, folder / "solids" if folder else None)
    axons = None
    if config.axons.um_per_um3 > 0:
        file = dataset.path / "truth" / AXON_TABLE
        axons = axon_capsules(lambda: table_pieces(file), config, folder / AXONS if folder else None)
    filled = (things, axons) if axons else (things,)
    channels = build_channels(config, tissue, counts, filled, config.seed, crowd, folder)
    return channels, (things, axons), acquisition(config, channels, tissue)


def new_image(path: Path, config: Config, channels: list[Channel], facts: dict[str, Any]) -> None:
    """An image without voxels; those of one that is there already are kept."""
    shown = [{"name": c.name, "color": c.color, "window": _window(c, config)} for c in channels]
    volume = config.volume
    create_image(path, volume.shape_vox, volume.chunk_vox, volume.voxel_um, shown, facts, volume.block_vox)


def _make_image(dataset: Dataset, config: Config, trees: list[Any], pool: compute.Pool, report: compute.Report) -> None:
    notes: dict[str, Any] = {}
    with dataset.stage("image", notes, resumes=True) as scratch:
        files, path, volume = scratch / EMITTERS, scratch / dataset.image.name, config.volume
        channels, things, facts = image_parts(dataset, config, trees, files)
        new_image(path, config, channels, facts)
        done = _rendered(scratch, path, volume)
        shared = (str(path.resolve()), channels, config, things)
        work: list[tuple[Any, ...]] = [
            (render_block, blocks(volume.shape_vox, volume.block_vox), "0", shared, "rendering")
        ]
        levels = pyramid(volume.shape_vox, volume.voxel_um)
        for level in range(1, len(levels)):
            boxes = blocks(levels[level].shape, volume.block_vox)
            below = (str(path.resolve()), level, levels)
            work.append((shrink_block, boxes, str(level), below, f"pyramid level {level}"))
        for function, boxes, array, arguments, what in work:
            todo = [box for box in boxes if _last_file(path, array, box, volume.block_vox) not in done]
            for _, sums in pool.run(function, todo, arguments, what, report):
                append_journal(scratch, {f"{path.name}/{name}": value for name, value in sums.items()})
        shutil.rmtree(files)
        full = [v.split() for k, v in read_journal(scratch).items() if k.startswith(f"{path.name}/{SATURATED}")]
        share = np.array(full, float).sum(axis=0) / np.prod(volume.shape_vox)
        notes["saturated_share"] = {c.name: float(s) for c, s in zip(channels, share, strict=True)}
        dataset.index["warnings"] = notes_beforehand(config) + [
            f"{name}: a share of {s:.2g} of its voxels is saturated; lower the gain or the photons"
            for name, s in notes["saturated_share"].items()
            if s > MOST_SATURATED
        ]


def _rendered(scratch: Path, path: Path, volume: Volume) -> set[str]:
    """The journal's files of the blocks that are whole; a power cut may have kept the journal and lost what it names."""
    journal = read_journal(scratch)
    done = set(journal)
    for name, checksum in journal.items():
        file = scratch / name
        if SATURATED not in file.parts and not (file.is_file() and sha256(file) == checksum):
            level, box = block_of(file.relative_to(path), volume) or (0, ((0, 0, 0), (0, 0, 0)))
            done.discard(_last_file(path, str(level), box, volume.block_vox))
    return done


def block_of(file: Path, volume: Volume) -> tuple[int, Box] | None:
    """Pyramid level and block that wrote a file of the image, given relative to it; None for its metadata."""
    parts = file.parts
    if "c" not in parts:
        return None
    level, block = int(parts[parts.index("c") - 1]), volume.block_vox
    start = tuple(int(i) * n for i, n in zip(parts[-3:], block, strict=True))
    shape = pyramid(volume.shape_vox, volume.voxel_um)[level].shape
    size = tuple(min(n, whole - s) for n, whole, s in zip(block, shape, start, strict=True))
    return level, (start, size)  # type: ignore[return-value]


def remake(dataset: Dataset, stage: str, pool: compute.Pool) -> None:
    """Do the stage `network` or `tissue` again.

    Raises
    ------
    SynimgError
        If other bytes come out than there were; the record of the stage stays as it was.
    """
    config, before = dataset.config, dataset.index["stages"][stage]
    trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    if stage == "tissue":
        _make_tissue(dataset, config, trees, pool, compute.silent)
    elif config.imported.edges:
        _import_network(dataset, config)
    else:
        _make_network(dataset, config, pool, compute.silent)
    changed = [
        name for name, value in dataset.index["stages"][stage]["files"].items() if before["files"].get(name) != value
    ]
    if changed:
        dataset.restore(stage, before)
        raise SynimgError(f"{dataset.path / changed[0]}: comes out with other bytes here; generate the data set anew")


def _last_file(path: Path, array: str, box: Any, chunk: tuple[int, int, int]) -> str:
    """The file that a block writes last, under the name that the journal has for it."""
    index = "/".join(str(s // c) for s, c in zip(box[0], chunk, strict=True))
    return f"{path.name}/labels/synapses/{array}/c/{index}"


def _window(channel: Channel, config: Config) -> tuple[int, int]:
    """Grey levels to show: from the dark level to a bright dendrite or synapse."""
    camera = config.camera
    peak_share = float(one_emitter(channel.kernel, (0.0, 0.0, 0.0))[0].max())
    if channel.name in {"pulse", "chase"}:
        top = 40 * config.dyes.photons_per_receptor * peak_share
    else:
        top = 1.5 * config.identity.photons(1.0) * float(np.prod(config.volume.voxel_um))
    gain = _first_light(config) * camera.quantum_efficiency * camera.gain_adu_per_electron
    return int(camera.offset_adu + 1.3 * gain * channel.background), int(
        camera.offset_adu + gain * (channel.background + top)
    )


def _first_light(config: Config) -> float:
    """Light from the first plane, relative to the photons that are stated elsewhere."""
    return float(config.optics.exposure * config.optics.at_depth(config.first_depth_um))


def acquisition(config: Config, channels: list[Channel], tissue: Tissue) -> dict[str, Any]:
    """What an experimenter knows of the recording: all that `measure` may use besides the voxels."""
    kept = retention(config.preparation)
    return {
        "synimg_schema": schema.SCHEMA_VERSION,
        "animal_id": config.animal_id,
        "group": config.group,
        "window_days": config.training.window_days,
        "voxel_um": list(config.volume.voxel_um),
        "channels": [
            {
                "name": c.name,
                "emission_nm": c.emission_nm,
                "psf_sigma_um": list(config.psf.sigma_um(c.emission_nm)),
                "psf_gaussian_share": config.psf.gaussian_share(c.emission_nm),
                "shift_um": config.optics.known_shift_um(c.name),
            }
            for c in channels
        ],
        "psf": config.psf.model_dump(),
        "camera": config.camera.model_dump(),
        # calibrated in the first plane; a dye that may be lost on the way is a receptor of fewer photons that vary more
        "photons_per_receptor": _first_light(config) * kept * config.dyes.photons_per_receptor,
        "photons_shape": 1.0 / ((1.0 + 1.0 / config.dyes.photons_shape) / kept - 1.0),
        "tag": config.tag.chemistry(),
        "bleed_through": [list(leak) for leak in config.optics.bleed_through],
        "attenuation": {
            "length_um": config.optics.attenuation_length_um,
            "bleached_share": config.optics.bleached_share,
        },
        "identity": config.identity.known(tissue.neuron_id, config.seed),
    }
