"""The way back: from the voxels of a recording to the synapse table. Nothing here reads the truth."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import cKDTree

from synimg import __version__, compute, schema
from synimg.analysis import assign, replica
from synimg.analysis.background import smooth_background
from synimg.analysis.damage import is_near, is_noisy, read_recorded, share_lost, stand_in, why_lost
from synimg.analysis.detect import candidates, log_significance
from synimg.analysis.fisher import covariances
from synimg.analysis.fit import Fit, Scene, cores, fit_puncta, gains, model_of, split, start
from synimg.analysis.quality import FILE as QUALITY_FILE
from synimg.analysis.quality import Missing, quality_of
from synimg.analysis.recording import Recording
from synimg.analysis.spread import estimate_spread
from synimg.analysis.survey import LEAST_NOISE, ChannelOptics, OpticsCheck, Survey, check_optics, noise_of, survey
from synimg.analysis.widening import TrueErrors, fit_true_errors
from synimg.calibrate import dyes_of, receptors_of_dyes, unmixed
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.atomic import write_json
from synimg.store.dataset import Dataset
from synimg.store.image import Box, blocks, image_attributes, open_array
from synimg.store.parts import Parts
from synimg.store.tables import read_table, write_table
from synimg.streams import stream

Floats = NDArray[np.float64]
PLACE = ["z_um", "y_um", "x_um"]
ELECTRONS = ["pulse_electrons", "chase_electrons"]
TYPICAL_SPREAD_UM2 = 0.005  # variance of a synapse of 0.28 um across, for the search alone


class MeasureSettings(Model):
    """How an image is measured."""

    candidate_significance: float = Field(
        3.7, gt=0, description="least LoG response of a candidate, in sd of the noise"
    )
    least_gain: float = Field(22.0, gt=0, description="least 2 ln likelihood ratio of a punctum against nothing")
    n_rounds: int = Field(3, ge=1, le=6, description="searches of the residual")
    merge_sigma: float = Field(0.8, ge=0, description="puncta nearer than this many PSF widths are one")
    split_excess: float = Field(
        0.15, gt=0, description="variance beyond a synapse's at which a punctum is tried as two, in squared PSF widths"
    )
    split_um: float = Field(0.8, ge=0, description="puncta nearer than this may be parts of one synapse")
    same_disc: float = Field(1.2, ge=0, description="puncta nearer than this many radii of their common disc are one")
    split_share: float = Field(
        0.05,
        ge=0,
        description="least gain of such a part, as a share of the brighter one's, for a disc wider than the PSF",
    )
    background_um: float = Field(0.6, gt=0, description="width of the local mean that gives the background")
    tile_vox: tuple[int, int, int] = Field(
        (64, 192, 192), description="block of work; the result depends on it slightly"
    )
    halo_vox: tuple[int, int, int] = Field((8, 20, 20), description="margin around a tile that is fitted too")
    n_spread_tiles: int = Field(4, ge=1, description="tiles from which the synapses' width is estimated")
    n_replica_tiles: int = Field(
        4, ge=1, description="tiles of which replicas with known truth are measured: true errors and detection limit"
    )
    psf: Literal["stated", "puncta"] = Field(
        "stated",
        description="whether the point spread function's widths are those stated or those that bright puncta show",
    )
    readout_gate_um: float = Field(0.6, gt=0, description="farthest that a label read-out may lie from its synapse")


@dataclass(frozen=True)
class Known:
    """What a replica of a tile needs: what was found in its box (places in voxels of the image), and what hides there."""

    tile: "Tile"
    points_vox: Floats
    electrons: Floats
    hidden: replica.Hidden


@dataclass(frozen=True)
class Block:
    """The grey levels (channel, z, y, x) of a tile's box; noise stands in for the chunks that were not read or recorded."""

    grey: NDArray[np.uint16]
    damaged: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Tile:
    """A block of work: what to read, and the part of space whose puncta it owns (half open, in image voxels)."""

    box: Box
    low: tuple[float, float, float]
    high: tuple[float, float, float]


def tiles(shape_vox: tuple[int, int, int], settings: MeasureSettings) -> list[Tile]:
    """Tiles that cover an image; every place is owned by exactly one, beyond the faces too."""
    out = []
    for first_vox, size in blocks(shape_vox, settings.tile_vox):
        axes = list(zip(first_vox, size, settings.halo_vox, shape_vox, strict=True))
        first = tuple(max(s - halo, 0) for s, _, halo, _ in axes)
        last = tuple(min(s + n + halo, total) for s, n, halo, total in axes)
        box: Any = (first, tuple(b - a for a, b in zip(first, last, strict=True)))
        low: Any = tuple(-np.inf if s == 0 else s - 0.5 for s, *_ in axes)
        high: Any = tuple(np.inf if s + n == total else s + n - 0.5 for s, n, _, total in axes)
        out.append(Tile(box, low, high))
    return out


