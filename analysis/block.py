"""One block of an image: its puncta found, fitted and read, with the settings of a measurement."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import cKDTree

from synimg.analysis import assign
from synimg.analysis.background import smooth_background
from synimg.analysis.code_book import pure_colours
from synimg.analysis.cytosol import cores_of, cytosol
from synimg.analysis.damage import read_recorded, stand_in, why_lost
from synimg.analysis.detect import candidates, log_significance
from synimg.analysis.extent import extents_of
from synimg.analysis.fisher import joint_covariances
from synimg.analysis.fit import Fit, Scene, cores, fitted, gains, model_of, model_without, split, start
from synimg.analysis.others import BESIDE, HERE, places_beside
from synimg.analysis.recording import Recording
from synimg.analysis.replica import RESOLVED, nearby
from synimg.model import Model
from synimg.schema import PLACE
from synimg.store.image import Box, blocks
from synimg.streams import stream

ELECTRONS = ["pulse_electrons", "chase_electrons"]

Floats = NDArray[np.float64]
AROUND = (4.0, 12.0)  # widths between which neighbours tell how crowded it is: farther than a disc's own parts
ROUGHLY = 0.03  # widths; a punctum that moves less between two searches stands still
N_SWEEPS = 4, 3, 16  # at most, of what a search added, of what was kept of it, and at the end
PER_UM2 = 980.0  # receptors of a postsynaptic density (Tanaka et al. 2005, J Neurosci 25:799: about 1000)
TYPICAL_SPREAD_UM2 = 0.005  # variance of a synapse of 0.28 um across, for the search alone


class MeasureSettings(Model):
    """How an image is measured."""

    candidate_significance: float = Field(
        3.7, gt=0, description="least LoG response of a candidate, in sd of the noise"
    )
    least_gain: float = Field(27.0, gt=0, description="least 2 ln likelihood ratio of a punctum against nothing")
    n_rounds: int = Field(3, ge=1, le=6, description="searches of the residual")
    merge_sigma: float = Field(0.8, ge=0, description="puncta nearer than this many PSF widths are one")
    split_excess: float = Field(
        0.15, gt=0, description="variance beyond a synapse's at which a punctum is tried as two, in squared PSF widths"
    )
    split_um: float = Field(0.8, ge=0, description="puncta nearer than this may be parts of one synapse")
    same_disc: float = Field(1.2, ge=0, description="puncta nearer than this many radii of their common disc are one")
    least_crowd: float = Field(
        0.1,
        ge=0,
        description="other puncta expected within 2.5 PSF widths from which on a disc is no wider than its receptors need",
    )
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
    least_parent_prob: float = Field(
        0.5, ge=0, lt=1, description="a synapse whose likeliest parent has a lower probability has no parent"
    )
    readout_gate_um: float = Field(0.6, gt=0, description="farthest that a label read-out may lie from its synapse")


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

    def owns(self, points_vox: Floats) -> NDArray[np.bool_]:
        """Which of the places (n, 3) [voxels of the image] belong to it."""
        return np.all((points_vox >= np.array(self.low)) & (points_vox < np.array(self.high)), axis=1)


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
    voxel_um = np.array(recording.voxel_um)
    return Scene(
        *data_and_background(recording.electrons(grey, pixels), pixels[2], voxel_um, settings),
        recording.sigma_vox(index),
        recording.shift_vox(index),
        voxel_um,
        spread_um2,
        _disc_um2(recording),
        pixels[2],
    )


def _disc_um2(recording: Recording) -> float:
    """Squared radius of the disc that a synapse's receptors fill [um^2 / electron]; 0 where a receptor's light is not known."""
    if not recording.is_light_known:
        return 0.0
    n_channels = len(recording.receptor_index)
    per_electron = float(recording.n_receptors(np.ones((1, n_channels)))[0]) / n_channels
    return per_electron / (np.pi * PER_UM2)


def scene_again(scene: Scene, electrons: Floats, settings: MeasureSettings) -> Scene:
    """Other photo-electrons (channel, z, y, x) in the place of those of a scene, their background estimated anew."""
    data, background = data_and_background(electrons, scene.read_noise, scene.voxel_um, settings)
    return replace(scene, data=data, background=background)


def background_again(scene: Scene, light: Floats, settings: MeasureSettings) -> Scene:
    """The scene with the background that is left without the expected light (channel, z, y, x) [electrons] of its puncta.

    The light of neighbours passes for background between them, until they are known.
    """
    variance, background = np.square(scene.read_noise), np.empty_like(scene.background)
    for data, known, out in zip(scene.data, light, background, strict=True):
        out[...] = _background(data - variance - known, scene.read_noise, scene.voxel_um, settings, known)
    return replace(scene, background=background)


def data_and_background(
    electrons: Floats, read_noise: Floats | float, voxel_um: Floats, settings: MeasureSettings
) -> tuple[Floats, Floats]:
    """`Scene.data` and `Scene.background` of photo-electrons (channel, z, y, x).

    The read noise is one number or that of every pixel (y, x).
    """
    background = np.empty_like(electrons)
    for channel, out in zip(electrons, background, strict=True):
        out[...] = _background(channel, read_noise, voxel_um, settings)
    return electrons + np.square(read_noise), background


def _background(
    electrons: Floats,
    read_noise: Floats | float,
    voxel_um: Floats,
    settings: MeasureSettings,
    light: Floats | None = None,
) -> Floats:
    """One channel's background, plus the variance of the read noise; see `smooth_background`."""
    smooth, variance = np.maximum(settings.background_um / voxel_um, 2.0), np.square(read_noise)
    return smooth_background(electrons, smooth, float(np.sqrt(np.mean(variance))), light) + variance


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


