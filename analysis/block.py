"""One block of an image: its puncta found, fitted and read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis import assign
from synimg.analysis.code_book import pure_colours
from synimg.analysis.cytosol import cores_of, cytosol
from synimg.analysis.damage import read_recorded, stand_in, why_lost
from synimg.analysis.extent import extents_of
from synimg.analysis.find import find_puncta
from synimg.analysis.fisher import joint_covariances
from synimg.analysis.fit import Fit, Scene, cores, gains, model_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.others import BESIDE, HERE, places_beside
from synimg.analysis.recording import Recording
from synimg.analysis.scene import moved_back, scene_of
from synimg.schema import PLACE
from synimg.store.image import Box, blocks
from synimg.streams import stream

ELECTRONS = ["pulse_electrons", "chase_electrons"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


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
) -> tuple[Singles, Floats, Floats]:
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
