"""A population of any number of synapses, drawn from the law of a trained network."""

from collections.abc import Iterator
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg import counter
from synimg.errors import SynimgError
from synimg.phantoms.clusters import dendritic_field
from synimg.phantoms.law import (
    AXON,
    EXCITATORY,
    LEVELS,
    TRAITS,
    Attributes,
    Bools,
    Field,
    Floats,
    Ints,
    Law,
    Units,
    is_lasting,
    quantiles_of,
    size_step,
    surplus_of,
)
from synimg.phantoms.ledger import CAUSES
from synimg.streams import key64, stream

JITTER = 0.25
"""How far a unit lies from its donor towards another that is much like it (sd, in steps from one to the other)."""
BOUNDED = ("homeostasis", "ln_rate_start", "ln_rate_end")
PILOT = 60_000
"""Contacts, about, from which the quantiles of learning are known before they are brought to the network's."""
BLOCK = 65_536
"""Contacts drawn together, about; also the rows of a row group. Part of what a seed means."""
FULLEST = 0.9
"""Largest share of all presynaptic units that one neuron may be connected to."""


@dataclass(frozen=True)
class Block:
    """Some neurons of a population, with all contacts on their dendrites.

    neuron : (n_neurons,) ndarray of int, their numbers from 0
    kind : (n_neurons,) ndarray of int, `EXCITATORY` or `INHIBITORY`
    trait : (n_neurons, n_traits) ndarray, as in `Units`
    contact : dict of (n_contacts,) ndarray, the attributes of `fit_law`, ``source`` and ``target`` from 0, ``edge`` the
        row of the connection's first contact
    first_row : int, of the contacts, in the population
    """

    neuron: Ints
    kind: Ints
    trait: Floats
    contact: Attributes
    first_row: int


