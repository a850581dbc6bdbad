"""The parent of a synapse from dendrites that somebody traced: how far it lies from each, and how far synapses do at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import cKDTree

from synimg.analysis.assign import ln_reach
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.schema import PLACE
from synimg.store.morphology import Trace
from synimg.store.results import identity_of
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TYPICAL_RADIUS_UM = 0.3
"""Of a dendrite: where a trace has no radius, and from a dendrite's middle to its surface in the law of `assign.ln_reach`."""
STEP_UM = 0.1
INSIDE_UM, BEYOND_UM, BIN_UM = 0.4, 2.4, 0.1
"""Farthest below and above a dendrite's surface that its synapses lie, and the steps in which their law is found."""
N_PROBES = 20_000
LAW_SYNAPSES = 10.0
"""Synapses that the law of a spine's reach counts for beside those of the image."""
FAINTEST = 1e-3
N_ROUNDS, STILL = 300, 1e-6
WORTH_SAYING = 0.3
NEAR_FACE_UM = 2.0
MOST_OUTSIDE = 0.7
"""Share of the traced length outside the image that is worth a word."""
NO_TRACES = "no traces were given, so that all synapses count as those of one neuron (--traces)"


class TraceSettings(Model):
    """How parents are read from traces."""

    least_parent_prob: float = Field(
        0.5, ge=0, lt=1, description="a synapse whose likeliest parent has a lower probability has no parent"
    )


@dataclass(frozen=True)
class Tracing:
    """Traced dendrites of an image, none if nobody traced any, and how parents are read from them."""

    traces: Sequence[Trace] = ()
    settings: TraceSettings = field(default_factory=TraceSettings)

    def in_plane(self) -> "Tracing":
        """Seen along z."""
        return replace(self, traces=[trace.in_plane() for trace in self.traces])

    def facts(self) -> dict[str, Any]:
        """JSON-ready: the neuron of every file."""
        return {**self.settings.model_dump(), "files": {str(trace.path): trace.neuron_id for trace in self.traces}}

    def identity(self) -> list[Any]:
        """What tells it from another."""
        return [self.facts(), [identity_of(trace.path) for trace in self.traces]]


@dataclass(frozen=True)
class Traced:
    """Parents of synapses.

    table : DataFrame, a row per synapse: ``neuron_id``, ``branch_id``, ``neuron_prob``; null below the least probability
    best_prob : (n,) ndarray, of the likeliest parent, stated or not
    untraced : share of the synapses that lies on no traced dendrite
    """

    table: pd.DataFrame
    best_prob: Floats
    untraced: float

    def sentences(self) -> list[str]:
        """What a user must know."""
        is_known = self.table["neuron_id"].notna().to_numpy()
        n, known = is_known.size, int(is_known.sum())
        if not n:
            return []
        said = [f"none of {n} synapses has a sure parent among the traced dendrites"]
        if known:
            right = self.best_prob[is_known].mean()
            said = [
                f"{known} of {n} synapses ({known / n:.0%}) have a parent among the traced dendrites, right in about "
                f"{right:.0%} of the cases; the others have none"
            ]
        if self.untraced > WORTH_SAYING:
            said.append(
                f"about {self.untraced:.0%} of the synapses seem to lie on dendrites that were not traced; where untraced "
                "dendrites run between traced ones, probabilities of parents are up to 0.1 too high"
            )
        return said


def outside(traces: Sequence[Trace], size_um: Floats) -> list[str]:
    """Traces that lie outside an image of `size_um` (z, y, x), a sentence each; and that most of all of them does.

    Raises
    ------
    SynimgError
        If all do.
    """
    said = []
    for trace in traces:
        points = np.vstack([trace.start_um, trace.end_um])
        if _is_near(points, size_um).any():
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        spans = ", ".join(f"{a} {lo:.4g} to {hi:.4g}" for a, lo, hi in zip("xyz", low[::-1], high[::-1], strict=True))
        size = ", ".join(f"{a} 0 to {s:.4g}" for a, s in zip("xyz", size_um[::-1], strict=True))
        said.append(
            f"{trace.path}: the trace lies outside the image: it spans {spans} um, the image {size} um; traces are in um "
            "(not in voxels) from the centre of the image's first voxel, in the order x, y, z"
        )
    if traces and len(said) == len(traces):
        raise SynimgError(said[0])
    if traces:
        out_um = sum(
            trace.length_um[~_is_near(0.5 * (trace.start_um + trace.end_um), size_um)].sum() for trace in traces
        )
        share = out_um / sum(trace.length_um.sum() for trace in traces)
        if share > MOST_OUTSIDE:
            said.append(
                f"{share:.0%} of the traced length lies outside the image: right if whole neurons were traced, wrong if the traces "
                "are in voxels, or in another image's frame"
            )
    return said


def _is_near(points_um: Floats, size_um: Floats) -> NDArray[np.bool_]:
    """Whether points (n, 3) lie in an image, or no farther than `NEAR_FACE_UM` from it."""
    is_near: NDArray[np.bool_] = np.all((points_um > -NEAR_FACE_UM) & (points_um < size_um + NEAR_FACE_UM), axis=1)
    return is_near


