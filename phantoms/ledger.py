"""The ledger: every change of every contact, booked by its cause in two scales."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
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


@dataclass(frozen=True)
class Event:
    """Births or deaths at one time.

    contact : (n,) ndarray of int
    update : int, the update at whose end it happened
    cause : str, one of `CAUSES`
    is_birth : bool
    """

    contact: Ints
    update: int
    cause: str
    is_birth: bool


@dataclass
class Ledger:
    """State ln a of the contacts, and what moved it, by cause, in ln receptors and in receptors.

    Parameters
    ----------
    ln_start : (n_contacts,) ndarray
        ln receptors when the contact is first there.
    is_alive : (n_contacts,) ndarray of bool
        Whether it is there at the start; the others may form later, see `form`.

    Notes
    -----
    Operator splitting: the causes act one after the other within an update, each books what it changed.
    ``ln a(T) - ln_start`` is the sum over the causes while the contact lives, ``a(T) - a(0)`` is so for every contact:
    a birth adds the receptors of the new contact to its cause, a death takes those that were left. Each to 1e-12.
    `parts` splits a cause further, such as learning by the task that it belongs to, in ln receptors and in receptors.
    """

    ln_start: Floats
    is_alive: Bools
    ln_a: Floats = field(init=False)
    a_start: Floats = field(init=False)
    a: Floats = field(init=False)
    log: dict[str, Account] = field(init=False)
    linear: dict[str, Account] = field(init=False)
    parts: dict[str, tuple[Account, Account]] = field(init=False, default_factory=dict)
    events: list[Event] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        n = self.ln_start.size
        self.is_alive = self.is_alive.copy()
        self.ln_a = self.ln_start.copy()
        self.a_start = np.where(self.is_alive, np.exp(self.ln_a), 0.0)
        self.a = self.a_start
        self.log = {cause: Account.empty(n) for cause in CAUSES}
        self.linear = {cause: Account.empty(n) for cause in CAUSES}

    def book(self, cause: str, change_ln: Floats, *parts: str) -> None:
        """Move ln a of the living by `change_ln`; book what really changed, after rounding, to `cause` and its `parts`."""
        ln_a = np.where(self.is_alive, self.ln_a + change_ln, self.ln_a)
        a = np.where(self.is_alive, np.exp(ln_a), 0.0)
        accounts = [(self.log[cause], self.linear[cause])]
        for part in parts:
            if part not in self.parts:
                self.parts[part] = Account.empty(a.size), Account.empty(a.size)
            accounts.append(self.parts[part])
        for log, linear in accounts:
            log.add(ln_a - self.ln_a)
            linear.add(a - self.a)
        self.ln_a, self.a = ln_a, a

    def form(self, contact: Ints, update: int, cause: str) -> None:
        """Let contacts that were not there yet appear with the size that they start with."""
        self._switch(contact, update, cause, True)

    def eliminate(self, contact: Ints, update: int, cause: str) -> None:
        """Let living contacts vanish."""
        self._switch(contact, update, cause, False)

    def _switch(self, contact: Ints, update: int, cause: str, is_birth: bool) -> None:
        if not contact.size:
            return
        self.is_alive[contact] = is_birth
        a = np.where(self.is_alive, np.exp(self.ln_a), 0.0)
        self.linear[cause].add(a - self.a)
        self.a = a
        self.events.append(Event(contact, update, cause, is_birth))

    def error(self) -> tuple[float, float]:
        """Largest deviation of the sum of causes from the change, in ln receptors and in receptors."""
        log = sum(self.log[cause].value for cause in CAUSES) - (self.ln_a - self.ln_start)
        linear = sum(self.linear[cause].value for cause in CAUSES) - (self.a - self.a_start)
        return float(np.max(np.abs(log), initial=0.0)), float(np.max(np.abs(linear), initial=0.0))
