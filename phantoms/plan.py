"""What a configuration will cost, before anything is made: voxels, bytes, emitters, memory, time."""

import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.compute import n_cores, refuse_wrong
from synimg.config import Config, load
from synimg.errors import SynimgError
from synimg.phantoms.cohort import animals_of
from synimg.phantoms.imported import import_network
from synimg.phantoms.morphology import Tree
from synimg.phantoms.prepare import tissue_config
from synimg.phantoms.render import Channel, imaging_notes, render
from synimg.phantoms.solids import FILL_PER_UM3
from synimg.phantoms.surroundings import GRANULE_POINTS, MOST_POINTS, labelled_share
from synimg.phantoms.tissue import check_room, tree_of, trees_of
from synimg.phantoms.wiring import build_wiring
from synimg.store.atomic import free_bytes
from synimg.store.bins import Bins
from synimg.store.image import create_image, pyramid, write_block
from synimg.store.morphology import morphology_notes, read_tree_arrays
from synimg.streams import stream

Floats = NDArray[np.float64]
LABEL_BYTES = 0.06
"""Of two label volumes, per voxel, compressed: most of it is empty."""
DISC_BYTES, SHAFT_BYTES, CAPSULE_BYTES = 180, 72, 180
"""Of a synapse in a channel, a receptor on the shaft, and a piece of dendrite, spine or axon, on disk while the image is made."""
PIECE_UM = 0.4


@dataclass(frozen=True)
class Plan:
    """Expected cost of a configuration.

    n_voxels, n_channels : int, of one animal's image
    n_animals : int
    n_emitters : int, points of light in one animal's image
    dendrite_um_per_um3 : float, dendrite of the network's neurons in the block before it is prepared
    bytes_on_disk, bytes_free : int, of all animals, and what the disk has
    bytes_per_worker : int
    seconds : float, of all animals' images on `workers` processes; training the network comes on top
    seconds_training : float, an estimate of that; 0 for an imported network
    workers : int
    notes : tuple of str, what should be known before
    """

    n_voxels: int
    n_channels: int
    n_animals: int
    n_emitters: int
    dendrite_um_per_um3: float
    bytes_on_disk: int
    bytes_free: int
    bytes_per_worker: int
    seconds: float
    seconds_training: float
    workers: int
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return asdict(self)