def parents_of_traces(points_um: Floats, tracing: Tracing) -> Traced:
    """The parents of synapses at `points_um` (n, 3).

    Notes
    -----
    Synapses at a distance s from the surface of their own dendrite have a density g(s), the same along all traced dendrites,
    and those of dendrites that were not traced a density that is the same everywhere. The synapse at x is then that of
    dendrite k with the probability g(s_k) / (sum_j g(s_j) + background). g, in steps of `BIN_UM`, and the background
    are those under which the places of all synapses are likeliest (expectation-maximisation; the volume at every distance is
    that of probes at random where synapses are), with the law by which colours are combined with distances (`assign.ln_reach`)
    counting as `LAW_SYNAPSES` more: few synapses follow it, many their own.
    """
    traces, n = tracing.traces, len(points_um)
    unknown = pd.DataFrame(
        {"neuron_id": pd.array([None] * n, "Int64"), "branch_id": pd.array([None] * n, "Int64"), "neuron_prob": np.nan}
    )
    if not n:
        return Traced(unknown, np.zeros(0), 0.0)
    near, volume, total = near_traces(points_um, traces), *_volumes(points_um, traces)
    density, background = _densities(near, n, volume, total)
    weight = density[near["bin"].to_numpy()]
    everything = np.bincount(near["synapse"], weight, n) + background
    near = near.assign(prob=weight / everything[near["synapse"].to_numpy()])
    best = near.sort_values(["synapse", "prob", "trace"], ascending=[True, False, True], kind="stable")
    best = best.drop_duplicates("synapse").set_index("synapse")
    prob = np.zeros(n)
    prob[best.index.to_numpy()] = best["prob"].to_numpy()
    best = best[best["prob"] >= tracing.settings.least_parent_prob]
    ids = np.array([trace.neuron_id for trace in traces])
    table = unknown.copy()
    table.loc[best.index, "neuron_id"] = ids[best["trace"].to_numpy()]
    table.loc[best.index, "branch_id"] = best["branch"].to_numpy()
    table.loc[best.index, "neuron_prob"] = best["prob"].to_numpy()
    return Traced(table, prob, float((background / everything).mean()))


def with_parents(table: pd.DataFrame, tracing: Tracing) -> tuple[pd.DataFrame, list[str]]:
    """A table of places with ``neuron_id``, ``branch_id`` and ``neuron_prob`` from traces, and what of them is to be said.

    Places without `z_um` lie in a plane.
    """
    traced = parents_of_traces(table.reindex(columns=PLACE, fill_value=0.0).to_numpy(float), tracing)
    return table.assign(**{str(name): traced.table[name] for name in traced.table}), traced.sentences()


def _samples(trace: Trace) -> tuple[Floats, Floats, Ints]:
    """Points along a trace, `STEP_UM` apart, with the radius and the branch there."""
    steps = np.maximum(np.ceil(trace.length_um / STEP_UM).astype(int), 1)
    piece = np.repeat(np.arange(len(steps)), steps + 1)
    within = np.arange(piece.size) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    t = (within / steps[piece])[:, None]
    points = (1.0 - t) * trace.start_um[piece] + t * trace.end_um[piece]
    radius = np.where(trace.radius_um > 0, trace.radius_um, TYPICAL_RADIUS_UM)
    return points, radius[piece], trace.branch_id[piece]


def near_traces(points_um: Floats, traces: Sequence[Trace]) -> pd.DataFrame:
    """Traces within reach of places: ``synapse``, ``trace``, ``bin`` of the distance to the surface, ``branch``; a row each."""
    rows = []
    for k, trace in enumerate(traces):
        samples, radius, branch = _samples(trace)
        distance, at = cKDTree(samples).query(points_um, distance_upper_bound=BEYOND_UM + radius.max())
        there = np.flatnonzero(np.isfinite(distance))
        surface = distance[there] - radius[at[there]]
        there, surface, at = there[surface < BEYOND_UM], surface[surface < BEYOND_UM], at[there][surface < BEYOND_UM]
        step = np.maximum(np.floor((surface + INSIDE_UM) / BIN_UM).astype(np.int64), 0)
        rows.append(pd.DataFrame({"synapse": there, "trace": k, "bin": step, "branch": branch[at]}))
    return pd.concat(rows, ignore_index=True)


def _volumes(points_um: Floats, traces: Sequence[Trace]) -> tuple[Floats, float]:
    """Volume [um^3] at each distance from the traces, added over them, and in all, of the box in which most of the places are.

    Of places in a plane it is an area.
    """
    low, high = np.quantile(points_um, [0.005, 0.995], axis=0)
    total = float(np.prod(np.where(high > low, np.maximum(high - low, 1.0), 1.0)))
    probes = low + (high - low) * stream(0, "measure", "traces").random((N_PROBES, 3))
    count = np.bincount(near_traces(probes, traces)["bin"], minlength=_n_bins())
    return count * total / N_PROBES, total


def _n_bins() -> int:
    return round((BEYOND_UM + INSIDE_UM) / BIN_UM)


def _densities(near: pd.DataFrame, n: int, volume: Floats, total: float) -> tuple[Floats, float]:
    """Synapses per um^3 at each distance from their own dendrite, and on untraced dendrites."""
    step, synapse = near["bin"].to_numpy(), near["synapse"].to_numpy()
    middle = (np.arange(_n_bins(), dtype=np.float64) + 0.5) * BIN_UM - INSIDE_UM
    law = np.exp(ln_reach(middle + TYPICAL_RADIUS_UM))
    volume = np.maximum(volume, total / N_PROBES)
    by_law = law * volume / (law * volume).sum()
    density, background = n * by_law / volume, FAINTEST * n / total
    for _ in range(N_ROUNDS):
        weight = density[step]
        everything = np.bincount(synapse, weight, n) + background
        count = np.bincount(step, weight / everything[synapse], density.size)
        mine = count.sum()
        last = background
        background = float((background / everything).sum()) / total
        count = count + LAW_SYNAPSES * by_law
        density = count / volume * (mine / count.sum())
        if abs(background - last) * total < STILL * n:
            break
    return density, max(background, FAINTEST * n / total)
