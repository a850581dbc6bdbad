"""What happens in one tile: background, candidates, fit and residual, the channels' shift, and the decoding of colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.analysis import assign
from synimg.analysis.block import Block, Tile, colour_evidence, read_tile, tiles
from synimg.analysis.find import find_puncta, first_search
from synimg.analysis.fit import model_of
from synimg.analysis.look import Measured
from synimg.analysis.scene import read_variance, scene_of
from synimg.analysis.survey import survey
from synimg.errors import SynimgError
from synimg.schema import PLACE

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
NEAR = 0.1
"""Weight of a neuron by its place, of 1 within a spine's reach, from which on it may be a synapse's parent."""


@dataclass(frozen=True)
class TileLook:
    """A tile as the measurement saw it.

    channels : names of the old and the new receptors' channel
    electrons, background, residual : (2, z, y, x) ndarray: the image and the smooth background [electrons], and what background
        and puncta leave of the image, in sds of its noise
    significance : (z, y, x) ndarray, response of the search filter, both channels together, in its sds
    candidates_um, puncta_um : (n, 3) ndarray, local maxima of it beyond the threshold, and what the fit kept
    first_um, voxel_um : (3,) ndarray, place of the first voxel, and voxel size
    threshold : of the candidates [sd]
    """

    channels: tuple[str, str]
    electrons: Singles
    background: Singles
    residual: Floats
    significance: Floats
    candidates_um: Floats
    puncta_um: Floats
    first_um: Floats
    voxel_um: Floats
    threshold: float


def fullest(measured: Measured, n: int) -> list[Tile]:
    """The `n` tiles of an image in which most synapses were found.

    Raises
    ------
    SynimgError
        If none was found.
    """
    if measured.detections.empty:
        raise SynimgError("no synapse was found in the image, so there is nothing to look at")
    work = tiles(measured.shape_vox, measured.settings)
    at = measured.detections[PLACE].to_numpy(float) / np.array(measured.recording.voxel_um)
    counts = [int(((at >= tile.low) & (at < tile.high)).all(axis=1).sum()) for tile in work]
    order = np.argsort(-np.array(counts), kind="stable")[:n]
    return [work[i] for i in order if counts[i]]


def look_at_tile(measured: Measured, tile: Tile) -> TileLook:
    """Measure a tile again and keep what else is thrown away.

    Raises
    ------
    SynimgError
        If all of it is lost.
    """
    recording, settings, block = measured.recording, measured.settings, _read(measured, tile)
    first = tile.box[0]
    scene = scene_of(block.grey[recording.receptor_index], recording, settings, measured.spread_um2, first)
    significance, at = first_search(scene, settings)
    scene, fit = find_puncta(scene, settings)
    model = model_of(scene, fit)
    variance = read_variance(scene.read_noise)
    voxel = np.array(recording.voxel_um)
    own = tile.owns(fit.points_vox + first)
    names = [recording.channels[i].called for i in recording.receptor_index]
    return TileLook(
        (names[0], names[1]),
        scene.data - variance,
        scene.background - variance,
        (scene.data - model) / np.sqrt(np.maximum(model, 1e-6)),
        significance.astype(np.float64),
        (at + np.array(first)) * voxel,
        (fit.points_vox[own] + np.array(first)) * voxel,
        np.array(first) * voxel,
        voxel,
        settings.candidate_significance,
    )


@dataclass(frozen=True)
class ShiftLook:
    """Where one channel shows bright puncta beside the other.

    channels : names, the second beside the first
    apart_um : (n, 3) ndarray along z, y, x
    electrons : (n,) ndarray, of both channels
    stated_um : (3,) ndarray, with which they were measured
    """

    channels: tuple[str, str]
    apart_um: Floats
    electrons: Floats
    stated_um: Floats


def look_at_shift(measured: Measured, n_tiles: int = 4) -> ShiftLook:
    """Bright puncta that stand alone in the fullest tiles, each channel fitted by itself.

    Raises
    ------
    SynimgError
        If there are none.
    """
    recording, parts, electrons = measured.recording, [], []
    for tile in fullest(measured, n_tiles):
        grey = _read(measured, tile).grey[recording.receptor_index]
        scene = scene_of(grey, recording, measured.settings, measured.spread_um2, tile.box[0])
        rows = survey(*find_puncta(scene, measured.settings)).puncta
        both = rows[rows["channel"] == 0].merge(rows[rows["channel"] == 1], on="punctum", suffixes=("", "_1"))
        parts.append(np.column_stack([both[f"{axis}_1"] - both[axis] for axis in "zyx"]))
        electrons.append(both["total"].to_numpy(float))
    shift = recording.shift_vox(recording.receptor_index) * recording.voxel_um
    apart = np.concatenate(parts) + (shift[1] - shift[0])
    if not len(apart):
        raise SynimgError(
            "no bright punctum that stands alone shows in both channels, so that their shift cannot be seen"
        )
    names = [recording.channels[i].called for i in recording.receptor_index]
    return ShiftLook((names[0], names[1]), apart, np.concatenate(electrons), shift[1] - shift[0])


@dataclass(frozen=True)
class ColourLook:
    """Colours of synapses beside the code book.

    dyes : names of the dyes
    codes : (neurons, dyes) ndarray, each of length 1
    colours : (n, dyes) ndarray, of synapses, each of length 1
    row : (n,) ndarray, the code that each was given
    probability : (n,) ndarray, of that
    colour_prob : (n,) ndarray, of the likeliest neuron by colour alone
    is_near : (n,) ndarray, whether that one has a dendrite within a spine's reach
    near_by_chance : (n,) ndarray, share of the other neurons that have
    """

    dyes: tuple[str, ...]
    codes: Floats
    colours: Floats
    row: NDArray[np.int64]
    probability: Floats
    colour_prob: Floats
    is_near: NDArray[np.bool_]
    near_by_chance: Floats

    def right_by_place(self, which: NDArray[np.bool_]) -> tuple[float, float, float]:
        """Share of the synapses `which` whose likeliest neuron by colour alone is right, as places show it, and its 95 % interval.

        Notes
        -----
        One that is right has a dendrite near; of those that are wrong a share c has one by chance: near = right + (1 - right) c.
        Wrong ones that are mixtures with a neighbour's colour lie near more often than by chance, and make the share too high.
        """
        n, chance = int(which.sum()), float(self.near_by_chance[which].mean())
        near = float(self.is_near[which].mean())
        middle = (near * n + 2.0) / (n + 4.0)  # Agresti & Coull 1998
        half = 1.96 * np.sqrt(middle * (1.0 - middle) / (n + 4.0))
        right, low, high = ((v - chance) / (1.0 - chance) for v in (near, middle - half, middle + half))
        return right, low, min(high, 1.0)


def look_at_colours(measured: Measured, n_tiles: int = 4) -> ColourLook:
    """Decode the fullest tiles again: by colour, by place, and by both.

    Notes
    -----
    Without truth: the likeliest neuron by colour alone, which knows nothing of places, has a dendrite near the synapse if it is
    right, and by chance alone if not (`ColourLook.right_by_place`). Both come from the same dyes, of the head and of the
    dendrite: a check of the probabilities and no proof.

    Raises
    ------
    SynimgError
        If parents are not told by colours.
    """
    recording = measured.recording
    if recording.identity.get("kind") != "colour":
        raise SynimgError("its parents are not told by colours, so there is nothing to decode")
    parts = []
    for tile in fullest(measured, n_tiles):
        grey, first = _read(measured, tile).grey, tile.box[0]
        at = measured.detections[PLACE].to_numpy(float) / np.array(recording.voxel_um)
        points = at[((at >= tile.low) & (at < tile.high)).all(axis=1)] - first
        seen, points_um = colour_evidence(grey, recording, points, first), points * np.array(recording.voxel_um)
        known = (seen.log_likelihood, points_um, seen.traced_um, seen.traced_row)
        row, probability = assign.parents(*known)
        probability = probability * measured.others.known_prob(seen.head_snr, assign.agreement(*known))
        colour = assign.by_colour(seen.log_likelihood)
        place = assign.by_place(points_um, seen.traced_um, seen.traced_row, colour.shape[1])
        near = place >= NEAR
        is_near = near[np.arange(len(near)), colour.argmax(axis=1)]
        by_chance = np.maximum(near.sum(axis=1) - 1, 0) / max(near.shape[1] - 1, 1)
        parts.append((seen.colours, row, probability, colour.max(axis=1), is_near, by_chance))
    colours, row, probability, colour_prob, is_near, by_chance = (np.concatenate(v) for v in zip(*parts, strict=True))
    names = tuple(recording.channels[i].called for i in recording.dye_index)
    codes = _unit(np.array(recording.identity["codebook"], float))
    return ColourLook(names, codes, _unit(np.maximum(colours, 0.0)), row, probability, colour_prob, is_near, by_chance)


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def _read(measured: Measured, tile: Tile) -> Block:
    block, _ = read_tile(measured.image, tile, measured.recording)
    if isinstance(block, str):
        raise SynimgError(f"a tile of the image cannot be read: {block}")
    return block
