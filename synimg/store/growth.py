"""The window as it went: every synapse at every snapshot, for playing the growth of the map back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.store.network import read_arrays, read_network

Floats = NDArray[np.float64]
_CAUSES = ("learning", "homeostasis", "drift")


@dataclass(frozen=True)
class Growth:
    """Synapses at the snapshots of the window, in the order of the truth table.

    day : (n_snapshots,) ndarray [days], from the pulse
    is_there : (n_snapshots, n_synapses) ndarray of bool
    receptors : (n_snapshots, n_synapses) ndarray [receptors], 0 while a synapse is not there
    ln_learning : (n_snapshots, n_synapses) ndarray, what learning has added to ln receptors by then
    """

    day: Floats
    is_there: NDArray[np.bool_]
    receptors: Floats
    ln_learning: Floats

    def captions(self, shown: NDArray[np.bool_]) -> list[str]:
        """A line for every snapshot: the day, and how many of the `shown` synapses there are, have formed and vanished."""
        there = self.is_there[:, shown]
        return [
            f"day {day:.3g}: {now.sum()} synapses, {(now & ~there[0]).sum()} new, {(there[0] & ~now).sum()} gone"
            for day, now in zip(self.day, there, strict=True)
        ]


def growth(history: dict[str, NDArray[np.generic]], a_first: Floats, days_per_update: float) -> Growth:
    """Receptors and learning at every snapshot.

    Parameters
    ----------
    history : dict of ndarray
        What ``truth/history.zarr`` holds.
    a_first : (n_synapses,) ndarray [receptors]
        Receptors of each synapse when it is first there.
    days_per_update : float
        Length of an update.

    Notes
    -----
    ``ln a(t) = ln a_first + ln_learning(t) + ln_homeostasis(t) + ln_drift(t)``, as the ledger keeps them: nothing is added
    to a synapse that is not there. An event of update u happens at its end, a snapshot u is taken at its beginning. The
    causes are kept in single precision, which the receptors therefore have.
    """
    snapshot, update = history["snapshot"], history["event_update"].astype(np.int64)
    is_birth, row = history["event_is_birth"].astype(bool), history["event_synapse_id"].astype(np.int64) - 1
    never = np.iinfo(np.int64).max
    born, died = np.full(a_first.size, -1), np.full(a_first.size, never)
    born[row[is_birth]], died[row[~is_birth]] = update[is_birth], update[~is_birth]
    is_there = (born < snapshot[:, None]) & (died >= snapshot[:, None])
    ln = np.sum([history[f"ln_{cause}"].astype(np.float64) for cause in _CAUSES], axis=0)
    return Growth(
        day=snapshot.astype(np.float64) * days_per_update,
        is_there=is_there,
        receptors=np.where(is_there, a_first * np.exp(ln), 0.0),
        ln_learning=history["ln_learning"].astype(np.float64),
    )


def read_growth(dataset: Dataset) -> Growth:
    """The growth of a data set's map.

    Raises
    ------
    SynimgError
        If its network has not been generated, or came from elsewhere without a history.
    """
    dataset.require("network", f"synimg generate ... --out {dataset.path}")
    truth, training = dataset.path / "truth", dataset.config.training
    if not (truth / "history.zarr").is_dir():
        why = (
            "its network was imported, and only its two ends are known"
            if dataset.config.imported.edges
            else "it is gone"
        )
        raise SynimgError(f"{truth / 'history.zarr'}: there is no history to play back: {why}")
    history, _ = read_arrays(truth / "history.zarr")
    _, edges, _ = read_network(truth / "network.h5")
    return growth(history, edges["excitatory"]["a_first"], training.window_days / training.n_updates)