def find_puncta(scene: Scene, settings: MeasureSettings) -> tuple[Scene, Fit]:
    """Puncta of a block, and the block with the background beside them.

    Notes
    -----
    Search the residual, fit all puncta together, drop what the likelihood does not want; again, until the rounds
    are over. Before every other search the background is estimated once more, without the puncta. The search runs on the
    sum of the channels, each moved back by its shift to the nearest voxel: a threshold per channel would bias the ratio.
    """
    fit, model = Fit.none(scene), scene.background.copy()
    psf = scene.psf_vox.mean(axis=0)
    volume = (2.0 * np.pi) ** 1.5 * np.prod(psf)
    for k in range(settings.n_rounds):
        _, new = _searched(model, scene, settings)
        known = split(scene, fit, settings.split_excess) if k else fit
        if not len(new) and len(known.theta) == len(fit.theta):
            break
        electrons = np.maximum(_at(scene.data, new, scene) - _at(model, new, scene), 0.5) * volume
        known = known.joined(start(new, electrons, scene)).stirred(new, psf)
        fit, model = _prune(scene, *fitted(scene, known.in_rows(scene), N_SWEEPS[0], ROUGHLY), settings)
        fit, model = fitted(scene, fit, N_SWEEPS[1], ROUGHLY, model)
        if k + 1 < settings.n_rounds:
            model -= scene.background
            scene = background_again(scene, model, settings)
            model += scene.background
            fit = Fit(fit.theta)  # none of them stands still on another background
    fit, model = _prune(scene, *fitted(scene, fit, N_SWEEPS[2], model=model), settings)
    return scene, fitted(scene, fit, N_SWEEPS[2], model=model)[0]


def first_search(scene: Scene, settings: MeasureSettings) -> tuple[NDArray[np.float32], Floats]:
    """Response of the search filter to a block without any punctum, in its sds, and the candidates (n, 3) that it takes up."""
    return _searched(scene.background, scene, settings)


def _searched(model: Floats, scene: Scene, settings: MeasureSettings) -> tuple[NDArray[np.float32], Floats]:
    """The same of what is there beyond a model (channel, z, y, x)."""
    psf = scene.psf_vox.mean(axis=0)
    typical = np.sqrt(psf**2 + TYPICAL_SPREAD_UM2 / scene.voxel_um**2)
    light = _together(map(np.subtract, scene.data, model), scene)
    significance = log_significance(light, _together(model, scene), typical)
    return significance, candidates(significance, settings.candidate_significance, 0.7 * psf)


def _together(channels: Iterable[Floats], scene: Scene) -> NDArray[np.float32]:
    """The sum of channels, each moved back by its shift."""
    moved = (moved_back(v[None], s[None])[0] for v, s in zip(channels, scene.shift_vox, strict=True))
    return reduce(np.add, moved).astype(np.float32)


def _at(channels: Floats, points_vox: Floats, scene: Scene) -> Floats:
    """Values (n, channel) of the voxels in which the channels show points."""
    last = np.array(channels.shape[1:]) - 1
    nearest = np.clip(np.rint(points_vox), 0, last).astype(int)
    at = (np.clip(nearest + step, 0, last) for step in np.rint(scene.shift_vox).astype(int))
    return np.column_stack([v[tuple(a.T)] for v, a in zip(channels, at, strict=True)])