class Population:
    """The plan of a population: who is there, and how many contacts are on each dendrite. `block` draws them.

    Parameters
    ----------
    law : Law
        Of the trained network.
    n_synapses : int
        Contacts in all, exactly.
    seed : int
        The same seed gives the same population.
    n_neurons : int, optional
        Neurons; as many as hold so many synapses in the trained network if not given.
    is_levelled : bool
        Bring the quantiles of learning to the network's; without, what units and donors add up to.

    Raises
    ------
    SynimgError
        If the neurons are too few to connect that densely.

    Notes
    -----
    *Neurons* are drawn whole: a donor of the same cell type, each as often as any other (a balanced bootstrap;
    Davison, Hinkley, Schechtman 1986, Biometrika 73:555: a few neurons hold most of the learning), moved some way
    towards another neuron like it (a smoothed one; Silverman and Young 1987, Biometrika 74:469), with all that the
    law knows of it: rates, homeostatic factor, mean learning, factors of learning as post- and as presynaptic cell,
    number of contacts. Thus learning stays of low rank, and what a neuron's synapses have in common goes with its
    rates. A unit is a function of (seed, its number), so that its synapses on all others agree about it.

    *Connections* go to presynaptic cells as often as their donors', none twice to one. What the two cells foretell is
    what their factors say; a donor among the connections of the same kind of which about the same was foretold adds the
    rest of learning, sizes, drift, births and deaths, contact by contact, with sizes and drift smoothed (Silverman's
    bandwidth) at their variance. A monotone map brings learning to the network's quantiles, for the sum of both is not
    silent where units are, and the ridge made factors too small; none goes beyond the network's largest. Where a
    neuron's partners bring more learning than average ones would, its homeostasis and its rate answer with the network's
    slope.

    *Places* along the dendrite are given to the contacts last, by the rank of their learning in a field of the
    network's correlation (Iman and Conover 1982, Commun Stat 11:311; 0 where it has none), which touches nothing else.
    """

    def __init__(
        self, law: Law, n_synapses: int, seed: int, n_neurons: int | None = None, is_levelled: bool = True
    ) -> None:
        self.law, self.n_synapses, self.seed = law, n_synapses, seed
        excitatory, inhibitory, axons = (units.number.size for units in law.units)
        n_source = excitatory + inhibitory
        per_neuron = law.facts["synapses_per_neuron"]
        self.n_neurons = n = n_neurons or max(round(n_synapses / per_neuron), 1)
        n_excitatory = n * excitatory // n_source if inhibitory else n
        outside = max(axons, round(axons * n / n_source)) if axons else 0
        self.n_units = (n_excitatory, n - n_excitatory, outside)
        self.n_per_block = max(1, round(BLOCK * n / n_synapses))
        self._order = [
            stream(seed, "population", "order", which).permutation(units.number.size)
            for which, units in enumerate(law.units)
        ]
        self._check(n_neurons)
        ends = np.concatenate([[0], np.cumsum([self._wanted(k).sum() for k in range(self.n_blocks)])])
        self._before, self._stretch = ends, n_synapses / max(float(ends[-1]), 1.0)
        self._marginal = _unlevelled(law) if is_levelled else {}

    @property
    def n_blocks(self) -> int:
        """Blocks that `block` can draw."""
        return -(-self.n_neurons // self.n_per_block)

    def block(self, number: int) -> Block:
        """The neurons of one block and their contacts; it does not matter which other blocks are drawn."""
        law, rng = self.law, stream(self.seed, "population", "block", number)
        neuron = self._neurons(number)
        kind, donor, trait = self._drawn(neuron)
        ends = np.concatenate([[0], np.cumsum(self._wanted(number))]) + self._before[number]
        rows = np.floor(ends * self._stretch + 0.5).astype(np.int64)
        n_contacts = np.diff(rows)
        post, outside, size, edge = _connections(law, kind, n_contacts, rng)
        pre = self._partners(neuron[post], outside, post, rng)
        foretold = law.base + self._learning(trait[post], pre)
        contact = _donors(law, kind[post], outside, size, foretold, rng)
        whole = np.flatnonzero(edge >= 0)  # the last connection of a neuron may have had too many contacts
        edge = edge[whole]
        contact = {name: values[whole] for name, values in contact.items()}
        onto, first_row = post[edge], int(rows[0])
        chance = rng.random(post.size)[edge]
        learning = self._levelled(_learning(law, foretold[edge], contact), kind[onto], outside[edge], contact, chance)
        lasts = contact["fate"] == 0
        trait = _answering(law, onto[lasts], learning[lasts], trait)
        drawn = _causes(law, onto, trait[onto], donor[onto], learning, contact, rng)
        own = {
            "source": pre[edge],
            "target": neuron[onto],
            "edge": first_row + np.searchsorted(edge, edge),
            "is_plastic": contact["is_plastic"],
            **{name: contact[name] for name in contact if name.startswith(("formed_", "eliminated_"))},
        }
        return Block(neuron, kind, trait, own | drawn, first_row)

    def _levelled(
        self, learning: Floats, post_kind: Ints, outside: Bools, contact: Attributes, chance: Floats
    ) -> Floats:
        """Learning brought to the network's quantiles by kind; where many are equal, `chance` says who is above whom."""
        levelled = learning.copy()
        for (post, axon, lasted), drawn in self._marginal.items():
            own = (post_kind == post) & (outside == axon) & ((contact["fate"] == 0) == lasted) & contact["is_plastic"]
            first, end = (np.searchsorted(drawn, learning[own], side) for side in ("left", "right"))
            among = LEVELS[np.minimum(first, LEVELS.size - 1)], LEVELS[np.maximum(end - 1, 0)]
            level = np.where(
                end - first >= 2,
                among[0] + chance[own] * (among[1] - among[0]),
                np.interp(learning[own], drawn, LEVELS),
            )
            levelled[own] = np.interp(level, LEVELS, self.law.learning[post, axon, lasted])
        return levelled

    def _check(self, n_neurons: int | None) -> None:
        law, most = self.law, max(int(u.n_contacts.max(initial=0)) for u in self.law.units[:2])
        densest = most * self.n_synapses / (self.n_neurons * law.facts["synapses_per_neuron"])
        for outside, there in ((0, self.n_units[EXCITATORY] - 1), (1, self.n_units[AXON])):
            wanted = densest * float(law.pre_kind[:, outside].max())
            if wanted > FULLEST * there:
                whom = "axons" if outside else "excitatory neurons"
                raise SynimgError(
                    f"{self.n_synapses} synapses on {self.n_neurons} neurons: one neuron would have up to {wanted:.0f}, from "
                    f"no more than {max(there, 0)} {whom}; "
                    + (f"ask for {self._least()} synapses or more" if n_neurons is None else "ask for more neurons")
                )

    def _least(self) -> int:
        """Synapses of the smallest population as dense as the network."""
        law = self.law
        most = max(int(units.n_contacts.max(initial=0)) for units in law.units[:2]) * float(law.pre_kind[:, 0].max())
        share = law.units[EXCITATORY].number.size / law.facts["n_neurons"]
        return int(np.ceil((most / FULLEST + 2) / share * law.facts["synapses_per_neuron"]))

    def _neurons(self, block: int) -> Ints:
        first = block * self.n_per_block
        return np.arange(first, min(first + self.n_per_block, self.n_neurons))

    def _wanted(self, block: int) -> Ints:
        """Contacts on the neurons of a block as many as their donors have."""
        neuron = self._neurons(block)
        n = np.empty(neuron.size, np.int64)
        for which, own, number in self._by_kind(neuron):
            units = self.law.units[which]
            n[own] = units.n_contacts[self._donor(which, number)[0]]
        return n

    def _by_kind(self, unit: Ints) -> Iterator[tuple[int, Bools, Ints]]:
        """The kinds of the `unit`s from 0 (excitatory, inhibitory, axons), which they are and their numbers among them."""
        first = 0
        for which, n in enumerate(self.n_units):
            own = (unit >= first) & (unit < first + n)
            if own.any():
                yield which, own, unit[own] - first
            first += n

    def _donor(self, which: int, number: Ints) -> tuple[Ints, Ints, Floats]:
        """Donor of each unit of a kind, the other one that it lies towards, and how far."""
        units = self.law.units[which]
        n = units.number.size
        turn, place = np.divmod(number, n)
        # every donor once in each turn, which starts elsewhere in their order
        start = _unit_numbers(self._key("turn", which), turn.astype(np.uint64))[:, 0]
        donor = self._order[which][(place + (start * n).astype(np.int64)) % n]
        drawn = _unit_numbers(self._key("unit", which), number.astype(np.uint64))
        towards = units.neighbour[donor, (drawn[:, 0] * units.neighbour.shape[1]).astype(np.int64)]
        return donor, towards, JITTER * drawn[:, 1]

    def _key(self, what: str, which: int) -> np.uint64:
        return np.uint64(key64(self.seed, "population", what, which))

    def _drawn(self, unit: Ints) -> tuple[Ints, Ints, Floats]:
        """Kind, donor's number in the network, and traits of units."""
        kind, of = np.empty(unit.size, np.int64), np.empty(unit.size, np.int64)
        trait = np.empty((unit.size, self.law.units[EXCITATORY].trait.shape[1]))
        for which, own, number in self._by_kind(unit):
            units = self.law.units[which]
            donor, towards, step = self._donor(which, number)
            kind[own], of[own] = which, units.number[donor]
            trait[own] = _between(units, donor, towards, step)
        return kind, of, trait

    def _learning(self, post_trait: Floats, pre: Ints) -> Floats:
        """Learning of connections that their units foretell, above the mean of all."""
        first, rank = len(TRAITS), self.law.rank
        _, _, pre_trait = self._drawn(pre)
        together = np.einsum("nk,nk->n", post_trait[:, first : first + rank], pre_trait[:, first + rank :])
        return post_trait[:, TRAITS.index("row")] + pre_trait[:, TRAITS.index("column")] + together

    def _partners(self, neuron: Ints, outside: Bools, post: Ints, rng: np.random.Generator) -> Ints:
        """Presynaptic unit of each connection: by the reach of their donors, never the neuron itself, none twice."""
        n_excitatory, n_inhibitory, n_axons = self.n_units
        first = np.where(outside, n_excitatory + n_inhibitory, 0)
        choice = np.where(outside, n_axons, n_excitatory)
        pre = np.empty(neuron.size, np.int64)
        todo = np.arange(neuron.size)
        while todo.size:
            number = (rng.random(todo.size) * choice[todo]).astype(np.int64)
            reach = np.empty(todo.size)
            for which, own in ((EXCITATORY, ~outside[todo]), (AXON, outside[todo])):
                if own.any():
                    reach[own] = self.law.units[which].reach[self._donor(which, number[own])[0]]
            pre[todo] = first[todo] + number
            refused = (rng.random(todo.size) >= reach) | (pre[todo] == neuron[todo])
            # the refused stand behind all others: of equals, the one that may stay is the first
            late = np.zeros(neuron.size, bool)
            late[todo[refused]] = True
            order = np.lexsort((late, pre, post))
            again = np.zeros(neuron.size, bool)
            again[order[1:]] = (np.diff(pre[order]) == 0) & (np.diff(post[order]) == 0)
            todo = np.flatnonzero(again | late)
        return pre


def _unlevelled(law: Law) -> dict[tuple[int, int, bool], Floats]:
    """Quantiles of learning, by kind, before it is brought to those of the network: from a population of its own."""
    n = max(law.facts["n_neurons"], round(PILOT / law.facts["synapses_per_neuron"]))
    pilot = Population(law, round(n * law.facts["synapses_per_neuron"]), 0, n, is_levelled=False)
    blocks = [pilot.block(k) for k in range(pilot.n_blocks)]
    kind = np.concatenate([b.kind for b in blocks])
    c = {name: np.concatenate([b.contact[name] for b in blocks]) for name in blocks[0].contact}
    outside = c["source"] >= pilot.n_neurons
    return quantiles_of(c["ln_learning"], kind[c["target"]], outside, ~is_lasting(c), c["is_plastic"])


@nb.njit
def _unit_numbers(key: np.uint64, number: NDArray[np.uint64]) -> Floats:
    """A uniform number and a normal one for each `number`, functions of it alone."""
    out = np.empty((number.size, 2))
    for i in range(number.size):
        state = counter.start(key, number[i])
        state, out[i, 0] = counter.uniform(state)
        state, out[i, 1] = counter.normal(state)
    return out


def _between(units: Units, donor: Ints, towards: Ints, step: Floats) -> Floats:
    """Traits on the way from donors to others."""
    trait: Floats = units.trait[donor] + step[:, None] * (units.trait[towards] - units.trait[donor])
    return trait


def _answering(law: Law, post: Ints, learning: Floats, trait: Floats) -> Floats:
    """Traits of neurons after they have answered to the learning that their partners brought, within their range."""
    surplus = surplus_of(post, learning, trait, law.partner, law.base, law.rank)
    answered = trait + surplus[:, None] * law.answer
    for name in BOUNDED:
        column = TRAITS.index(name)
        answered[:, column] = np.clip(answered[:, column], law.low[column], law.high[column])
    return answered


def _connections(law: Law, kind: Ints, n_contacts: Ints, rng: np.random.Generator) -> tuple[Ints, Bools, Ints, Ints]:
    """Connections until every neuron has its contacts.

    Returns
    -------
    post, outside, size : (n_edges,) ndarray
        Neuron in the block, whether an axon from outside is the presynaptic unit, and number of contacts.
    edge : (sum of size,) ndarray of int
        Connection of each contact, -1 for those beyond what the neuron has.
    """
    post = np.repeat(np.arange(kind.size), n_contacts)
    outside = rng.random(post.size) < law.pre_kind[kind[post], 1]
    steps = np.cumsum(law.contacts_per_edge, axis=2)[kind[post], outside.astype(np.int64), :-1]
    size = 1 + (rng.random(post.size)[:, None] >= steps).sum(axis=1)
    first = np.cumsum(n_contacts) - n_contacts
    total = np.cumsum(size) - size
    before = total - total[np.minimum(first, max(post.size - 1, 0))][post] if post.size else total
    needed = before < n_contacts[post]
    post, outside, size, before = post[needed], outside[needed], size[needed], before[needed]
    edge = np.repeat(np.arange(post.size), size)
    within = np.arange(edge.size) - (np.cumsum(size) - size)[edge]
    edge = np.where(before[edge] + within < n_contacts[post[edge]], edge, -1)
    return post, outside, size, edge


def _donors(law: Law, kind: Ints, outside: Bools, size: Ints, foretold: Floats, rng: np.random.Generator) -> Attributes:
    """What the contacts get from connections of the same kind of which about the same learning was foretold."""
    first = np.cumsum(size) - size
    some = next(iter(law.pools.values())).contact
    drawn = {name: np.empty(int(size.sum()), values.dtype) for name, values in some.items()}
    for (post, from_outside, n), pool in law.pools.items():
        own = np.flatnonzero((kind == post) & (outside == bool(from_outside)) & (size == n))
        there = pool.foretold.size
        width = min(there, 2 + int(np.sqrt(there)))
        first_alike, end_alike = (np.searchsorted(pool.foretold, foretold[own], side) for side in ("left", "right"))
        middle = first_alike + (rng.random(own.size) * (end_alike - first_alike)).astype(np.int64)
        low = np.clip(middle - width // 2, 0, there - width)
        donor = low + (width * rng.random(own.size)).astype(np.int64)
        place = first[own][:, None] + np.arange(n)
        for name, values in pool.contact.items():
            drawn[name][place] = values[donor]
    return drawn


def _learning(law: Law, foretold: Floats, contact: Attributes) -> Floats:
    """Learning of contacts from what their units foretell and what their donors bring."""
    learning = np.clip(law.foretold[contact["fate"]] * foretold + contact["rest"], -law.largest_ln, law.largest_ln)
    return np.where(contact["is_plastic"], learning, 0.0)


def _causes(
    law: Law, post: Ints, trait: Floats, donor: Ints, learning: Floats, contact: Attributes, rng: np.random.Generator
) -> Attributes:
    """Sizes, places and the causes of contacts in both scales, from what their neurons and their donors bring."""
    fate = contact["fate"]
    own = []
    for k, name in enumerate(("ln_size", "drift")):
        mean, sd = law.spread[fate, 0, k], law.spread[fate, 1, k]
        width = np.divide(law.bandwidth[fate, k], sd, out=np.zeros(fate.size), where=sd > 0)
        moved = contact[name] - mean + width * sd * rng.standard_normal(fate.size)
        own.append(mean + moved / np.sqrt(1.0 + width**2))
    ln_first = own[0] + trait[:, TRAITS.index("size")]
    drift = own[1] + trait[:, TRAITS.index("drift")]
    along = _places(law, post, learning, contact, rng)
    factor = trait[:, TRAITS.index("homeostasis")]
    beyond = (
        contact["homeostasis"]
        if law.field is None
        else np.where(
            fate == 0, _along_field(law.field, donor, along, factor, size_step(post, ln_first)), contact["homeostasis"]
        )
    )
    homeostasis = law.factor[fate] * factor + beyond
    ln = np.stack([learning, homeostasis, drift])
    a_start, a_end, linear = _in_receptors(ln, ln_first, contact, law.course)
    return {
        "along": along,
        "head_volume_um3": np.exp(ln_first + contact["ln_volume_per_receptor"]),
        "a_first": np.exp(ln_first),
        "a_start": a_start,
        "a_end": a_end,
        **{f"ln_{cause}": values for cause, values in zip(CAUSES, ln, strict=True)},
        **dict(zip(CAUSES, linear, strict=True)),
    }


def _places(law: Law, post: Ints, learning: Floats, contact: Attributes, rng: np.random.Generator) -> Floats:
    """Places along the dendrites: lasting contacts by their learning, those that learning formed beside strong ones."""
    at = rng.random(post.size) * (law.place.size - 1)
    below = at.astype(np.int64)
    along = law.place[below] + (at - below) * (law.place[below + 1] - law.place[below])
    lasting = np.flatnonzero(contact["fate"] == 0)
    n_on = np.bincount(post)
    if law.clusters.nearest > 0:
        order = lasting[np.lexsort((along[lasting], post[lasting]))]
        level = dendritic_field(post[order], along[order], law.clusters, rng)
        by_level = order[np.lexsort((level, post[order]))]
        by_learning = lasting[np.lexsort((learning[lasting], post[lasting]))]
        along[by_learning] = along[by_level].copy()
    beside = np.flatnonzero((contact["formed_cause"] == CAUSES.index("learning")) & np.isfinite(contact["beside"]))
    strong = lasting[learning[lasting] > law.potentiated_ln]
    strong = strong[np.argsort(post[strong], kind="stable")]
    there = np.bincount(post[strong], minlength=n_on.size)
    first = np.cumsum(there) - there
    beside = beside[there[post[beside]] > 0]
    chosen = strong[first[post[beside]] + (there[post[beside]] * rng.random(beside.size)).astype(np.int64)]
    side = np.where(rng.random(beside.size) < 0.5, -1.0, 1.0)
    place = np.abs(along[chosen] + side * contact["beside"][beside] / n_on[post[beside]])
    along[beside] = np.clip(np.where(place > 1.0, 2.0 - place, place), 0.0, 1.0)  # turned back at the dendrite's ends
    return along


def _along_field(field: Field, donor: Ints, along: Floats, factor: Floats, step: Ints) -> Floats:
    """Homeostasis beyond the neuron's factor: by size, and as on the donor's dendrite at the nearest place there."""
    place = donor + np.minimum(along, 1.0 - 1e-9)
    above = np.clip(np.searchsorted(field.place, place), 1, field.place.size - 1)
    below = above - 1
    is_own = [field.place[i].astype(np.int64) == donor for i in (below, above)]
    gap = [np.where(own, np.abs(field.place[i] - place), np.inf) for own, i in zip(is_own, (below, above), strict=True)]
    nearest = np.where(gap[0] <= gap[1], below, above)
    rest = np.where(is_own[0] | is_own[1], field.rest[nearest], 0.0)
    return factor * field.by_rank[step] + rest


def _in_receptors(ln: Floats, ln_first: Floats, contact: Attributes, course: Floats) -> tuple[Floats, Floats, Floats]:
    """Receptors at the pulse and at death, and the causes' shares (3, n) of the difference.

    Notes
    -----
    The ledger books each small step at the size that the contact has by then. Of the path only its ends are known here,
    so each cause takes the mean `course` of the network's lasting contacts; between two times all causes act evenly, and
    each takes its share of the logarithmic mean, ``d_c (a_2 - a_1) / ln(a_2 / a_1)``. Births and deaths add what the
    contact had then to their cause, as in the ledger. Rounding is left to the cause that moved most.
    """
    formed, eliminated = contact["formed_update"] >= 0, contact["eliminated_update"] >= 0
    lasting = ~(formed | eliminated)
    a_first = np.exp(ln_first)
    linear = np.zeros_like(ln)
    for path, own in ((course, lasting), (np.tile([0.0, 1.0], (len(ln), 1)), ~lasting)):
        parts, now = np.zeros((len(ln), int(own.sum()))), a_first[own]
        for step in np.diff(path, axis=1).T:
            moved = step[:, None] * ln[:, own]
            total = moved.sum(axis=0)
            parts += moved * now * np.divide(np.expm1(total), total, out=np.ones_like(total), where=total != 0)
            now = now * np.exp(total)
        linear[:, own] = parts
    a_last = np.exp(ln_first + ln.sum(axis=0))
    a_start, a_end = np.where(formed, 0.0, a_first), np.where(eliminated, 0.0, a_last)
    for happened, cause, a in (
        (formed, contact["formed_cause"], a_first),
        (eliminated, contact["eliminated_cause"], -a_last),
    ):
        linear[cause[happened], np.flatnonzero(happened)] += a[happened]
    most = np.argmax(np.abs(linear), axis=0)
    linear[most, np.arange(most.size)] += (a_end - a_start) - linear.sum(axis=0)
    return a_start, a_end, linear
