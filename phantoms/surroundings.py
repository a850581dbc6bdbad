"""What glows in the receptor channels besides the network's synapses: other synapses, receptors on the shaft, stray dye."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.prepare import Preparation, tissue_config
from synimg.phantoms.receptors import Counts, count_receptors, survival
from synimg.phantoms.tissue import Tissue, capsules, on_discs
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Lights = tuple[Floats, Floats]
"""Places in the image (n, 3) [um], and expected photons (n,)."""
MOST_POINTS = 12
"""Points of light that stand for another synapse, where it has more dyes: its disc is hardly wider than a PSF."""


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


def other_synapses(
    config: Config, a_start: Floats, ln_change: Floats, n_imaged: int, preparation: Preparation, seed: int
) -> Others:
    """As many other synapses as bring the imaged ones to `surroundings.synapses_per_um3`, anywhere in the block.

    Parameters
    ----------
    a_start, ln_change : (n_contacts,) ndarray
        Receptors of the network's contacts at the pulse, and what drift and homeostasis made of ln receptors since. The
        others take both from contacts drawn at random, so that sizes and changes have the network's law.
    n_imaged : int
        Contacts that are imaged.
    """
    rng = stream(seed, "surroundings", "synapses")
    volume_um3 = float(np.prod(tissue_config(config).volume.size_um))
    n = max(int(round(config.surroundings.synapses_per_um3 * volume_um3)) - n_imaged, 0)
    n = n if config.surroundings.synapses_per_um3 > 0 else 0
    living = np.flatnonzero((a_start > 0) & np.isfinite(ln_change))
    chosen = living[rng.integers(0, max(living.size, 1), n)] if living.size else living[:0]
    start = a_start[chosen]
    end = start * np.exp(ln_change[chosen])
    position = rng.random((chosen.size, 3)) * np.array(config.volume.size_um)
    normal = rng.standard_normal((chosen.size, 3))
    factor = float(np.cbrt(np.prod(preparation.scale)))
    return Others(
        position_um=position,
        normal=normal / np.linalg.norm(normal, axis=1, keepdims=True),
        disc_radius_um=factor * np.sqrt(end / (config.tissue.psd_density_per_um2 * np.pi)),
        counts=count_receptors(start, end, config, seed, "surroundings"),
    )


def lights(
    config: Config, tissue: Tissue, others: Others, preparation: Preparation, channel: str, seed: int
) -> list[Lights]:
    """All of it in one receptor channel, "pulse" or "chase": other synapses, extrasynaptic receptors, stray dye."""
    settings, dyes = config.surroundings, config.dyes
    rng = stream(seed, "surroundings", channel)
    counts = others.counts
    labelled, photons = (
        (counts.labelled_old, counts.photons_old) if channel == "pulse" else (counts.labelled_new, counts.photons_new)
    )
    shown = np.flatnonzero(labelled > 0)
    n_points = np.minimum(labelled[shown], MOST_POINTS)
    contact = np.repeat(shown, n_points)
    disc = others.position_um[contact], others.normal[contact], others.disc_radius_um[contact]
    found = [(on_discs(*disc, rng), np.repeat(photons[shown] / n_points, n_points))]
    if settings.extrasynaptic_per_um2 > 0:
        points = _on_shafts(
            config, tissue, settings.extrasynaptic_per_um2 * _labelled_share(config, channel), preparation, rng
        )
        found.append(
            (points, rng.gamma(dyes.photons_shape, dyes.photons_per_receptor / dyes.photons_shape, len(points)))
        )
    size_um = np.array(config.volume.size_um)
    volume_um3 = float(np.prod(tissue_config(config).volume.size_um))
    n = rng.poisson(settings.nonspecific_per_um3 * volume_um3)
    found.append((rng.random((n, 3)) * size_um, rng.exponential(settings.nonspecific_photons, n)))
    return found


def granules(config: Config, emission_nm: float, preparation: Preparation, seed: int) -> Lights:
    """Autofluorescent granules in a channel: the same places in all channels, dimmer at longer wavelengths.

    Notes
    -----
    Lipofuscin: spheres of about 1 um whose broad emission falls with the wavelength, here by half every
    `granule_half_nm`. Each is filled with 60 points.
    """
    settings = config.surroundings
    rng = stream(seed, "surroundings", "granules")
    n = rng.poisson(settings.granules_per_um3 * float(np.prod(tissue_config(config).volume.size_um)))
    centre = rng.random((n, 3)) * np.array(config.volume.size_um)
    radius = (
        settings.granule_radius_um * np.exp(0.3 * rng.standard_normal(n)) * float(np.cbrt(np.prod(preparation.scale)))
    )
    photons = (
        settings.granule_photons * rng.gamma(2.0, 0.5, n) * 0.5 ** ((emission_nm - 550.0) / settings.granule_half_nm)
    )
    inside = rng.standard_normal((n, 60, 3))
    inside *= np.cbrt(rng.random((n, 60, 1))) / np.linalg.norm(inside, axis=2, keepdims=True)
    points = centre[:, None] + radius[:, None, None] * inside
    return points.reshape(-1, 3), np.repeat(photons / 60, 60)


def background_table(others: Others) -> pd.DataFrame:
    """The other synapses, for the truth."""
    return pd.DataFrame(
        {
            "background_id": np.arange(1, len(others.position_um) + 1),
            **{f"{axis}_um": others.position_um[:, i] for i, axis in enumerate("zyx")},
            **others.counts.columns(),
        }
    )


def _labelled_share(config: Config, channel: str) -> float:
    """Share of the receptors of a synapse that does not change which carry the channel's dye."""
    turnover = config.receptors.exchange_per_day * config.training.window_days
    stay = float(survival(np.ones(1), turnover, config.receptors.depression)[0])
    many = np.array([round(1e6 * stay)]), np.array([round(1e6 * (1 - stay))])
    labelled = config.tag.label(*many, stream(0, "surroundings", "share"))
    return float((labelled.old if channel == "pulse" else labelled.new)[0]) / 1e6


def _on_shafts(
    config: Config, tissue: Tissue, per_um2: float, preparation: Preparation, rng: np.random.Generator
) -> Floats:
    """Places on the surface of the dendrites, `per_um2` of them per um^2 of tissue."""
    start, end, radius, _, contact = capsules(tissue)
    size = np.array(config.volume.size_um)
    near = (contact < 0) & ((np.minimum(start, end) < size) & (np.maximum(start, end) > 0)).all(axis=1)
    start, end, radius = start[near], end[near], radius[near]
    length = np.linalg.norm(end - start, axis=1)
    area_um2 = 2 * np.pi * radius * length / float(np.cbrt(np.prod(preparation.scale))) ** 2
    n = rng.poisson(area_um2 * per_um2)
    piece = np.repeat(np.arange(n.size), n)
    axis = (end - start)[piece] / np.maximum(length[piece], 1e-12)[:, None]
    side = np.cross(axis, np.array([0.31, 0.52, 0.79]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = rng.uniform(0, 2 * np.pi, piece.size)
    around = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side)
    points: Floats = start[piece] + rng.random((piece.size, 1)) * (end - start)[piece] + radius[piece][:, None] * around
    return points
