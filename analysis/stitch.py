"""Tiles or sections that were recorded apart and overlap: every synapse once, and how well what was seen twice agrees."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from synimg.analysis.match import match
from synimg.analysis.robust import robust_sd
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.schema import PLACE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Row = dict[str, float | str | None]
Shifts = dict[tuple[int, int], tuple[Floats, Floats]]
"""By the numbers of two tiles: how much farther the second lies from the first than stated, and its standard error."""
SURE = 5.0
"""Standard deviations of chance above which as many synapses agree that a shift is believed."""
LEAST_PAIRS, LEAST_IN_OVERLAP = 8, 20
MOST_POINTS = 2000
N_ROUNDS = 5
RIM_UM = 0.6
"""From a face: synapses nearer to it lose light, and are left out of what is asked of repeatability."""
LEAST_FOUND_AGAIN, MOST_SCATTER, MOST_FADING = 0.7, 1.4, 0.1


class StitchSettings(Model):
    """How tiles are put together."""

    max_shift_um: float = Field(2.0, gt=0, description="farthest that a tile lies from its stated place")
    lateral_um: float = Field(0.2, gt=0, description="farthest laterally that two finds of one synapse lie apart")
    axial_um: float = Field(0.5, gt=0, description="farthest axially")

    @property
    def gate_um(self) -> Floats:
        """Along z, y, x."""
        return np.array([self.axial_um, self.lateral_um, self.lateral_um])


@dataclass(frozen=True)
class TileTable:
    """What was measured in a tile.

    name : of the tile
    synapses : DataFrame, a synapse table; places from the centre of the tile's first voxel
    detections : DataFrame, in the same order: ``pulse_electrons``, ``chase_electrons`` with ``_se``
    size_um : (3,) ndarray, z, y, x
    position_um : (3,) ndarray, where the tile's first voxel lies, as stated
    """

    name: str
    synapses: pd.DataFrame
    detections: pd.DataFrame
    size_um: Floats
    position_um: Floats

    @property
    def points_um(self) -> Floats:
        """Places in the tile."""
        return self.synapses[PLACE].to_numpy(float)

    def depth_um(self, points_um: Floats) -> Floats:
        """How far places (in the tile) lie from the nearest face, negative outside, and from that along the other axes (n, 3)."""
        return np.sort(np.minimum(points_um, self.size_um - points_um), axis=1)


@dataclass(frozen=True)
class Stitched:
    """Tiles put together.

    synapses : DataFrame, every synapse once; places from the first voxel of the first tile
    tiles : DataFrame, a row per tile: place, shift from the stated one
    overlaps : DataFrame, a row per pair of tiles that overlap: shift, synapses found again, scatter of counts
    twice : DataFrame, a row per synapse that two tiles found: counts and errors in both
    warnings : list of str
    """

    synapses: pd.DataFrame
    tiles: pd.DataFrame
    overlaps: pd.DataFrame
    twice: pd.DataFrame
    warnings: list[str]


def stitch_tiles(tiles: Sequence[TileTable], settings: StitchSettings | None = None) -> Stitched:
    """Every synapse of tiles that overlap, once.

    Parameters
    ----------
    tiles : sequence of TileTable
        Measured, with their stated places. The first stays where it is.
    settings : StitchSettings, optional

    Raises
    ------
    SynimgError
        If two tiles overlap and no shift makes their synapses agree.

    Notes
    -----
    The shift of two tiles is where most of the differences of their synapses' places crowd, refined on the pairs that it makes;
    those of all pairs of tiles are reconciled by least squares, weighted with their errors. Of a synapse that several tiles
    found the one is kept that lies farthest from its tile's faces. A synapse that one tile alone found is kept where this tile
    is the one whose faces are farthest: anywhere is as much found as in one tile.
    """
    settings = settings or StitchSettings()
    each = list(combinations(range(len(tiles)), 2))
    shifts = {(i, j): found for i, j in each if (found := _shift(tiles[i], tiles[j], settings)) is not None}
    correction = _reconciled(len(tiles), shifts)
    origin = np.array([tile.position_um for tile in tiles]) + correction
    origin = origin - origin[0]
    places = [tile.points_um + at for tile, at in zip(tiles, origin, strict=True)]
    first = np.cumsum([0, *(len(p) for p in places)])
    pairs, rows, twice = [np.zeros((0, 2), np.int64)], [], [pd.DataFrame()]
    for i, j in each:
        a, b = match(places[i], places[j], settings.lateral_um, settings.axial_um)
        pairs.append(np.column_stack([first[i] + a, first[j] + b]))
        if len(a):
            both, row = _compared(tiles[i], tiles[j], (a, b), (places[i], places[j]), origin[[i, j]], settings)
            se = shifts[i, j][1] if (i, j) in shifts else np.full(3, np.nan)
            row |= {f"shift_{x}": v for x, v in zip(PLACE, correction[j] - correction[i], strict=True)}
            row |= {f"shift_{x}_se": v for x, v in zip(PLACE, se, strict=True)}
            rows.append(row)
            twice.append(both)
    table = _once(tiles, places, origin, np.vstack(pairs))
    of_tile = pd.DataFrame({"tile": [tile.name for tile in tiles]})
    for k, x in enumerate(PLACE):
        of_tile[x] = origin[:, k]
        of_tile[f"shift_{x}"] = correction[:, k]
    of_tile["n_synapses"] = [len(p) for p in places]
    of_tile["n_kept"] = table["tile"].value_counts().reindex(of_tile["tile"], fill_value=0).to_numpy()
    overlaps = pd.DataFrame(rows)
    warnings = _doubts(overlaps) + _apart(tiles, shifts)
    return Stitched(table, of_tile, overlaps, pd.concat(twice, ignore_index=True), warnings)


def _shift(a: TileTable, b: TileTable, settings: StitchSettings) -> tuple[Floats, Floats] | None:
    """How much farther `b` lies from `a` than stated, and its standard error; None if too little of them overlaps.

    Raises
    ------
    SynimgError
        If no shift makes their synapses agree.
    """
    offset = b.position_um - a.position_um
    reach = settings.max_shift_um
    low, high = np.maximum(0.0, offset), np.minimum(a.size_um, offset + b.size_um)
    there = [((p > low) & (p < high)).all(axis=1).sum() for p in (a.points_um, b.points_um + offset)]
    if (high <= low).any() or min(there) < LEAST_IN_OVERLAP:
        return None
    first = a.points_um[((a.points_um > low - reach) & (a.points_um < high + reach)).all(axis=1)]
    second = b.points_um + offset
    second = second[((second > low - reach) & (second < high + reach)).all(axis=1)]
    # of many synapses those in the middle are enough
    middle = np.argsort(np.abs(first - 0.5 * (low + high)).max(axis=1), kind="stable")[:MOST_POINTS]
    shift = _crowd(first[middle], second, settings)
    if shift is None:
        raise SynimgError(
            f"tiles '{a.name}' and '{b.name}' overlap by {', '.join(f'{v:.3g}' for v in high - low)} um (z, y, x) by their "
            f"positions, but no shift within {reach:g} um makes their synapses agree: check the positions (um, order of axes, "
            "signs), or raise --max-shift-um"
        )
    for _ in range(N_ROUNDS):
        i, j = match(first, second - shift, settings.lateral_um, settings.axial_um)
        apart = second[j] - shift - first[i]
        shift = shift + np.median(apart, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(apart - np.median(apart, axis=0)), axis=0), 1e-3)
    return -shift, spread * np.sqrt(0.5 * np.pi / len(i))


def _crowd(first: Floats, second: Floats, settings: StitchSettings) -> Floats | None:
    """The difference of places around which most others crowd; None if no more do than by chance."""
    if not len(first) or not len(second):
        return None
    gate, reach = settings.gate_um, settings.max_shift_um
    near = cKDTree(second).query_ball_point(first, reach, p=np.inf)
    difference = np.concatenate([second[there] - at for at, there in zip(first, near, strict=True) if there] or [[]])
    if len(difference) < LEAST_PAIRS:
        return None
    tree = cKDTree(difference / gate)
    count = tree.query_ball_point(difference / gate, 1.0, return_length=True)
    chance = len(difference) * 4.0 / 3.0 * np.pi * np.prod(gate) / (2.0 * reach) ** 3
    # the most that chance makes anywhere grows with the places where it may
    if count.max() < max(LEAST_PAIRS, chance + SURE * np.sqrt(chance) + SURE):
        return None
    best = difference[int(np.argmax(count))]
    around = difference[tree.query_ball_point(best / gate, 1.0)]
    return np.asarray(np.median(around, axis=0), dtype=np.float64)


def _reconciled(n: int, shifts: Shifts) -> Floats:
    """Shift (n, 3) of each tile from its stated place: the first of every group of connected tiles stays."""
    out = np.zeros((n, 3))
    if not shifts:
        return out
    i, j = np.array(list(shifts)).T
    _, group = connected_components(sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    fixed = np.unique(group, return_index=True)[1]
    free = np.setdiff1d(np.arange(n), fixed)
    design = np.zeros((len(shifts), n))
    design[np.arange(len(shifts)), j] = 1.0
    design[np.arange(len(shifts)), i] -= 1.0
    for axis in range(3):
        found, weight = (np.array([s[k][axis] for s in shifts.values()]) for k in (0, 1))
        weight = 1.0 / weight
        out[free, axis] = np.linalg.lstsq(design[:, free] * weight[:, None], found * weight, rcond=None)[0]
    return out


def _once(tiles: Sequence[TileTable], places: list[Floats], origin: Floats, pairs: Ints) -> pd.DataFrame:
    """The synapses of all tiles, each once."""
    every = np.vstack(places)
    n = len(every)
    tile = np.repeat(np.arange(len(tiles)), [len(p) for p in places])
    # where the nearest face is the same in two tiles, as that of a section is, the next one decides
    weights = np.array([1.0, 1e-3, 1e-6])
    depth = np.stack([t.depth_um(every - at) @ weights for t, at in zip(tiles, origin, strict=True)])
    own = depth[tile, np.arange(n)]
    is_owner = depth.max(axis=0) <= own
    joined = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(joined, directed=False)
    order = np.lexsort((np.arange(n), -own, group))
    best = order[np.r_[True, np.diff(group[order]) > 0]]
    found = np.bincount(group)
    kept = np.sort(best[(found[group[best]] > 1) | is_owner[best]])
    table = pd.concat([t.synapses for t in tiles], ignore_index=True).iloc[kept].reset_index(drop=True)
    names = np.array([t.name for t in tiles], dtype=object)
    table = table.assign(tile=names[tile[kept]], tile_synapse_id=table["synapse_id"], n_tiles=found[group[kept]])
    table["synapse_id"] = np.arange(1, len(table) + 1)
    return table.assign(**{x: every[kept, k] for k, x in enumerate(PLACE)})


def _compared(
    a: TileTable,
    b: TileTable,
    pairs: tuple[Ints, Ints],
    places: tuple[Floats, Floats],
    origin: Floats,
    settings: StitchSettings,
) -> tuple[pd.DataFrame, Row]:
    """Synapses that both tiles found, away from faces, and how well their measurements agree."""
    inside = [np.minimum(a.depth_um(p - origin[0]), b.depth_um(p - origin[1]))[:, 0] > RIM_UM for p in places]
    is_pair = inside[0][pairs[0]] & inside[1][pairs[1]]
    i, j = pairs[0][is_pair], pairs[1][is_pair]
    n_a, n_b = (int(v.sum()) for v in inside)
    away = np.array([0.0, 4.0, 4.0]) * settings.gate_um
    first, second = (p[there] for p, there in zip(places, inside, strict=True))
    chance = [match(first, second + s * away, settings.lateral_um, settings.axial_um)[0] for s in (-1.0, 1.0)]
    (one, seen), (two, again) = (
        (t.synapses.iloc[k].reset_index(drop=True), t.detections.iloc[k].reset_index(drop=True))
        for t, k in ((a, i), (b, j))
    )
    both = pd.DataFrame(
        {"tile": a.name, "other": b.name, "synapse_id": one["synapse_id"], "other_id": two["synapse_id"]}
    )
    apart = np.abs(places[1][j] - places[0][i])
    row: Row = {
        "tile": a.name,
        "other": b.name,
        "n_tile": n_a,
        "n_other": n_b,
        "n_both": len(i),
        "n_both_by_chance": float(np.mean([len(pairs) for pairs in chance])),
        "found_again": 2.0 * len(i) / (n_a + n_b) if n_a + n_b else None,
        "axial_um": _known(float(np.median(apart[:, 0]))) if len(i) else None,
        "lateral_um": _known(float(np.median(np.hypot(apart[:, 1], apart[:, 2])))) if len(i) else None,
    }
    for name, of_tile in (("old", "pulse"), ("new", "chase")):
        x, y = (d[f"{of_tile}_electrons"].to_numpy(float) for d in (seen, again))
        x_se, y_se = (d[f"{of_tile}_electrons_se"].to_numpy(float) for d in (seen, again))
        ratio = float(y.sum() / x.sum()) if x.sum() > 0 else np.nan
        both[f"{name}_electrons"], both[f"{name}_electrons_se"] = x, x_se
        both[f"other_{name}_electrons"], both[f"other_{name}_electrons_se"] = y, y_se
        row[f"{name}_ratio"] = _known(ratio)
        errors = (y - ratio * x) / np.hypot(ratio * x_se, y_se)
        row[f"{name}_scatter"] = robust_sd(errors[np.isfinite(errors)])
    parents = (one["neuron_id"].notna() & two["neuron_id"].notna()).to_numpy(bool)
    same = (one["neuron_id"] == two["neuron_id"])[parents]
    row["same_parent"] = float(same.mean()) if len(same) else None
    return both, row


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _doubts(overlaps: pd.DataFrame) -> list[str]:
    """What overlaps that do not agree say of the measurement."""
    said = []
    for row in overlaps.to_dict("records"):
        where = f"'{row['tile']}' and '{row['other']}'"
        if row["found_again"] is not None and row["found_again"] < LEAST_FOUND_AGAIN:
            said.append(f"{where}: only {row['found_again']:.0%} of the synapses in the overlap are found in both")
        for name in ("old", "new"):
            scatter, ratio = row[f"{name}_scatter"], row[f"{name}_ratio"]
            if scatter is not None and scatter > MOST_SCATTER:
                said.append(
                    f"{where}: counts of {name} receptors that both found scatter {scatter:.1f} times as much as their errors say"
                )
            if ratio is not None and abs(ratio - 1.0) > MOST_FADING:
                said.append(
                    f"{where}: {name} receptors are {abs(ratio - 1.0):.0%} {'dimmer' if ratio < 1 else 'brighter'} in the second, "
                    "by bleaching or another exposure; counts are left as they are"
                )
    return said


def _apart(tiles: Sequence[TileTable], shifts: Shifts) -> list[str]:
    """Tiles that overlap no other, and so are left where they are stated."""
    joined = {k for pair in shifts for k in pair}
    if not joined and len(tiles) > 1:
        return [
            "no two tiles overlap by their positions so far that a shift could be found: every tile stays at its stated place, and "
            "no synapse is found twice; check the positions (um, order of axes, signs)"
        ]
    return [
        f"'{tile.name}' shares too few synapses with any other tile to find its shift, and stays at its stated place"
        for k, tile in enumerate(tiles)
        if k not in joined
    ]