def scene_of(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings,
    spread_um2: float,
    first_vox: tuple[int, int, int],
) -> Scene:
    """The receptor channels of a block, (2, z, y, x) grey levels, ready for the fit; it begins at voxel `first_vox`."""
    index, pixels = recording.receptor_index, recording.pixels(first_vox, grey.shape)
    return scene_of_electrons(
        recording.electrons(grey, pixels),
        pixels[2],
        recording.sigma_vox(index),
        recording.shift_vox(index),
        np.array(recording.voxel_um),
        settings,
        spread_um2,
    )


def scene_of_electrons(
    electrons: Floats,
    read_noise: Floats | float,
    psf_vox: Floats,
    shift_vox: Floats,
    voxel_um: Floats,
    settings: MeasureSettings,
    spread_um2: float,
) -> Scene:
    """Photo-electrons (channel, z, y, x) with their background, ready for the fit; `psf_vox`, `shift_vox` are (channel, 3).

    The read noise is one number or that of every pixel (y, x).
    """
    smooth, variance = np.maximum(settings.background_um / voxel_um, 2.0), np.square(read_noise)
    typical = float(np.sqrt(np.mean(variance)))
    background = np.stack([smooth_background(channel, smooth, typical) for channel in electrons])
    return Scene(electrons + variance, background + variance, psf_vox, shift_vox, voxel_um, spread_um2)


def moved_back(image: Floats, shift_vox: Floats) -> Floats:
    """Channels (c, z, y, x) moved by whole voxels so that what was shifted by `shift_vox` (c, 3) lies together.

    What comes in over a face repeats it.
    """
    whole = np.rint(shift_vox).astype(int)
    if not whole.any():
        return image
    out = np.empty_like(image)
    for channel, step, target in zip(image, whole, out, strict=True):
        at = [np.clip(np.arange(n) + s, 0, n - 1) for n, s in zip(channel.shape, step, strict=True)]
        target[...] = channel[np.ix_(*at)]
    return out


def find_puncta(scene: Scene, settings: MeasureSettings) -> Fit:
    """Puncta of a block.

    Notes
    -----
    Search the residual, fit all puncta together, drop what the likelihood does not want; again, until the rounds
    are over. The search runs on the sum of the channels, each moved back by its shift to the nearest voxel: a threshold per
    channel would bias the ratio.
    """
    fit, model = Fit.none(scene), scene.background.copy()
    psf = scene.psf_vox.mean(axis=0)
    volume = (2.0 * np.pi) ** 1.5 * np.prod(psf)
    typical = np.sqrt(psf**2 + TYPICAL_SPREAD_UM2 / scene.voxel_um**2)
    for k in range(settings.n_rounds):
        residual = moved_back(scene.data - model, scene.shift_vox)
        variance = moved_back(model, scene.shift_vox).sum(axis=0)
        significance = log_significance(residual.sum(axis=0), variance, typical)
        new = candidates(significance, settings.candidate_significance, 0.7 * psf)
        known = split(scene, fit, settings.split_excess) if k else fit.theta
        if not len(new) and len(known) == len(fit.theta):
            break
        nearest = tuple(np.clip(np.rint(new), 0, np.array(residual.shape[1:]) - 1).astype(int).T)
        electrons = np.maximum(residual[(slice(None), *nearest)].T, 0.5) * volume
        fit = fit_puncta(scene, np.vstack([known, start(new, electrons, scene)]), n_sweeps=8)
        fit = fit_puncta(scene, _prune(scene, fit, settings).theta, n_sweeps=6)
        model = model_of(scene, fit)
    return _prune(scene, fit_puncta(scene, fit.theta), settings)


def n_candidates(scene: Scene, settings: MeasureSettings) -> int:
    """How many puncta a first search of the block takes up."""
    psf = scene.psf_vox.mean(axis=0)
    light, variance = (
        moved_back(v, scene.shift_vox).sum(axis=0) for v in (scene.data - scene.background, scene.background)
    )
    typical = np.sqrt(psf**2 + TYPICAL_SPREAD_UM2 / scene.voxel_um**2)
    return len(candidates(log_significance(light, variance, typical), settings.candidate_significance, 0.7 * psf))


