"""A network that another simulator has run: its weights become receptors, its changes the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.spines import volume_of
from synimg.store.edges import read_cells, read_edges
from synimg.streams import stream

Floats = NDArray[np.float64]
Attributes = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Imported:
    """A network as `synimg.phantoms.stages.network_file` writes it: attributes of contacts, of inhibitory edges and of units."""

    contacts: Attributes
    inhibitory: Attributes
    nodes: Attributes
    extra: Attributes
    has_causes: bool


def import_network(config: Config, seed: int) -> Imported:
    """The network of the section `imported`, with receptors in the place of weights.

    Raises
    ------
    SynimgError
        If the files break the contract (`synimg.store.edges`), no excitatory weight was there before, or there are too few
        cells to image.

    Notes
    -----
    Receptors are proportional to the excitatory weights; the mean before the window is `receptors.receptors_mean`. Causes
    that are known in units of weight become ln receptors by the logarithmic mean, ``ln_c = c ln(a_end / a_start) /
    (a_end - a_start)``, so that they add up in both scales.
    """
    edges, cells = _read(config)
    row = pd.Series(np.arange(len(cells)), index=cells["cell_id"])
    source, target = (row[edges[name]].to_numpy() for name in ("pre", "post"))
    tagged = (cells["cell_type"] == "E").to_numpy()[source]
    if not tagged.any():
        raise SynimgError(f"{config.imported.edges}: no edge comes from an excitatory cell; only those carry the tag")
    own = edges[tagged].reset_index(drop=True)
    gain = _weight_of_a_receptor(own, config)
    has_causes = any(cause in own for cause in CAUSES)
    contacts = _contacts(own, (source[tagged], target[tagged]), gain, config, seed)
    inhibitory = {
        "source": source[~tagged],
        "target": target[~tagged],
        "weight": edges[~tagged]["weight_before"].to_numpy().astype(np.float32),
    }
    extra = {
        "w_in": np.zeros((len(cells), 0), np.float32),
        "gain": np.array(gain),
        "gain_in": np.array(1.0),
        "max_rate": np.array(config.network.max_rate),
    }
    return Imported(contacts, inhibitory, _nodes(cells, contacts, has_causes), extra, has_causes)


def _read(config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The edges and the cells in the files of the section, if there are enough cells to image."""
    files = config.imported
    after = Path(files.edges_after) if files.edges_after else None
    edges = read_edges(Path(files.edges), after, files.population)
    cells = read_cells(Path(files.cells) if files.cells else None, edges)
    if len(cells) < config.tissue.n_imaged_neurons and not config.tissue.dendrite_um_per_um3:
        raise SynimgError(
            f"tissue.n_imaged_neurons = {config.tissue.n_imaged_neurons}, but {files.edges} has only {len(cells)} cells; "
            "image fewer"
        )
    return edges, cells


def _weight_of_a_receptor(own: pd.DataFrame, config: Config) -> float:
    """Weight by which the excitatory weights before the window come to as many receptors as the configuration wants."""
    before = own["weight_before"].to_numpy()
    if not (before > 0).any():
        raise SynimgError(
            f"{config.imported.edges}: every weight_before of an excitatory cell is 0; they set how many receptors 1 is"
        )
    weight: float = before[before > 0].mean() / config.receptors.receptors_mean
    return weight


def _contacts(
    own: pd.DataFrame, ends: tuple[NDArray[Any], NDArray[Any]], gain: float, config: Config, seed: int
) -> Attributes:
    """Attributes of the contacts of excitatory cells, whose `ends` are rows of cells; NaN for causes that are not known."""
    source, target = ends
    a_start, a_end = own["weight_before"].to_numpy() / gain, own["weight_after"].to_numpy() / gain
    linear = {c: own[c].to_numpy() / gain if c in own else np.zeros(len(own)) for c in CAUSES}
    has_causes = any(cause in own for cause in CAUSES)
    alive = (a_start > 0) & (a_end > 0)
    _, edge = np.unique(np.stack([source, target]), axis=1, return_inverse=True)
    a_first = np.where(a_start > 0, a_start, a_end)
    along = own["along"].to_numpy() if "along" in own else stream(seed, "network", "along").random(len(own))
    unknown = np.full(len(own), np.nan)
    return {
        "source": source,
        "target": target,
        "edge": edge.ravel(),
        "is_plastic": np.ones(len(own), np.uint8),
        "along": along,
        "head_volume_um3": volume_of(a_first, config.receptors),
        "a_first": a_first,
        "a_start": a_start,
        "a_end": a_end,
        "formed_update": np.where(a_start == 0, config.training.n_updates - 1, -1),
        "formed_cause": np.where(a_start == 0, _main_cause(linear), -1),
        "eliminated_update": np.where(a_end == 0, config.training.n_updates - 1, -1),
        "eliminated_cause": np.where(a_end == 0, _main_cause(linear), -1),
        **{f"ln_{c}": _ln_share(linear[c], a_start, a_end, alive) if has_causes else unknown for c in CAUSES},
        **{c: values if has_causes else unknown for c, values in linear.items()},
    }


def _nodes(cells: pd.DataFrame, contacts: Attributes, has_causes: bool) -> Attributes:
    """Attributes of the units; a neuron's factor is the mean of what homeostasis did to its contacts that lasted."""
    n = len(cells)
    ln_factor = np.full(n, np.nan)
    if has_causes:
        lasted = (contacts["a_start"] > 0) & (contacts["a_end"] > 0)
        count = np.bincount(contacts["target"], lasted, n)
        ln_factor = np.bincount(contacts["target"], contacts["ln_homeostasis"], n) / np.maximum(count, 1)
    return {
        "x": _known(cells, "x"),
        "y": _known(cells, "y"),
        "is_excitatory": (cells["cell_type"] == "E").to_numpy().astype(np.uint8),
        "leak": np.ones(n, np.float32),
        "pool": np.full(n, -1),
        "rate_start": _known(cells, "rate_start"),
        "rate_end": _known(cells, "rate_end"),
        "scale_factor": np.exp(ln_factor),
        "ln_inhibition": np.zeros(n),
        "cell_id": cells["cell_id"].to_numpy(np.int64),
    }


def _main_cause(linear: dict[str, Floats]) -> NDArray[np.int64]:
    """Number of the cause that changed each contact most."""
    largest: NDArray[np.int64] = np.argmax([np.abs(linear[c]) for c in CAUSES], axis=0)
    return largest


def _ln_share(change: Floats, a_start: Floats, a_end: Floats, alive: NDArray[np.bool_]) -> Floats:
    start, end = np.where(alive, a_start, 1.0), np.where(alive, a_end, 1.0)
    difference = end - start
    same = np.abs(difference) < 1e-9 * start
    mean = np.where(same, start, difference / np.where(same, 1.0, np.log(end / start)))
    return np.where(alive, change / mean, 0.0)


def _known(cells: pd.DataFrame, name: str) -> Floats:
    return cells[name].to_numpy(float) if name in cells else np.full(len(cells), np.nan)