def _prune(scene: Scene, fit: Fit, model: Floats, settings: MeasureSettings) -> tuple[Fit, Floats]:
    """Without puncta that left the block, that the likelihood does not want, or that are a part of a brighter one.

    The expected image, too, which is used up.

    A synapse is a disc and not quite Gaussian. Two puncta that lie within the disc that their counts together would
    fill are one; and near a bright one a weak one is believed only if it explains more than a share `split_share` of
    what the bright one does.
    """
    gain = gains(scene, fit, model)
    keep = np.all((fit.points_vox > -1.0) & (fit.points_vox < scene.data.shape[1:]), axis=1)
    keep &= gain >= settings.least_gain
    is_part = np.zeros(len(keep), bool)
    is_part[keep] = _parts(scene, fit.keep(keep), gain[keep], settings)
    keep &= ~is_part
    kept = fit.keep(keep).stirred(fit.points_vox[~keep], scene.psf_vox.mean(axis=0))
    return kept, model_without(scene, fit.keep(~keep), model)


def _parts(scene: Scene, fit: Fit, gain: Floats, settings: MeasureSettings) -> NDArray[np.bool_]:
    """Which puncta (n,) are a part of a brighter one."""
    is_part = np.zeros(len(gain), bool)
    if len(gain) < 2:
        return is_part
    points_um, psf_um = fit.points_vox * scene.voxel_um, scene.psf_vox.mean(axis=0) * scene.voxel_um
    pairs = cKDTree(points_um).query_pairs(settings.split_um, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    is_first_weak = gain[pairs[:, 0]] < gain[pairs[:, 1]]
    weak, strong = np.where(is_first_weak, pairs.T, pairs.T[::-1])
    away = points_um[weak] - points_um[strong]
    light = (fit.electrons[weak] + fit.electrons[strong]).sum(axis=1)
    filled_um, seen_um = np.sqrt(scene.disc_um2 * light), np.sqrt(6.0 * scene.spread_um2 * light)
    # by its light it holds what the point spread function is no Gaussian, too: where others are near it would take them in
    is_seen = seen_um > filled_um
    asked, row = np.unique(strong[is_seen], return_inverse=True)
    is_alone = _crowd(points_um[asked], points_um, psf_um, scene) < settings.least_crowd
    is_seen[is_seen] = is_alone[row]
    disc_um = np.where(is_seen, seen_um, filled_um)
    is_one = np.linalg.norm(away / psf_um, axis=1) < settings.merge_sigma
    is_one |= np.linalg.norm(away, axis=1) < settings.same_disc * disc_um
    # how far a disc is from the Gaussian that fits it best grows with its size beside that of the PSF
    wide = scene.spread_um2 * fit.electrons[strong].sum(axis=1)
    share = settings.split_share * (wide / (wide + psf_um[1:].prod())) ** 2
    is_one |= gain[weak] < settings.least_gain + share * gain[strong]
    for i, j in zip(weak[is_one], strong[is_one], strict=True):
        is_part[i] |= not is_part[j]
    return is_part


def _crowd(points_um: Floats, among_um: Floats, psf_um: Floats, scene: Scene) -> Floats:
    """Other puncta (n,) that are expected within 2.5 PSF widths of each point, by those farther away."""
    size_um = np.array(scene.data.shape[1:]) * scene.voxel_um
    return nearby(points_um, psf_um, size_um, among_um, AROUND) * RESOLVED**3 / (AROUND[1] ** 3 - AROUND[0] ** 3)


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
    return why_lost(image, tile.box, recording) if whole is None else Block(whole, tuple(lost)), lost


def measure_block(
    grey: NDArray[np.uint16], recording: Recording, settings: MeasureSettings, spread_um2: float, tile: Tile
) -> pd.DataFrame:
    """Detections in a block of grey levels (channel, z, y, x), of the part that `tile` owns."""
    # what the fit of the receptors holds is gone before the dyes are looked at
    found = _measure_receptors(grey, recording, settings, spread_um2, tile)
    return with_dyes(found, grey, recording, tile.box[0])


def _measure_receptors(
    grey: NDArray[np.uint16], recording: Recording, settings: MeasureSettings, spread_um2: float, tile: Tile
) -> pd.DataFrame:
    # handed over, not kept: the first background is gone when the search estimates it again
    scene, fit = find_puncta(
        scene_of(grey[recording.receptor_index], recording, settings, spread_um2, tile.box[0]), settings
    )
    return detections_of(recording, scene, fit, tile.owns(fit.points_vox + tile.box[0]), tile.box[0])


def detections_of(
    recording: Recording, scene: Scene, fit: Fit, own: NDArray[np.bool_], first_vox: tuple[int, int, int]
) -> pd.DataFrame:
    """The table of those puncta of a fitted block that `own` marks; the block begins at voxel `first_vox` of the image."""
    at = fit.points_vox + np.array(first_vox)
    model = model_of(scene, fit)
    gain, covariance = gains(scene, fit, model), joint_covariances(scene, fit, model)
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
    in_gaussian = min(recording.channels[i].psf_gaussian_share for i in recording.receptor_index)
    seen = extents_of(scene, fit, model, covariance, recording.n_receptors(fit.electrons), in_gaussian)
    table |= {str(name): values[own].array for name, values in seen.items()}
    return pd.DataFrame(table)


def with_dyes(
    detections: pd.DataFrame, grey: NDArray[np.uint16], recording: Recording, first_vox: tuple[int, int, int]
) -> pd.DataFrame:
    """Detections in a block of grey levels with what its dyes say of their parents, if those are told by colours."""
    if recording.identity.get("kind") != "colour":
        return detections
    points_vox = detections[PLACE].to_numpy(float) / np.array(recording.voxel_um) - np.array(first_vox)
    return detections.assign(**_parents_by_colour(grey, recording, points_vox, first_vox))


@dataclass(frozen=True)
class ColourEvidence:
    """What the dyes of a block say of its synapses' parents.

    log_likelihood : (n, neurons) ndarray, of each head's colour under each code
    head_snr : (n,) ndarray, signal to noise of each head's dyes together
    colours : (n, dyes) ndarray [electrons], dye signal at each synapse
    traced_um, traced_row : (k, 3) and (k,) ndarray, what the block holds of which neuron
    """

    log_likelihood: Floats
    head_snr: Floats
    colours: Floats
    traced_um: Floats
    traced_row: NDArray[np.int64]


def dyes_of_block(
    grey: NDArray[np.uint16], recording: Recording, first_vox: tuple[int, int, int]
) -> tuple[Floats, Floats, Floats]:
    """Dyes (c, z, y, x) [electrons] of a block's grey levels from voxel `first_vox` on, and the pixels' read noise [electrons].

    The last is the width (3,) [voxels] of the image of a point in them.
    """
    dyes, pixels = recording.dye_index, recording.pixels(first_vox, grey.shape)
    electrons = moved_back(recording.electrons(grey[dyes], pixels), recording.shift_vox(dyes))
    return electrons, pixels[2], recording.sigma_vox(dyes).mean(axis=0)


def colour_evidence(
    grey: NDArray[np.uint16], recording: Recording, points_vox: Floats, first_vox: tuple[int, int, int]
) -> ColourEvidence:
    """What the dyes of a block, (channel, z, y, x) grey levels from voxel `first_vox` on, say of synapses in it."""
    book, cv = np.array(recording.identity["codebook"]), float(recording.identity["expression_cv"])
    voxel = np.array(recording.voxel_um)
    electrons, read_noise, sigma = dyes_of_block(grey, recording, first_vox)
    seen = cytosol(electrons, sigma, voxel)
    colours, colours_se = assign.head_colours(electrons, read_noise, points_vox, sigma, voxel)
    sharp = assign.sharp_colours(seen, points_vox)
    by_blob, by_light = (assign.colour_log_likelihood(*read, book, cv) for read in ((colours, colours_se), sharp))
    likelihood = 0.5 * (by_blob + by_light)  # the same light, read in two ways: together they tell as much as one
    snr = np.linalg.norm(np.maximum(colours, 0.0) / np.maximum(colours_se, 1e-9), axis=1)
    return ColourEvidence(likelihood, snr, colours, *assign.trace_neurons(cores_of(seen), book))


def dendrite_colours(grey: NDArray[np.uint16], recording: Recording, first_vox: tuple[int, int, int]) -> Floats:
    """Colours (n, c) of dendrites in a block; see `code_book.pure_colours`."""
    electrons, _, sigma = dyes_of_block(grey, recording, first_vox)
    return pure_colours(cores_of(cytosol(electrons, sigma, np.array(recording.voxel_um))))


def _parents_by_colour(
    grey: NDArray[np.uint16], recording: Recording, points_vox: Floats, first_vox: tuple[int, int, int]
) -> dict[str, Any]:
    """Columns of the synapses of a block: parent by its dyes, its probability if it is one of the neurons, evidence that it is.

    The evidence is also that of a place beside each, which belongs to no synapse in particular (`others`).
    """
    n, voxel = len(points_vox), np.array(recording.voxel_um)
    beside = places_beside(points_vox, grey.shape[1:], voxel, stream(0, "measure", "beside", *first_vox))
    points = np.vstack([points_vox, beside])
    seen = colour_evidence(grey, recording, points, first_vox)
    known = (seen.log_likelihood, points * voxel, seen.traced_um, seen.traced_row)
    row, probability = assign.parents(*known)
    evidence = np.column_stack([seen.head_snr, assign.agreement(*known)])
    columns = {"neuron_id": np.array(recording.identity["neuron_id"])[row[:n]], "neuron_prob": probability[:n]}
    columns |= dict(zip(HERE + BESIDE, (*evidence[:n].T, *evidence[n:].T), strict=True))
    return columns | {recording.channels[i].name: seen.colours[:n, k] for k, i in enumerate(recording.dye_index)}