def plan(config: Config | str | Path, out: str | Path = ".", workers: int | None = None) -> Plan:
    """What `generate` will cost, from a block of the image that is rendered and thrown away.

    Parameters
    ----------
    config : Config, path or str
        As in `generate`.
    out : path
        Where the data set is to go; its disk is looked at.
    workers : int, optional
        Processes; all cores if not given.

    Raises
    ------
    SynimgError
        If the data set does not fit on the disk, its dendrites do not fit into the block, it cannot be imaged, or `workers`
        is below 1.
    """
    refuse_wrong(workers)
    config, n_workers = load(config), n_cores() if workers is None else workers
    notes, volume = tuple(notes_beforehand(config)), config.volume
    n_animals = max(len(animals_of(config)), 1)
    trees = [tree_of(*read_tree_arrays(Path(name))) for name in config.tissue.morphologies]
    n_contacts = check_tissue(config, trees)
    density = _emitters(config, n_contacts)
    seconds, n_bytes = _calibrate(config, density)
    n_voxels, levels = int(np.prod(volume.shape_vox)), _levels(config)
    block = np.minimum(volume.block_vox, volume.shape_vox)
    on_disk, free = int(n_animals * n_voxels * levels * (n_bytes + LABEL_BYTES)), free_bytes(Path(out))
    _refuse_full(on_disk + _scratch(config, n_contacts), Path(out))
    per_voxel = len(density) * (8 + 8 * bool(config.optics.bleed_through) + 2) + 8 + 3 * 4
    return Plan(
        n_voxels=n_voxels,
        n_channels=len(density),
        n_animals=n_animals,
        n_emitters=int(sum(density)),
        dendrite_um_per_um3=_lengths(config, n_contacts)[0] / float(np.prod(tissue_config(config).volume.size_um)),
        bytes_on_disk=on_disk,
        bytes_free=free,
        bytes_per_worker=_resident() + int(np.prod(block) * per_voxel),
        seconds=n_animals * seconds * n_voxels * levels / min(n_workers, max(n_voxels // int(np.prod(block)), 1)),
        seconds_training=n_animals * _training_seconds(config, n_workers),
        workers=n_workers,
        notes=notes,
    )


def notes_beforehand(config: Config) -> list[str]:
    """What the user should know before anything is made, a sentence each: odd morphologies, coarse sampling.

    Raises
    ------
    SynimgError
        If there is a morphology that cannot be read, or it cannot be imaged.
    """
    odd = [note for file in config.tissue.morphologies for note in morphology_notes(Path(file))]
    return odd + imaging_notes(config)


def check_tissue(config: Config, imported: list[Tree]) -> int:
    """Refuse dendrites that do not fit into the block, before the network is trained; turnover may still change them.

    Parameters
    ----------
    imported : list of Tree
        Those of `tissue.morphologies`.

    Returns
    -------
    int
        Contacts on the imaged neurons.

    Raises
    ------
    SynimgError
        If they do not, or an imported network cannot be read.
    """
    if config.imported.edges:
        network = import_network(config, config.seed)
        n_units, post = len(network.nodes["cell_id"]), network.contacts["target"][network.contacts["a_end"] > 0]
    else:
        wiring = build_wiring(config, config.seed)
        n_units, post = wiring.leak.size, wiring.contact_post[wiring.a_start > 0]
    grows = tissue_config(config)
    units, n_living = check_room(grows, n_units, post, config.seed, is_grown=not imported)
    if imported:
        trees_of(grows, units, n_living, config.seed, imported)
    return int(n_living[units].sum())


def check_disk(config: Config, out: Path, n_contacts: int) -> None:
    """Refuse what the disk of `out` cannot hold, as `plan` does; quick where there is room in plenty.

    Parameters
    ----------
    n_contacts : int
        As `check_tissue` counts them.

    Raises
    ------
    SynimgError
        If the data set, or the cohort, does not fit.
    """
    n_voxels = max(len(animals_of(config)), 1) * float(np.prod(config.volume.shape_vox)) * _levels(config)
    density = _emitters(config, n_contacts)
    scratch = _scratch(config, n_contacts)
    if n_voxels * (2 * len(density) + 2 * 4) + scratch > free_bytes(out):  # as if nothing were compressed
        _, n_bytes = _calibrate(config, density)
        _refuse_full(n_voxels * (n_bytes + LABEL_BYTES) + scratch, out)


def _levels(config: Config) -> float:
    """Voxels of all levels of the pyramid, as a multiple of the image's."""
    shape = config.volume.shape_vox
    return sum(float(np.prod(level.shape)) for level in pyramid(shape, config.volume.voxel_um)) / float(np.prod(shape))


def _refuse_full(n_bytes: float, out: Path) -> None:
    free = free_bytes(out)
    if n_bytes > free:
        raise SynimgError(
            f"volume.shape_vox: the images take about {n_bytes / 1e9:.3g} GB, the disk of {out.resolve()} has "
            f"{free / 1e9:.3g} GB free: choose another disk or a smaller volume"
        )


def _emitters(config: Config, n_contacts: int) -> list[float]:
    """Expected points of light in each channel."""
    n_contacts = round(config.tissue.labelled_share * n_contacts)
    n_receptors, dendrite_um3 = _contents(config, n_contacts)
    around, tissue_um3 = config.surroundings, float(np.prod(tissue_config(config).volume.size_um))
    specks = (around.synapses_per_um3 * MOST_POINTS / 2 + around.nonspecific_per_um3) * tissue_um3
    granules = around.granules_per_um3 * GRANULE_POINTS * tissue_um3
    receptors = [n_receptors / 2 + specks + granules + n for n in _on_shafts(config, n_contacts)]
    return [*receptors, *(dendrite_um3 * FILL_PER_UM3 + granules for _ in config.identity.dye_channels())]


def _on_shafts(config: Config, n_contacts: int) -> list[float]:
    """Expected points of light of receptors on the shafts, in the channels pulse and chase."""
    dendrite_um, _ = _lengths(config, n_contacts)
    per_um2 = config.surroundings.extrasynaptic_per_um2
    n = per_um2 * 2 * np.pi * config.tissue.dendrite_radius_um * dendrite_um
    return [n * labelled_share(config, name) if n else 0.0 for name in ("pulse", "chase")]


def _scratch(config: Config, n_contacts: int) -> float:
    """Bytes on disk while an image is being made, besides the image."""
    dendrite_um, axon_um = _lengths(config, n_contacts)
    pieces = (dendrite_um + axon_um) / PIECE_UM + 2 * n_contacts
    return 2 * DISC_BYTES * n_contacts + SHAFT_BYTES * sum(_on_shafts(config, n_contacts)) + CAPSULE_BYTES * pieces


def _lengths(config: Config, n_contacts: int) -> tuple[float, float]:
    """Expected length of the imaged neurons' dendrites and of axons in the block [um]."""
    axon_um = config.axons.um_per_um3 * float(np.prod(tissue_config(config).volume.size_um))
    return n_contacts / config.tissue.spine_density_per_um, axon_um


def _contents(config: Config, n_contacts: int) -> tuple[float, float]:
    """Expected labelled receptors, and volume of dendrites, spine heads and axons in the image [um^3]."""
    dendrite_um, axon_um = _lengths(config, n_contacts)
    tissue, axons = config.tissue, config.axons
    boutons_um2 = 4 / 3 * np.pi * axons.bouton_radius_um**3 / axons.bouton_interval_um
    axon_um3 = axon_um * (np.pi * axons.radius_um**2 + boutons_um2)
    scale = float(np.prod([f for step in config.preparation for f in step.scale]))
    volume_um3 = scale * (np.pi * tissue.dendrite_radius_um**2 * dendrite_um + 0.08 * n_contacts + axon_um3)
    return n_contacts * config.receptors.receptors_mean, volume_um3


def _calibrate(config: Config, density: list[float]) -> tuple[float, float]:
    """Seconds and bytes per voxel of level 0, all channels, from one block with as many emitters as are expected."""
    volume = config.volume
    shape: Any = tuple(int(n) for n in np.minimum(volume.chunk_vox, volume.shape_vox))
    share = float(np.prod(shape)) / float(np.prod(volume.shape_vox))
    names = [("pulse", config.dyes.pulse_emission_nm), ("chase", config.dyes.chase_emission_nm)]
    names += [(name, nm) for name, _, nm in config.identity.dye_channels()]
    channels = []
    for (name, nm), n in zip(names, density, strict=True):
        rng = stream(config.seed, "plan", name)
        points = rng.random((int(n * share), 3)) * np.array(shape)
        kernel = config.psf.kernel(nm, volume.voxel_um, volume.shape_vox[0])
        spacing = config.dyes.background_scale_um / np.array(volume.voxel_um)
        lattice = rng.standard_normal([int(np.ceil(n / s)) + 2 for n, s in zip(shape, spacing, strict=True)])
        emitters = Bins(points, (points, np.full(len(points), 20.0)), shape, kernel.reach_vox)
        background = config.dyes.background_photons
        key = int(rng.integers(2**62))
        channels.append(
            Channel(name, "FFFFFF", nm, emitters, kernel, lattice, spacing, background, 0.25, np.zeros(3), key)
        )
    box: Any = ((0, 0, 0), shape)
    with tempfile.TemporaryDirectory(prefix="synimg-plan-") as folder:
        path = Path(folder) / "block.ome.zarr"
        shown = [{"name": c.name, "color": c.color, "window": (0, 1)} for c in channels]
        create_image(path, shape, shape, volume.voxel_um, shown, {})
        render(channels, config, ((0, 0, 0), (1, 1, 1)))  # compiles
        write_block(path, "0", box, np.zeros((len(channels), *shape), np.uint16))
        begin = time.perf_counter()
        files = write_block(path, "0", box, render(channels, config, box))
        seconds = time.perf_counter() - begin
        n_bytes = sum((path / name).stat().st_size for name in files)
    n = float(np.prod(shape))
    return seconds / n, n_bytes / n


def _training_seconds(config: Config, workers: int) -> float:
    """Expected time of training the network, from a few updates of it."""
    from synimg.phantoms.network import train

    if config.imported.edges:
        return 0.0
    took = {}
    for n in (2, 2, 6):  # the first one compiles
        training = config.training.model_copy(
            update={"n_updates": max(n, len(config.next_tasks) + 1), "test_every": 10**6}
        )
        begin = time.perf_counter()
        train(config.model_copy(update={"training": training}), config.seed)
        took[n] = time.perf_counter() - begin
    each = max(took[6] - took[2], 0.0) / 4
    runs = 4 if config.training.counterfactuals else 1
    return took[2] + each * config.training.n_updates * -(-runs // workers)


def _resident() -> int:
    """Memory of this process, which has loaded all that a worker loads."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
