"""Replicas of a few tiles, whose truth is known: what they say of the errors and of the optics."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis import replica
from synimg.analysis.block import ELECTRONS, Tile, read_tile
from synimg.analysis.find import find_puncta
from synimg.analysis.fisher import covariances
from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Recording
from synimg.analysis.scene import background_again, scene_again, scene_of
from synimg.analysis.survey import Survey, survey
from synimg.schema import PLACE
from synimg.streams import stream

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What a replica of a tile needs: what was found in its box (places in voxels of the image), and what hides there."""

    tile: Tile
    points_vox: Floats
    electrons: Floats
    hidden: replica.Hidden


@dataclass(frozen=True)
class Checked:
    """What a tile and its replica, whose truth is known, say of the measurement and of the optics."""

    outcome: replica.Outcome
    survey: Survey
    replica_survey: Survey


def measure_replica(known: Known, scene: Scene, size_um: Floats, settings: MeasureSettings) -> Checked:
    """How well a replica of a tile, whose `scene` is its box, is measured; the image is `size_um` large.

    The background is estimated anew, and the replica's draws belong to the tile's place.
    """
    first = np.array(known.tile.box[0])
    rng = stream(0, "measure", "replica", *known.tile.box[0])
    points_vox = known.points_vox - first
    found = Fit(start(points_vox, known.electrons, scene))
    scene = background_again(scene, found, settings)
    of_tile = survey(scene, found)
    made, data = replica.draw_replica(scene, points_vox, known.electrons, known.hidden, settings.least_gain, rng)
    again = scene_again(scene, data, settings)
    del scene, data  # some 50 MB each: the fit needs as much again
    again, fit = find_puncta(again, settings)
    covariance = covariances(again, fit, model_of(again, fit))
    outcome = replica.judge(made, again, fit, covariance, first, known.tile.owns, size_um)
    return Checked(outcome, of_tile, survey(again, fit))


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
    return [work[i] for i in spread_over(len(work), n_replicas(len(work), settings))]


def n_replicas(n_tiles: int, settings: MeasureSettings) -> int:
    """At most a third of all tiles, since a replica costs as much as its tile."""
    return min(settings.n_replica_tiles, -(-n_tiles // 3))


def spread_over(n: int, n_chosen: int) -> list[int]:
    return [int(i) for i in np.unique(np.linspace(0, n - 1, n_chosen).round())]


def replica_tile(
    known: Known, image: str, recording: Recording, settings: MeasureSettings, spread_um2: float, size_um: Floats
) -> Checked | None:
    """`measure_replica` of a tile of an image in a file; None if all of it is lost."""
    block, _ = read_tile(Path(image), known.tile, recording)
    if isinstance(block, str):
        return None
    return replica_of_block(block.grey, known, recording, settings, spread_um2, size_um)


def replica_of_block(
    grey: NDArray[np.uint16],
    known: Known,
    recording: Recording,
    settings: MeasureSettings,
    spread_um2: float,
    size_um: Floats,
) -> Checked:
    # handed over, not kept: it is gone when the replica is measured
    return measure_replica(
        known,
        scene_of(grey[recording.receptor_index], recording, settings, spread_um2, known.tile.box[0]),
        size_um,
        settings,
    )
