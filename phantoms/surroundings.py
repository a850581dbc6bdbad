"""What glows in the receptor channels besides the network's synapses: other synapses, receptors on the shaft, stray dye."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.across import across
from synimg.phantoms.discs import Lights, on_discs
from synimg.phantoms.prepare import Preparation, preparation_of, tissue_config
from synimg.phantoms.receptors import Counts, count_receptors, survival
from synimg.phantoms.solids import dendrite_capsules
from synimg.phantoms.tissue import Tissue
from synimg.streams import key64, later, stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cell = tuple[int, int, int]
POINTS_AT_ONCE = 1 << 17
"""Receptors on shafts that are made at once: those of a large tissue do not fit into memory."""
CELL_UM = 6.0
"""Edge of a cell in tissue, the piece of space that the random numbers belong to. Part of what a seed means."""
MOST_POINTS = 12
"""Points of light that stand for another synapse, where it has more dyes: its disc is hardly wider than a PSF."""
MOST_DONORS = 65_536
"""Contacts of the network of which a worker is told, for other synapses to be like."""
GRANULE_SD_LN, GRANULE_SDS, GRANULE_POINTS = 0.3, 4.0, 60


@dataclass(frozen=True)
class Others:
    """Synapses of neurons that are not in the simulated network: they drift and are scaled, and do not learn.

    position_um, normal : (n, 3) ndarray, in the image
    disc_radius_um : (n,) ndarray
    counts : Counts, their receptors and dyes
    """

    position_um: Floats
    normal: Floats
    disc_radius_um: Floats
    counts: Counts


@dataclass(frozen=True, eq=False)
class Crowd:
    """Other synapses, stray dye and granules, drawn cell by cell where they are asked for: no list grows with the volume.

    config, seed : Config, int
    preparation : Preparation
    a_start, ln_change : (n,) ndarray, receptors of contacts of the network at the pulse, and what drift and homeostasis made
        of ln receptors since: the law of the others
    synapses_per_um3 : float, other synapses in tissue
    """

    config: Config
    seed: int
    preparation: Preparation
    a_start: Floats
    ln_change: Floats
    synapses_per_um3: float

    @property
    def cell_um(self) -> Floats:
        """Edges of a cell in the image [um]."""
        return CELL_UM * np.array(self.preparation.scale)

    @property
    def shape(self) -> Cell:
        """Cells along z, y, x."""
        z, y, x = np.ceil(np.array(self.config.volume.size_um) / self.cell_um).astype(int).tolist()
        return z, y, x

    @property
    def swelling(self) -> float:
        """How much longer lengths become in the preparation, on average."""
        return float(np.cbrt(np.prod(self.preparation.scale)))

    @property
    def reach_um(self) -> float:
        """How far light of a cell lies outside it at most."""
        end = float((self.a_start * np.exp(self.ln_change)).max(initial=0.0))
        disc = np.sqrt(end / (self.config.tissue.psd_density_per_um2 * np.pi))
        settings = self.config.surroundings
        granule = settings.granule_radius_um * np.exp(GRANULE_SD_LN * GRANULE_SDS) * (settings.granules_per_um3 > 0)
        return self.swelling * max(float(disc), float(granule))

    def cells(self, low_um: Floats, high_um: Floats) -> list[Cell]:
        """The cells whose light may lie between two corners of the image [um], in C order."""
        last = np.array(self.shape) - 1
        first = np.clip(np.floor((low_um - self.reach_um) / self.cell_um), 0, last).astype(int)
        end = np.clip(np.floor((high_um + self.reach_um) / self.cell_um), 0, last).astype(int)
        z, y, x = (range(a, b + 1) for a, b in zip(first.tolist(), end.tolist(), strict=True))
        return list(itertools.product(z, y, x))

    def near(self, channel: str, emission_nm: float, low_um: Floats, high_um: Floats) -> Lights:
        """What lights up a channel between two corners of the image [um], and some more around."""
        parts = [_lights(self, channel, emission_nm, cell) for cell in self.cells(low_um, high_um)]
        points, photons = (np.concatenate(column) for column in zip(*parts, strict=True))
        return points, photons

    def others(self, cell: Cell) -> Others:
        """The other synapses of a cell."""
        return _others(self, cell)

    def box_um(self, cell: Cell) -> tuple[Floats, Floats, float]:
        """Corner and edges of a cell in the image [um], and its volume in tissue [um^3]."""
        low = np.array(cell) * self.cell_um
        edges = np.minimum(low + self.cell_um, self.config.volume.size_um) - low
        return low, edges, float(np.prod(edges) / np.prod(self.preparation.scale))


def crowd_of(config: Config, a_start: Floats, ln_change: Floats, n_imaged: int, seed: int) -> Crowd | None:
    """What glows besides the network's synapses and dendrites; None where that is nothing.

    Parameters
    ----------
    a_start, ln_change : (n_contacts,) ndarray
        See `Crowd`. The others take both from contacts drawn at random, so that sizes and changes have the network's law.
    n_imaged : int
        Contacts that are imaged; the others bring them to `surroundings.synapses_per_um3`.
    """
    settings = config.surroundings
    if not max(settings.synapses_per_um3, settings.nonspecific_per_um3, settings.granules_per_um3):
        return None
    living = np.flatnonzero((a_start > 0) & np.isfinite(ln_change))
    if living.size > MOST_DONORS:
        living = np.sort(stream(seed, "surroundings", "donors").permutation(living)[:MOST_DONORS])
    per_um3 = settings.synapses_per_um3 - n_imaged / float(np.prod(tissue_config(config).volume.size_um))
    preparation = preparation_of(config, seed)
    return Crowd(config, seed, preparation, a_start[living], ln_change[living], max(per_um3, 0.0) * (living.size > 0))


@lru_cache(maxsize=256)
def _others(crowd: Crowd, cell: Cell) -> Others:
    config = crowd.config
    rng = stream(crowd.seed, "surroundings", "synapses", *cell)
    low, edges, tissue_um3 = crowd.box_um(cell)
    n = rng.poisson(crowd.synapses_per_um3 * tissue_um3)
    chosen = rng.integers(0, max(crowd.a_start.size, 1), n)
    start = crowd.a_start[chosen]
    end = start * np.exp(crowd.ln_change[chosen])
    normal = rng.standard_normal((n, 3))
    return Others(
        position_um=low + rng.random((n, 3)) * edges,
        normal=normal / np.linalg.norm(normal, axis=1, keepdims=True),
        disc_radius_um=crowd.swelling * np.sqrt(end / (config.tissue.psd_density_per_um2 * np.pi)),
        counts=count_receptors(start, end, config, crowd.seed, "surroundings {} {} {}".format(*cell)),
    )


@lru_cache(maxsize=256)  # blocks that touch share cells
def _lights(crowd: Crowd, channel: str, emission_nm: float, cell: Cell) -> Lights:
    """All light of a cell in one channel; the receptors' are "pulse" and "chase"."""
    found = [_granules(crowd, emission_nm, cell)]
    if channel in {"pulse", "chase"}:
        settings = crowd.config.surroundings
        rng = stream(crowd.seed, "surroundings", channel, *cell)
        others = _others(crowd, cell)
        counts = others.counts
        labelled, photons = (
            (counts.labelled_old, counts.photons_old)
            if channel == "pulse"
            else (counts.labelled_new, counts.photons_new)
        )
        shown = np.flatnonzero(labelled > 0)
        n_points = np.minimum(labelled[shown], MOST_POINTS)
        disc = others.position_um[shown], others.normal[shown], others.disc_radius_um[shown]
        key = np.uint64(key64(crowd.seed, "surroundings", "receptors", channel, *cell))
        found.append((on_discs(*disc, n_points, key, shown), np.repeat(photons[shown] / n_points, n_points)))
        low, edges, tissue_um3 = crowd.box_um(cell)
        n = rng.poisson(settings.nonspecific_per_um3 * tissue_um3)
        found.append((low + rng.random((n, 3)) * edges, rng.exponential(settings.nonspecific_photons, n)))
    points, each = (np.concatenate(column) for column in zip(*found, strict=True))
    return points, each * crowd.preparation.is_visible(points)


