"""Bootstrap copies of a table: animals, and neurons within them, drawn with replacement."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
N_COPIES = 200


def copies_of(neuron: NDArray[np.generic], animal: NDArray[np.generic], rng: np.random.Generator) -> list[Rows]:
    """Rows of every copy.

    Parameters
    ----------
    neuron, animal : (n,) ndarray
        Of each row; a neuron belongs to one animal.
    rng : Generator
        The same draws for every method, so that ratios of two methods' copies are paired.
    """
    order = np.argsort(neuron, kind="stable")
    _, first = np.unique(neuron[order], return_index=True)
    rows = np.split(order, first[1:])
    owner = animal[[r[0] for r in rows]]
    earliest = np.array([r[0] for r in rows])
    members = []
    for one in np.unique(owner):
        here = np.flatnonzero(owner == one)
        members.append([rows[i] for i in here[np.argsort(earliest[here], kind="stable")]])
    copies = []
    for _ in range(N_COPIES):
        animals = [members[i] for i in rng.integers(0, len(members), len(members))]
        copies.append(np.concatenate([a[i] for a in animals for i in rng.integers(0, len(a), len(a))]))
    return copies


def interval(copies: Sequence[Rows], value: Callable[[Rows], float | None]) -> list[float] | None:
    """95 % interval of what `value` says of the rows of a copy; None if it says nothing of any."""
    values = [found for rows in copies if (found := value(rows)) is not None and np.isfinite(found)]
    return [float(v) for v in np.quantile(values, [0.025, 0.975])] if values else None