def _prune(scene: Scene, fit: Fit, settings: MeasureSettings) -> Fit:
    """Without puncta that left the block, that the likelihood does not want, or that are a part of a brighter one.

    A synapse is a disc and not quite Gaussian. Two puncta that lie within the disc that their counts together would
    fill are one; and near a bright one a weak one is believed only if it explains more than a share `split_share` of
    what the bright one does.
    """
    shape = np.array(scene.data.shape[1:])
    fit = fit.keep(np.all((fit.points_vox > -1.0) & (fit.points_vox < shape), axis=1))
    gain = gains(scene, fit, model_of(scene, fit))
    alive = gain >= settings.least_gain
    fit, gain = fit.keep(alive), gain[alive]
    keep = np.ones(len(gain), bool)
    if len(gain) < 2:
        return fit
    points_um, psf_um = fit.points_vox * scene.voxel_um, scene.psf_vox.mean(axis=0) * scene.voxel_um
    pairs = cKDTree(points_um).query_pairs(settings.split_um, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    is_first_weak = gain[pairs[:, 0]] < gain[pairs[:, 1]]
    weak, strong = np.where(is_first_weak, pairs.T, pairs.T[::-1])
    away = points_um[weak] - points_um[strong]
    # a disc seen from all sides has the variance radius^2 / 6 per axis
    disc_um = np.sqrt(6.0 * scene.spread_um2 * (fit.electrons[weak] + fit.electrons[strong]).sum(axis=1))
    is_one = np.linalg.norm(away / psf_um, axis=1) < settings.merge_sigma
    is_one |= np.linalg.norm(away, axis=1) < settings.same_disc * disc_um
    # how far a disc is from the Gaussian that fits it best grows with its size beside that of the PSF
    wide = scene.spread_um2 * fit.electrons[strong].sum(axis=1)
    share = settings.split_share * (wide / (wide + psf_um[1:].prod())) ** 2
    is_one |= gain[weak] < settings.least_gain + share * gain[strong]
    for i, j in zip(weak[is_one], strong[is_one], strict=True):
        if keep[i] and keep[j]:
            keep[i] = False
    return fit.keep(keep)


@dataclass(frozen=True)
class Checked:
    """What a tile and its replica, whose truth is known, say of the measurement and of the optics."""

    outcome: replica.Outcome
    survey: Survey
    replica_survey: Survey


def measure_replica(
    known: Known, scene: Scene, read_noise: Floats | float, size_um: Floats, settings: MeasureSettings
) -> Checked:
    """How well a replica of a tile, whose `scene` is its box, is measured; the image is `size_um` large.

    The background is estimated anew, and the replica's draws belong to the tile's place.
    """
    first, low, high = (np.array(v) for v in (known.tile.box[0], known.tile.low, known.tile.high))
    rng = stream(0, "measure", "replica", *known.tile.box[0])
    made = replica.draw_replica(
        scene, known.points_vox - first, known.electrons, known.hidden, settings.least_gain, rng
    )
    again = scene_of_electrons(
        made.data - np.square(read_noise),
        read_noise,
        scene.psf_vox,
        scene.shift_vox,
        scene.voxel_um,
        settings,
        scene.spread_um2,
    )
    fit = find_puncta(again, settings)
    covariance = covariances(again, fit, model_of(again, fit))
    outcome = replica.judge(made, again, fit, covariance, first, low, high, size_um)
    found = Fit(start(known.points_vox - first, known.electrons, scene))
    return Checked(outcome, survey(scene, found), survey(again, fit))


def to_replicate(
    work: list[Tile], detections: pd.DataFrame, recording: Recording, size_um: Floats, settings: MeasureSettings
) -> list[Known]:
    """A few of the tiles with what was found in them."""
    points_um, electrons = detections[PLACE].to_numpy(float), detections[ELECTRONS].to_numpy(float)
    hidden = replica.hidden_neighbours(points_um, recording.psf_um, size_um)
    points = points_um / np.array(recording.voxel_um)
    known = []
    for tile in replicated(work, settings):
        first, size = np.array(tile.box[0]), np.array(tile.box[1])
        inside = ((points > first - 1.0) & (points < first + size)).all(axis=1)
        known.append(Known(tile, points[inside], electrons[inside], hidden.at(inside)))
    return known


def replicated(work: list[Tile], settings: MeasureSettings) -> list[Tile]:
    """The tiles of which replicas are made."""
    return [work[i] for i in _spread_over(len(work), _n_replicas(len(work), settings))]


def _n_replicas(n_tiles: int, settings: MeasureSettings) -> int:
    """At most a third of all tiles, since a replica costs as much as its tile."""
    return min(settings.n_replica_tiles, -(-n_tiles // 3))


def _spread_over(n: int, n_chosen: int) -> list[int]:
    return [int(i) for i in np.unique(np.linspace(0, n - 1, n_chosen).round())]


def replica_tile(
    known: Known, image: str, recording: Recording, settings: MeasureSettings, spread_um2: float, size_um: Floats
) -> Checked | None:
    """`measure_replica` of a tile of an image in a file; None if all of it is lost."""
    block, _ = read_tile(Path(image), known.tile, recording)
    if isinstance(block, str):
        return None
    return _replica_of_block(block.grey, known, recording, settings, spread_um2, size_um)


def _replica_of_block(
    grey: NDArray[np.uint16],
    known: Known,
    recording: Recording,
    settings: MeasureSettings,
    spread_um2: float,
    size_um: Floats,
) -> Checked:
    first = known.tile.box[0]
    scene = scene_of(grey[recording.receptor_index], recording, settings, spread_um2, first)
    return measure_replica(known, scene, recording.pixels(first, grey.shape)[2], size_um, settings)


def measure_tile(
    tile: Tile, image: str, recording: Recording, settings: MeasureSettings, spread_um2: float
) -> tuple[pd.DataFrame | None, list[Box]]:
    """Detections that a tile owns: positions, electrons, standard errors, likelihood gain, dye colours; lost chunks.

    No table if all of the tile is lost.
    """
    block, lost = read_tile(Path(image), tile, recording)
    return None if isinstance(block, str) else measure_block(block.grey, recording, settings, spread_um2, tile), lost


def read_tile(image: Path, tile: Tile, recording: Recording) -> tuple[Block | str, list[Box]]:
    """The voxels of a tile's box, or why all of them are lost, and the chunks that are."""
    grey, lost = read_recorded(image, tile.box, recording)
    whole = stand_in(grey, tile.box, lost, recording) if lost else grey
    return why_lost(grey, recording) if whole is None else Block(whole, tuple(lost)), lost


def measure_block(
    grey: NDArray[np.uint16], recording: Recording, settings: MeasureSettings, spread_um2: float, tile: Tile
) -> pd.DataFrame:
    """Detections in a block of grey levels (channel, z, y, x), of the part that `tile` owns."""
    scene = scene_of(grey[recording.receptor_index], recording, settings, spread_um2, tile.box[0])
    fit = find_puncta(scene, settings)
    at = fit.points_vox + np.array(tile.box[0])
    own = ((at >= np.array(tile.low)) & (at < np.array(tile.high))).all(axis=1)
    return detections_of(grey, recording, scene, fit, own, tile.box[0])


def detections_of(
    grey: NDArray[np.uint16],
    recording: Recording,
    scene: Scene,
    fit: Fit,
    own: NDArray[np.bool_],
    first_vox: tuple[int, int, int],
) -> pd.DataFrame:
    """The table of those puncta of a fitted block that `own` marks; the block begins at voxel `first_vox` of the image."""
    at = fit.points_vox + np.array(first_vox)
    model = model_of(scene, fit)
    gain, covariance = gains(scene, fit, model), covariances(scene, fit, model)
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    voxel = np.array(recording.voxel_um)
    table = {f"{axis}_um": at[own, i] * voxel[i] for i, axis in enumerate("zyx")}
    scatter = recording.receptor_scatter_um(scene.spread_um2)
    table |= {f"{axis}_um_se": np.hypot(errors[own, i] * voxel[i], scatter) for i, axis in enumerate("zyx")}
    for c, name in enumerate(("pulse", "chase")):
        table[f"{name}_electrons"] = fit.electrons[own, c]
        table[f"{name}_electrons_se"] = errors[own, 3 + c]
    table["electrons_cov"] = covariance[own, 3, 4]
    table["gain"] = gain[own]
    misfit, brightest = cores(scene, fit, model)
    camera = recording.camera
    full = (camera.largest_adu - camera.offset_adu) / camera.gain_adu_per_electron + camera.read_noise_electrons**2
    table |= {"misfit": misfit[own], "is_saturated": (brightest >= full - 0.5).any(axis=1)[own]}
    if recording.identity.get("kind") == "colour":
        row, probability, colours = _parents_by_colour(grey, recording, fit.points_vox[own], first_vox)
        table["neuron_id"] = np.array(recording.identity["neuron_id"])[row]
        table["neuron_prob"] = probability
        table |= {recording.channels[i].name: colours[:, k] for k, i in enumerate(recording.dye_index)}
    return pd.DataFrame(table)


def _parents_by_colour(
    grey: NDArray[np.uint16], recording: Recording, points_vox: Floats, first_vox: tuple[int, int, int]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Row of the code book, its probability, and the dye signal of each synapse in a block."""
    dyes, voxel = recording.dye_index, np.array(recording.voxel_um)
    book, cv = np.array(recording.identity["codebook"]), float(recording.identity["expression_cv"])
    pixels = recording.pixels(first_vox, grey.shape)
    electrons = moved_back(recording.electrons(grey[dyes], pixels), recording.shift_vox(dyes))
    variance = np.maximum(electrons, 0.0) + np.square(pixels[2])
    sigma = recording.sigma_vox(dyes).mean(axis=0)
    colours, colours_se = assign.head_colours(electrons, variance, points_vox, sigma, voxel)
    likelihood = assign.colour_log_likelihood(colours, colours_se, book, cv)
    traced_um, traced_row = assign.trace_neurons(electrons, voxel, book, cv)
    row, probability = assign.parents(likelihood, points_vox * voxel, traced_um, traced_row)
    return row, probability, colours


Cut = Callable[[Tile], Block | str]
"""Takes a tile's block out of the image, or says why all of it is lost."""


def _cut_over(work: list[Tile], cut: Cut, n_chosen: int) -> Iterator[tuple[Tile, Block]]:
    """A few of the tiles with their blocks; in the place of one that is lost the next that is not.

    Raises
    ------
    SynimgError
        If all are lost.
    """
    used: set[int] = set()
    why = ""
    for i in _spread_over(len(work), n_chosen):
        for j in (j for j in range(i, len(work)) if j not in used):
            block = cut(work[j])
            if isinstance(block, Block):
                used.add(j)
                yield work[j], block
                break
            why = block
    if not used:
        raise SynimgError(f"no part of the image can be measured: {why}")


def _median_spread(work: list[Tile], cut: Cut, recording: Recording, settings: MeasureSettings) -> float:
    """The median of `spread_of_block` over a few of the tiles, which `cut` takes out of the image."""
    return float(
        np.median(
            [
                spread_of_block(block.grey, recording, settings, tile.box[0], block.damaged)
                for tile, block in _cut_over(work, cut, settings.n_spread_tiles)
            ]
        )
    )


MOST_PER_UM3 = 5.0
"""Puncta per um^3 of a first search; cortex has 1 to 2 synapses, and the noise of a wrong camera has any number."""


MOST_NOISE = 2.0
"""Times the variance that a camera says: beyond it noise makes more candidates than synapses do."""


def refuse_unfit(recording: Recording, size_um: Floats, where: str) -> None:
    """Refuse a recording that does not fit its image.

    Raises
    ------
    SynimgError
        If a point spread function is larger than the image.
    """
    for i in recording.receptor_index:
        channel = recording.channels[i]
        for axis, sigma, size in zip("zyx", channel.psf_sigma_um, size_um, strict=True):
            if 2.355 * sigma > size:
                raise SynimgError(
                    f"{where}: the point spread function of '{channel.name}' is {2.355 * sigma:.3g} um wide along {axis}, the "
                    f"image is {size:.3g} um large; check psf_sigma_um and voxel_um"
                )


def _refuse_unfit_block(grey: NDArray[np.uint16], scene: Scene, recording: Recording) -> None:
    """Refuse grey levels that the camera cannot have recorded.

    Raises
    ------
    SynimgError
        If a channel is constant or lies below the camera's offset.
    """
    dyes = recording.dye_index if recording.identity.get("kind") == "colour" and is_noisy(recording) else []
    for i in recording.receptor_index + dyes:
        if grey[i].min() == grey[i].max():
            use = "parents cannot be told" if i in dyes else "receptors cannot be counted"
            raise SynimgError(
                f"channel '{recording.channels[i].name}' holds the grey level {grey[i].min()} alone; it was not recorded, "
                f"and without it {use}"
            )
    for k, i in enumerate(recording.receptor_index):
        name = recording.channels[i].name
        pixels = recording.camera
        below = float(np.median(scene.data[k])) - pixels.read_noise_electrons**2
        if below < -2.0 - pixels.read_noise_electrons:
            raise SynimgError(
                f"channel '{name}': half of its grey levels lie {-below:.0f} electrons or more below the camera's offset of "
                f"{pixels.offset_adu:g}; check offset_adu"
            )


def spread_of_block(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings,
    first_vox: tuple[int, int, int],
    damaged: Sequence[Box] = (),
) -> float:
    """The synapses' width per electron [um^2] in one block of grey levels, away from damaged chunks."""
    typical_electrons = 50.0 * recording.camera.quantum_efficiency * recording.photons_per_receptor
    guess = TYPICAL_SPREAD_UM2 / typical_electrons
    scene = scene_of(grey[recording.receptor_index], recording, settings, guess, first_vox)
    _refuse_unfit_block(grey, scene, recording)
    n_found = n_candidates(scene, settings)
    volume_um3 = float(np.prod(scene.voxel_um)) * scene.data[0].size
    if n_found > max(MOST_PER_UM3 * volume_um3, 200):
        raise SynimgError(
            f"{n_found} puncta in {volume_um3:.0f} um^3 stand out from the noise that {_camera(recording)} say: check these "
            "numbers"
        )
    fit = find_puncta(scene, settings.model_copy(update={"n_rounds": 1}))
    for i, (seen, expected, n) in zip(recording.receptor_index, noise_of(scene, fit), strict=True):
        if n > LEAST_NOISE and seen > MOST_NOISE * expected:
            raise SynimgError(
                f"the noise of channel '{recording.channels[i].name}' has {seen / expected:.1f} times the variance that "
                f"{_camera(recording)} say, so that noise would pass for synapses: check these numbers"
            )
    return estimate_spread(scene, fit.keep(~is_near(fit.points_vox + first_vox, damaged, settings.halo_vox)))


def _camera(recording: Recording) -> str:
    c = recording.camera
    return (
        f"the camera's offset of {c.offset_adu:g}, gain of {c.gain_adu_per_electron:g} and read noise of "
        f"{c.read_noise_electrons:g}"
    )


def synapse_table(detections: pd.DataFrame, recording: Recording) -> pd.DataFrame:
    """The synapse table (SCHEMA.md) of detections with their parents: electrons become receptors."""
    se = detections[[f"{name}_se" for name in ELECTRONS]].to_numpy(float)
    fitted = se[:, :, None] * se[:, None, :]
    fitted[:, 0, 1] = fitted[:, 1, 0] = detections["electrons_cov"]
    electrons, covariance = unmixed(detections[ELECTRONS].to_numpy(float), fitted, recording.bleed())
    dyes, cov = [], covariance[:, 0, 1]
    for k, index in enumerate(recording.receptor_index):
        per_dye = recording.electrons_per_dye(index)
        dyes.append(dyes_of(electrons[:, k], np.sqrt(covariance[:, k, k]), per_dye, recording.photons_shape))
        cov = cov / per_dye
    (old, old_var), (new, new_var) = dyes
    r_old, r_old_se, r_new, r_new_se, r_old_new_cov = receptors_of_dyes(old, new, old_var, new_var, recording.tag, cov)
    return pd.DataFrame(
        {
            "synapse_id": np.arange(1, len(detections) + 1),
            "animal_id": recording.animal_id,
            "group": recording.group,
            **{name: detections[name] for name in ("neuron_id", "neuron_prob", "z_um", "y_um", "x_um")},
            "r_old": r_old,
            "r_old_se": r_old_se,
            "r_new": r_new,
            "r_new_se": r_new_se,
            "r_old_new_cov": r_old_new_cov,
            "merged_prob": detections["merged_prob"],
        }
    )


def as_puncta_show(
    recording: Recording,
    work: list[Tile],
    cut: Cut,
    settings: MeasureSettings,
    size_um: Floats,
) -> Recording:
    """The recording with the shift of the channels, if it is not stated, and the widths, if asked for, that puncta show.

    Some tiles are measured for that ahead of the others; again where widths were far from those stated, as what is found with
    wrong ones is not all there is.

    Raises
    ------
    SynimgError
        If the widths are to be taken from puncta and those do not show them.
    """
    is_shift_known = all(recording.channels[i].shift_um is not None for i in recording.receptor_index)
    if is_shift_known and settings.psf == "stated":
        return recording
    for _ in range(MOST_PASSES if settings.psf == "puncta" else 1):
        checked = []
        spread = _median_spread(work, cut, recording, settings)
        for tile, block in _cut_over(work, cut, _n_replicas(len(work), settings)):
            table = measure_block(block.grey, recording, settings, spread, tile)
            table = table[~near_damage(table, block.damaged, recording, settings)]
            for known in to_replicate([tile], table, recording, size_um, settings):
                checked.append(_replica_of_block(block.grey, known, recording, settings, spread, size_um))
        _, optics = learn(checked, recording)
        channels, moved = list(recording.channels), 0.0
        for c, i in enumerate(recording.receptor_index):
            seen, update = optics.channels[c], {}
            if settings.psf == "puncta":
                by = _excess(seen)
                moved = max(moved, float(np.abs(by).max()))
                update["psf_sigma_um"] = tuple(float(v) for v in (1.0 + by) * channels[i].psf_sigma_um)
            if not is_shift_known:
                update["shift_um"] = (0.0, 0.0, 0.0) if c == 0 or optics.shift_um is None else tuple(optics.shift_um)
            channels[i] = channels[i].model_copy(update=update)
        recording = recording.model_copy(update={"channels": tuple(channels)})
        if moved < STILL:
            break
    return recording


MOST_PASSES, STILL = 3, 0.03


def _excess(seen: ChannelOptics) -> Floats:
    """By what share a channel's widths along z, y, x are larger than stated.

    Raises
    ------
    SynimgError
        If puncta do not show them.
    """
    if seen.axial is None or seen.lateral is None or not (seen.axial.is_known and seen.lateral.is_known):
        raise SynimgError(
            f"channel '{seen.channel}': {seen.n_puncta} puncta stand alone and are bright, too few or too alike in brightness "
            'to take the point spread function from them; measure with psf = "stated"'
        )
    return np.array([seen.axial.excess, seen.lateral.excess, seen.lateral.excess])


def near_damage(
    detections: pd.DataFrame, damaged: Sequence[Box], recording: Recording, settings: MeasureSettings
) -> NDArray[np.bool_]:
    """Which detections lie so near to damaged chunks that a part of their light may be lost."""
    points_vox = detections[PLACE].to_numpy(float) / np.array(recording.voxel_um)
    return is_near(points_vox, damaged, settings.halo_vox)


def learn(checked: list[Checked], recording: Recording) -> tuple[TrueErrors | None, OpticsCheck]:
    """What tiles and their replicas say together: true errors, and the optics."""
    index = recording.receptor_index
    channels = [recording.channels[i] for i in index]
    psf = np.array([c.psf_sigma_um for c in channels])
    shift = recording.shift_vox(index) * recording.voxel_um
    optics = check_optics(
        [c.survey for c in checked], [c.replica_survey for c in checked], [c.name for c in channels], psf, shift
    )
    return fit_true_errors(pd.concat([c.outcome.found for c in checked]), len(index)), optics


def widened(
    detections: pd.DataFrame,
    around: pd.DataFrame,
    true_errors: TrueErrors | None,
    recording: Recording,
    size_um: Floats,
) -> pd.DataFrame:
    """Detections with standard errors that hold where synapses crowd, and ``merged_prob``; null if that is not known.

    `around` holds all detections that can crowd them.
    """
    if true_errors is None:
        return detections.assign(merged_prob=np.nan)
    points, among = (table[PLACE].to_numpy(float) for table in (detections, around))
    near = replica.nearby(points, recording.psf_um, size_um, among)
    total = detections[ELECTRONS].sum(axis=1).to_numpy(float)
    out = detections.assign(merged_prob=true_errors.merged.of(near, total))
    for name, law in zip(PLACE, (true_errors.axial, true_errors.lateral, true_errors.lateral), strict=True):
        out[f"{name}_se"] = law.of(detections[f"{name}_se"].to_numpy(float), near, total)
    for name in ELECTRONS:
        counts = detections[name].to_numpy(float)
        out[f"{name}_se"] = true_errors.counts.of(detections[f"{name}_se"].to_numpy(float), near, counts)
    electrons, bound = detections[ELECTRONS].to_numpy(float), detections["electrons_cov"].to_numpy(float)
    return out.assign(electrons_cov=true_errors.counts_covariance(bound, near, electrons))


def read_parents(
    detections: pd.DataFrame, recording: Recording, settings: MeasureSettings, readouts: pd.DataFrame | None
) -> pd.DataFrame:
    """The detections with ``neuron_id`` and ``neuron_prob``: from colour they have them already, else from read-outs.

    Raises
    ------
    SynimgError
        If parents are to be read out in place and there are no read-outs.
    """
    if recording.identity.get("kind") == "colour":
        return detections
    if readouts is None or readouts.empty:
        raise SynimgError("the image has neither dye channels nor label read-outs; a synapse's parent cannot be told")
    points = detections[["z_um", "y_um", "x_um"]].to_numpy()
    neuron_id, probability = assign.nearest_readout(points, readouts, settings.readout_gate_um)
    return detections.assign(neuron_id=neuron_id, neuron_prob=probability)


def measure(
    dataset: Dataset | str | Path,
    run: str = "default",
    settings: MeasureSettings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    report: compute.Report = compute.silent,
) -> pd.DataFrame:
    """The synapse table of a data set's image; also written to ``analysis/<run>/synapses.parquet``.

    Parameters
    ----------
    dataset : Dataset or path
        Only its image, the image's metadata and label read-outs are opened, never its truth.
    run : str
        Name of the analysis run.
    settings : MeasureSettings, optional
        How to measure.
    workers, scheduler, report
        As in `generate`.

    Raises
    ------
    SynimgError
        If there is no image yet, it does not fit its metadata, or none of it can be read.

    Notes
    -----
    A call that was stopped goes on from the tiles that it had finished. Where chunks of the image are damaged, and within
    `halo_vox` of them, nothing is measured; ``quality.json`` and the notes of the stage name these places, and the same call
    measures anew once one of them can be read.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    settings = settings or MeasureSettings()
    dataset.require("image", f"synimg generate ... --out {dataset.path}")
    stage = f"{run}/measure"
    table = dataset.run(run) / "synapses.parquet"
    notes: dict[str, Any] = {"settings": settings.model_dump(mode="json")}
    recording, shape = recording_of(dataset.image), tuple(open_array(dataset.image).shape[-3:])
    if _is_measured(dataset, stage, notes["settings"], recording):
        return read_table(table, schema.SYNAPSES)
    with dataset.stage(stage, notes, resumes=True) as scratch:
        work, size_um = tiles(shape, settings), np.array(shape) * recording.voxel_um

        def cut(tile: Tile) -> Block | str:
            return read_tile(dataset.image, tile, recording)[0]

        refuse_unfit(recording, size_um, str(dataset.image))
        report("estimating the synapses' width", 0, 1)
        recording = as_puncta_show(recording, work, cut, settings, size_um)
        spread_um2 = _median_spread(work, cut, recording, settings)
        report("estimating the synapses' width", 1, 1)
        shared = (str(dataset.image.resolve()), recording, settings, spread_um2)
        image_files = dataset.index["stages"]["image"]["files"]
        parts = Parts(
            scratch, [__version__, notes["settings"], recording.model_dump(mode="json"), spread_um2, image_files]
        )
        done = parts.final()
        todo, lost, unread = [i for i in range(len(work)) if i not in done], set[Box](), set[int]()
        with compute.pool(workers, scheduler) as pool:
            for k, (part, there) in pool.run(measure_tile, [work[i] for i in todo], shared, "measuring", report):
                lost.update(there)
                if part is None:
                    unread.add(todo[k])
                else:
                    parts.keep(todo[k], part, is_final=not there)
            readable = [i for i in range(len(work)) if i not in unread]
            everywhere, damaged = parts.read(readable), sorted(lost)
            detections = everywhere[~near_damage(everywhere, damaged, recording, settings)].reset_index(drop=True)
            known = to_replicate([work[i] for i in readable], detections, recording, size_um, settings)
            found = dict(pool.run(replica_tile, known, (*shared, size_um), "measuring replicas", report))
        checked = [c for i in range(len(known)) if (c := found[i]) is not None]
        true_errors, optics = learn(checked, recording)
        detections = widened(detections, everywhere, true_errors, recording, size_um)
        readouts = None
        if (dataset.path / "readouts.parquet").is_file():
            readouts = read_table(dataset.path / "readouts.parquet", schema.READOUTS)
        detections = read_parents(detections, recording, settings, readouts)
        synapses = synapse_table(detections, recording)
        share = share_lost(damaged, settings.halo_vox, shape)
        missing = Missing.of(damaged, recording.voxel_um, share)
        quality = quality_of(detections, recording, [c.outcome for c in checked], optics, size_um, missing)
        folder = scratch / "analysis" / run
        facts = {
            "spread_um2_per_electron": spread_um2,
            "true_errors": true_errors and true_errors.model_dump(),
            "channels": [c.model_dump(mode="json") for c in recording.channels],
        }
        write_table(folder / "detections.parquet", detections, notes=facts)
        write_table(folder / "synapses.parquet", synapses, schema.SYNAPSES, missing.notes())
        write_json(folder / QUALITY_FILE, quality.facts())
        parts.clear()
        notes["damaged"] = damaged
        # only now: a call that is stopped leaves what was there
        dataset.drop(stage, f"{run}/separate", f"{run}/validate", f"{run}/report")
    return read_table(table, schema.SYNAPSES)


def _is_measured(dataset: Dataset, stage: str, settings: dict[str, Any], recording: Recording) -> bool:
    """Whether the run holds all that these settings give of the image as it is now."""
    if not dataset.is_whole(stage) or dataset.index["stages"][stage]["notes"].get("settings") != settings:
        return False
    damaged = dataset.index["stages"][stage]["notes"].get("damaged", [])
    return all(read_recorded(dataset.image, (tuple(first), tuple(size)), recording)[1] for first, size in damaged)


def recording_of(image: Path) -> Recording:
    """What the metadata of an image of ours say of its recording, with the width of the image.

    Raises
    ------
    SynimgError
        If they contradict the voxels or each other.
    """
    attributes, array = image_attributes(image), open_array(image)
    if array.dtype != np.uint16 or array.ndim != 4:
        raise SynimgError(
            f"{image}: holds {array.dtype} along {array.ndim} axes; grey levels are uint16 along c, z, y, x"
        )
    shape = array.shape
    recording = Recording.parse(attributes.get("synimg", {}), f"{image}: metadata")
    names = [c.name for c in recording.channels]
    if len(names) != shape[0]:
        raise SynimgError(
            f"{image}: its metadata name {len(names)} channels ({', '.join(names)}), the image has {shape[0]}"
        )
    shown = [c.get("label") for c in attributes["ome"].get("omero", {}).get("channels", [])]
    if shown != names and sorted(map(str, shown)) == sorted(names):  # other labels are a matter of taste
        raise SynimgError(
            f"{image}: the order of its channels is {', '.join(names)} by 'synimg' and {', '.join(shown)} by 'omero' in "
            "zarr.json; old and new receptors would be exchanged if the wrong one were used: make them agree"
        )
    steps = attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    scale = next((step["scale"][-3:] for step in steps if step["type"] == "scale"), recording.voxel_um)
    if not np.allclose(scale, recording.voxel_um, rtol=1e-3):
        stated, other = (", ".join(f"{v:g}" for v in size) for size in (recording.voxel_um, scale))
        raise SynimgError(
            f"{image}: its voxels (z, y, x) have {stated} um by 'synimg' and {other} um by the scale of 'multiscales' in "
            "zarr.json; make them agree"
        )
    return recording.model_copy(update={"width_vox": shape[-1]})


def measure_image(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings | None = None,
    readouts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The synapse table of an image in memory, (channel, z, y, x) grey levels; see `measure`."""
    settings = settings or MeasureSettings()
    shape: Any = grey.shape[1:]
    recording = recording.model_copy(update={"width_vox": shape[-1]})
    work = tiles(shape, settings)

    def cut(tile: Tile) -> Block:
        return Block(grey[(slice(None), *(slice(s, s + n) for s, n in zip(*tile.box, strict=True)))])

    size_um = np.array(shape) * recording.voxel_um
    refuse_unfit(recording, size_um, "the image")
    recording = as_puncta_show(recording, work, cut, settings, size_um)
    spread = _median_spread(work, cut, recording, settings)
    parts = [measure_block(cut(tile).grey, recording, settings, spread, tile) for tile in work]
    detections = pd.concat(parts, ignore_index=True)
    known = to_replicate(work, detections, recording, size_um, settings)
    checked = [_replica_of_block(cut(k.tile).grey, k, recording, settings, spread, size_um) for k in known]
    true_errors, _ = learn(checked, recording)
    detections = widened(detections, detections, true_errors, recording, size_um)
    return synapse_table(read_parents(detections, recording, settings, readouts), recording)