def _granules(crowd: Crowd, emission_nm: float, cell: Cell) -> Lights:
    """Autofluorescent granules in a channel: the same places in all channels, dimmer at longer wavelengths.

    Notes
    -----
    Lipofuscin: spheres of about 1 um whose broad emission falls with the wavelength, here by half every
    `granule_half_nm`. Each is filled with 60 points. No radius lies beyond four standard deviations.
    """
    settings = crowd.config.surroundings
    rng = stream(crowd.seed, "surroundings", "granules", *cell)
    low, edges, tissue_um3 = crowd.box_um(cell)
    n = rng.poisson(settings.granules_per_um3 * tissue_um3)
    centre = low + rng.random((n, 3)) * edges
    spread = np.clip(rng.standard_normal(n), -GRANULE_SDS, GRANULE_SDS)
    radius = settings.granule_radius_um * np.exp(GRANULE_SD_LN * spread) * crowd.swelling
    photons = (
        settings.granule_photons * rng.gamma(2.0, 0.5, n) * 0.5 ** ((emission_nm - 550.0) / settings.granule_half_nm)
    )
    inside = rng.standard_normal((n, GRANULE_POINTS, 3))
    inside *= np.cbrt(rng.random((n, GRANULE_POINTS, 1))) / np.linalg.norm(inside, axis=2, keepdims=True)
    points = centre[:, None] + radius[:, None, None] * inside
    return points.reshape(-1, 3), np.repeat(photons / GRANULE_POINTS, GRANULE_POINTS)


