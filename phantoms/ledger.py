"""The ledger: every change of every contact, booked by its cause in two scales."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CAUSES = ("learning", "homeostasis", "drift")


@dataclass
class Account:
    """A running sum per contact with the rounding error carried along (Neumaier 1974)."""

    total: Floats
    carried: Floats

    @classmethod
    def empty(cls, n: int) -> "Account":
        """An account of `n` contacts with nothing in it."""
        return cls(np.zeros(n), np.zeros(n))

    def add(self, change: Floats) -> None:
        """Add `change`, keeping the digits that the sum itself cannot hold."""
        total = self.total + change
        larger = np.abs(self.total) >= np.abs(change)
        self.carried += np.where(larger, (self.total - total) + change, (change - total) + self.total)
        self.total = total

    @property
    def value(self) -> Floats:
        """The sum."""
        return self.total + self.carried


@dataclass
class Ledger:
    """State ln a of the contacts, and what moved it, by cause, in ln receptors and in receptors.

    Notes
    -----
    Operator splitting (MODEL.md 1): the causes act one after the other within an update, each books what it changed.
    ``ln a(T) - ln a(0)`` and ``a(T) - a(0)`` are the sums over the causes, each to 1e-12.
    """

    ln_start: Floats
    ln_a: Floats = field(init=False)
    a: Floats = field(init=False)
    log: dict[str, Account] = field(init=False)
    linear: dict[str, Account] = field(init=False)

    def __post_init__(self) -> None:
        n = self.ln_start.size
        self.ln_a = self.ln_start.copy()
        self.a = np.exp(self.ln_a)
        self.log = {cause: Account.empty(n) for cause in CAUSES}
        self.linear = {cause: Account.empty(n) for cause in CAUSES}

    def book(self, cause: str, change_ln: Floats) -> None:
        """Move ln a by `change_ln` and book what really changed, after rounding, to `cause`."""
        ln_a = self.ln_a + change_ln
        a = np.exp(ln_a)
        self.log[cause].add(ln_a - self.ln_a)
        self.linear[cause].add(a - self.a)
        self.ln_a, self.a = ln_a, a

    def error(self) -> tuple[float, float]:
        """Largest deviation of the sum of causes from the change, in ln receptors and in receptors."""
        log = sum(self.log[cause].value for cause in CAUSES) - (self.ln_a - self.ln_start)
        linear = sum(self.linear[cause].value for cause in CAUSES) - (self.a - np.exp(self.ln_start))
        return float(np.max(np.abs(log), initial=0.0)), float(np.max(np.abs(linear), initial=0.0))