def background_tables(crowd: Crowd) -> Iterator[pd.DataFrame]:
    """The other synapses, for the truth, in pieces that do not grow with the volume."""
    n_before = 0
    nz, ny, nx = crowd.shape
    for z, y in itertools.product(range(nz), range(ny)):
        frames = []
        for x in range(nx):
            others = crowd.others((z, y, x))
            place = {f"{axis}_um": others.position_um[:, i] for i, axis in enumerate("zyx")}
            frames.append(pd.DataFrame(place | others.counts.columns()))
        table = pd.concat(frames, ignore_index=True)
        table.insert(0, "background_id", np.arange(n_before + 1, n_before + len(table) + 1))
        n_before += len(table)
        yield table


def shaft_lights(config: Config, tissue: Tissue, preparation: Preparation, channel: str, seed: int) -> Iterator[Lights]:
    """Extrasynaptic receptors on the network's dendrites in a receptor channel, in pieces."""
    rng, dyes = stream(seed, "surroundings", "shafts", channel), config.dyes
    per_um2 = config.surroundings.extrasynaptic_per_um2 * labelled_share(config, channel)
    n_of = [rng.poisson(mean) for *_, mean in _shafts(config, tissue, per_um2, preparation)]
    total = int(sum(n.sum() for n in n_of))
    along_rng, photon_rng = later(rng, total), later(rng, 2 * total)
    for n, (start, end, radius, _) in zip(n_of, _shafts(config, tissue, per_um2, preparation), strict=True):
        for low, high in _split(n):
            piece = np.repeat(np.arange(low, high), n[low:high])
            angle, along = rng.uniform(0, 2 * np.pi, piece.size), along_rng.random((piece.size, 1))
            points = _on_shafts(start[piece], end[piece], radius[piece], angle, along)
            photons = photon_rng.gamma(dyes.photons_shape, dyes.photons_per_receptor / dyes.photons_shape, piece.size)
            yield points, photons


def _split(n: Ints) -> Iterator[tuple[int, int]]:
    """Half-open ranges of entries that have `POINTS_AT_ONCE` points or fewer, or are one entry; one range at least."""
    ends, low = np.cumsum(n), 0
    while True:
        before = int(ends[low - 1]) if low else 0
        high = int(np.searchsorted(ends, before + POINTS_AT_ONCE, side="right"))
        high = min(max(high, low + 1), n.size)
        yield low, high
        if high >= n.size:
            return
        low = high


def labelled_share(config: Config, channel: str) -> float:
    """Share of the receptors of a synapse that does not change which carry the channel's dye."""
    turnover = config.receptors.exchange_per_day * config.training.window_days
    stay = float(survival(np.ones(1), turnover, config.receptors.depression)[0])
    many = np.array([round(1e6 * stay)]), np.array([round(1e6 * (1 - stay))])
    labelled = config.tag.label(*many, stream(0, "surroundings", "share"))
    return float((labelled.old if channel == "pulse" else labelled.new)[0]) / 1e6


def _shafts(
    config: Config, tissue: Tissue, per_um2: float, preparation: Preparation
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Start, end and radius of dendrite in the image, and mean number of receptors on it, `per_um2` of tissue."""
    size = np.array(config.volume.size_um)
    for start, end, radius, _, _ in dendrite_capsules(tissue):
        near = ((np.minimum(start, end) < size) & (np.maximum(start, end) > 0)).all(axis=1)
        start, end, radius = start[near], end[near], radius[near]
        length = np.linalg.norm(end - start, axis=1)
        area_um2 = 2 * np.pi * radius * length / float(np.cbrt(np.prod(preparation.scale))) ** 2
        yield start, end, radius, area_um2 * per_um2


def _on_shafts(start: Floats, end: Floats, radius: Floats, angle: Floats, along: Floats) -> Floats:
    """A place on the surface of each piece, at an `angle` (n,) around it and a share `along` (n, 1) of its length."""
    axis = (end - start) / np.maximum(np.linalg.norm(end - start, axis=1), 1e-12)[:, None]
    side, other = across(axis)
    around = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
    points: Floats = start + along * (end - start) + radius[:, None] * around
    return points
