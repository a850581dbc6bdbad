"""The law of the causes in a network, fitted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.errors import SynimgError
from synimg.phantoms.clusters import fit_clusters
from synimg.phantoms.factors import Factors, fit_factors
from synimg.phantoms.law import (
    AXON,
    EXCITATORY,
    INHIBITORY,
    LEAST_RATE,
    N_RANKS,
    TRAITS,
    Field,
    Law,
    Pool,
    Units,
    is_lasting,
    moments,
    quantiles_of,
    size_step,
    surplus_of,
)
from synimg.phantoms.ledger import CAUSES
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Attributes = dict[str, NDArray[Any]]
ANSWERS = ("homeostasis", "ln_rate_end")
"""Traits that answer to the learning that a neuron's own partners brought."""
RATES = ("ln_rate_start", "ln_rate_end")
N_NEIGHBOURS = 5


def fit_law(
    contacts: Attributes,
    nodes: Attributes,
    snapshots: dict[str, Floats] | None = None,
    largest_ln: float = np.inf,
    potentiated_ln: float = 0.2,
) -> Law:
    """The law of a network whose causes are known.

    Parameters
    ----------
    contacts : dict of (n,) ndarray
        As `synimg.store.network.read_network` gives the excitatory edges: ``source``, ``target``, ``edge``, ``along``,
        ``head_volume_um3``, ``a_first``, ``a_start``, ``a_end`` [receptors], ``is_plastic``, ``ln_learning``,
        ``ln_homeostasis``, ``ln_drift``, ``formed_update``, ``formed_cause``, ``eliminated_update``,
        ``eliminated_cause``. A source beyond the units is an axon from outside.
    nodes : dict of (n_units,) ndarray
        ``is_excitatory``, ``rate_start``, ``rate_end``.
    snapshots : dict of (n_times, n) ndarray, optional
        ln receptors by cause as the window went on, first to last; without them every cause acts evenly.
    largest_ln : float
        Learning of no contact goes beyond, up or down.
    potentiated_ln : float
        Learning from which a contact counts as potentiated, and may have others form beside it.

    Raises
    ------
    SynimgError
        If causes are unknown, or hardly any contact is there.

    Notes
    -----
    Learning is ``base + row_i + column_j + left_i . right_j`` and a rest (`synimg.phantoms.factors`): the units' part
    is redrawn unit by unit, the rest, sizes, drift, births and deaths contact by contact (`synimg.phantoms.population`).
    """
    if not all(np.isfinite(contacts[f"ln_{cause}"]).all() for cause in CAUSES):
        raise SynimgError(
            "the network came without causes, so there is no law of them to draw from; "
            "give its edges the columns learning, homeostasis and drift"
        )
    ends, fate, stays = _ends(contacts, nodes), fates(contacts), is_lasting(contacts)
    n_units, kind, post, pre, edge = ends.n_units, ends.kind, ends.post, ends.pre, ends.edge
    if stays.sum() < 100:
        raise SynimgError(f"the network has {int(stays.sum())} lasting synapses; a law is fitted to 100 or more")
    learning, ln_a = contacts["ln_learning"], np.log(contacts["a_first"])

    factors = _factors(ends, learning, stays & (contacts["is_plastic"] > 0))
    foretold = factors.at(post, pre)
    slope = _slopes(fate, foretold, learning)
    h, of_size, of_drift = (
        _means(post[stays], values[stays], n_units, shrink=shrink)
        for values, shrink in ((contacts["ln_homeostasis"], False), (ln_a, True), (contacts["ln_drift"], True))
    )
    taken = _slopes(fate, h[post], contacts["ln_homeostasis"])
    rates = [np.log(nodes[f"rate_{when}"] + LEAST_RATE) for when in ("start", "end")]
    has_rates = bool(np.isfinite(rates).all())
    trait = _traits(factors, h, of_size, of_drift, rates if has_rates else [])
    low, high = trait[:n_units].min(axis=0), trait[:n_units].max(axis=0)
    partner = trait[pre[stays]].mean(axis=0)
    surplus = surplus_of(post[stays], learning[stays], trait[:n_units], partner, factors.base, factors.rank)
    expected = _means(post[stays], learning[stays], n_units, shrink=False) - surplus
    answer = _answers(trait[:n_units], expected, surplus)
    trait[:n_units] -= surplus[:, None] * answer

    own = np.column_stack([ln_a - of_size[post], contacts["ln_drift"] - of_drift[post]])
    spread, bandwidth = _smoothing(own, fate)
    brings: Attributes = {
        "rest": learning - slope[fate] * foretold,
        "ln_size": own[:, 0],
        "ln_volume_per_receptor": np.log(contacts["head_volume_um3"]) - ln_a,
        "drift": own[:, 1],
        "homeostasis": contacts["ln_homeostasis"] - taken[fate] * h[post],
        "fate": fate,
        "is_plastic": contacts["is_plastic"] > 0,
        "beside": _to_potentiated(contacts, post, stays & (learning > potentiated_ln)),
        **{f"{what}_{of}": contacts[f"{what}_{of}"] for what in ("formed", "eliminated") for of in ("update", "cause")},
    }
    pools, pre_kind, per_edge = _pools(edge, kind[post], kind[pre], foretold, brings)
    clusters = fit_clusters(post[stays], edge[stays], contacts["along"][stays], learning[stays])
    n_contacts = np.bincount(post, minlength=kind.size)
    n_out = np.bincount(pre[np.unique(edge, return_index=True)[1]], minlength=kind.size)
    facts = {
        "n_neurons": int(n_units),
        "n_synapses": int(post.size),
        "synapses_per_neuron": float(post.size / n_units),
        "n_axons": int(kind.size - n_units),
        "rank_of_learning": factors.rank,
        "held_out_r2_of_learning": factors.held_out_r2,
        "correlation_of_nearest": clusters.nearest,
        "correlation_length_contacts": clusters.length,
        "statistics": statistics(post, contacts, n_units),
    }
    return Law(
        units=tuple(_units(k, kind, trait, n_contacts, n_out) for k in (EXCITATORY, INHIBITORY, AXON)),  # type: ignore[arg-type]
        answer=answer,
        partner=partner,
        low=low,
        high=high,
        base=factors.base,
        rank=factors.rank,
        pre_kind=pre_kind,
        contacts_per_edge=per_edge,
        pools=pools,
        learning=quantiles_of(learning, kind[post], kind[pre] == AXON, ~stays, contacts["is_plastic"] > 0),
        factor=taken,
        foretold=slope,
        bandwidth=bandwidth,
        spread=spread,
        field=_field(contacts, post, h, stays),
        clusters=clusters,
        place=np.sort(contacts["along"]),
        course=_course(snapshots, contacts, stays),
        largest_ln=largest_ln,
        potentiated_ln=potentiated_ln,
        has_rates=has_rates,
        facts=facts,
    )


@dataclass(frozen=True)
class _Ends:
    """Who is joined to whom.

    n_units : units of the network; axons from outside are numbered on behind them, without gaps
    kind : (n_units + n_axons,) ndarray of int
    post, pre : (n_contacts,) ndarray of int
    edge : (n_contacts,) ndarray of int, connections, without gaps
    """

    n_units: int
    kind: Ints
    post: Ints
    pre: Ints
    edge: Ints


def _ends(contacts: Attributes, nodes: Attributes) -> _Ends:
    """The ends of all contacts."""
    n_units = nodes["is_excitatory"].size
    source, post = contacts["source"].astype(np.int64), contacts["target"].astype(np.int64)
    axons = np.unique(source[source >= n_units])
    pre = np.where(source < n_units, source, n_units + np.searchsorted(axons, source))
    kind = np.concatenate([np.where(nodes["is_excitatory"] > 0, EXCITATORY, INHIBITORY), np.full(axons.size, AXON)])
    return _Ends(n_units, kind, post, pre, np.unique(contacts["edge"], return_inverse=True)[1])


def _factors(ends: _Ends, learning: Floats, used: Bools) -> Factors:
    """The units' part of learning, from one contact of each connection with contacts that are `used`."""
    among = np.flatnonzero(used)
    one = among[np.unique(ends.edge[among], return_index=True)[1]]
    shape = (ends.n_units, ends.kind.size)
    return fit_factors(ends.post[one], ends.pre[one], learning[one], shape, stream(0, "population", "factors"))


def _traits(factors: Factors, h: Floats, of_size: Floats, of_drift: Floats, rates: list[Floats]) -> Floats:
    """Traits of all units (`TRAITS`, then the factors); 0 for what a unit does not have, or is not known of it."""
    n_units, first = h.size, len(TRAITS)
    trait = np.zeros((factors.column.size, first + 2 * factors.rank))
    trait[:n_units, : first - len(RATES)] = np.column_stack([factors.row, np.zeros(n_units), h, of_size, of_drift])
    for name, values in zip(RATES, rates, strict=False):
        trait[:n_units, TRAITS.index(name)] = values
    trait[:, TRAITS.index("column")] = factors.column
    trait[:n_units, first : first + factors.rank] = factors.left
    trait[:, first + factors.rank :] = factors.right
    return trait


def _answers(trait: Floats, expected: Floats, surplus: Floats) -> Floats:
    """Slope of each trait that answers on the surplus of mean learning, given the learning that was expected.

    Less than three times its own standard error is taken for none.
    """
    answer = np.zeros(trait.shape[1])
    design = np.column_stack([np.ones(surplus.size), expected, surplus])
    cofactor = np.linalg.pinv(design.T @ design)[2, 2]
    for name in ANSWERS:
        values = trait[:, TRAITS.index(name)]
        if (
            name == "ln_rate_end"
        ):  # what the rate has risen by: neurons differ far more in the rate that they start from
            values = values - trait[:, TRAITS.index("ln_rate_start")]
        fitted = np.linalg.lstsq(design, values, rcond=None)[0]
        error = np.sqrt(np.mean((values - design @ fitted) ** 2) * cofactor)
        answer[TRAITS.index(name)] = fitted[2] * (abs(fitted[2]) > 3.0 * error)
    return answer


def _smoothing(own: Floats, fate: Ints) -> tuple[Floats, Floats]:
    """Mean and sd of sizes and drift (n, 2) by fate, and Silverman's bandwidth (1986, eq. 3.31), in the same proportion."""
    spread = np.array([[own[fate == f].mean(axis=0), own[fate == f].std(axis=0)] for f in range(int(fate.max()) + 1)])
    lasting = own[fate == 0]
    low, high = np.quantile(lasting, [0.25, 0.75], axis=0)
    width = 0.9 * np.minimum(spread[0, 1], (high - low) / 1.34) * len(lasting) ** -0.2
    return spread, width * spread[:, 1] / np.maximum(spread[0, 1], 1e-300)


def fates(contacts: Attributes) -> Ints:
    """What became of each contact: 0 lasted, then thirds of the eliminated and of the formed ones by their time."""
    fate = np.zeros(contacts["target"].size, np.int64)
    last = 0
    for what in ("eliminated", "formed"):  # of those that were both, the time of birth tells more
        when = contacts[f"{what}_update"]
        happened = when >= 0
        if happened.sum() < 90:
            fate[happened] = last + 1
            last += bool(happened.any())
        else:
            cuts = np.quantile(when[happened], [1 / 3, 2 / 3])
            fate[happened] = last + 1 + np.searchsorted(cuts, when[happened])
            last += 3
    # a fate that nobody has (all of its contacts formed as well as vanished) is left out
    return np.unique(fate, return_inverse=True)[1] if (fate == 0).any() else fate


def statistics(post: Ints, contacts: Attributes, n_units: int) -> dict[str, dict[str, float]]:
    """Mean, sd and share of the variance between postsynaptic neurons, of every cause in ln receptors."""
    return {cause: moments(post, contacts[f"ln_{cause}"], n_units) for cause in CAUSES}


def _slopes(fate: Ints, x: Floats, y: Floats) -> Floats:
    """Slope of `y` on `x` for the contacts of each fate (n_fates,); 1 for those that lasted."""
    slopes = np.array([_slope(x[fate == f], y[fate == f]) for f in range(int(fate.max()) + 1)])
    slopes[0] = 1.0
    return slopes


def _slope(x: Floats, y: Floats) -> float:
    """Slope of `y` on `x` through the origin."""
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else 0.0


def _means(post: Ints, values: Floats, n_units: int, shrink: bool) -> Floats:
    """Mean of every unit; or what units have in common, with the variance that sampling does not explain.

    Notes
    -----
    The means of units scatter even if their contacts are alike. The variance between units is estimated by one-way
    analysis of variance and the means are scaled to it (zero if there is none): a population adds the scatter of its own.
    """
    n = np.bincount(post, minlength=n_units)
    has = n > 0
    means = np.where(has, np.bincount(post, values, n_units) / np.maximum(n, 1), 0.0)
    if not shrink:
        return means
    grand = float(values.mean())
    within = float(np.sum((values - means[post]) ** 2)) / max(values.size - int(has.sum()), 1)
    about = float(np.sum(n * (means - grand) ** 2 * has)) / max(int(has.sum()) - 1, 1)
    per_unit = (values.size - float(np.sum(n.astype(float) ** 2)) / values.size) / max(int(has.sum()) - 1, 1)
    between = max(about - within, 0.0) / per_unit
    # less than three times its own standard error is taken for none
    if between <= 3.0 * within / per_unit * np.sqrt(2.0 / max(int(has.sum()) - 1, 1)):
        return np.zeros(n_units)
    deviation = np.where(has, means - grand, 0.0)
    return deviation * np.sqrt(between / np.mean(deviation[has] ** 2))


def _units(which: int, kind: Ints, trait: Floats, n_contacts: Ints, n_out: Ints) -> Units:
    """The units of one kind, each with those most like it in all traits."""
    number = np.flatnonzero(kind == which)
    own = trait[number]
    k = min(N_NEIGHBOURS, number.size - 1)
    neighbour = np.zeros((number.size, max(k, 1)), np.int64) + np.arange(number.size)[:, None]
    if k >= 1:
        sd = own.std(axis=0)
        scaled = own / np.where(sd > 0, sd, 1.0)
        _, found = cKDTree(scaled).query(scaled, k + 1)
        # of units that are all alike, one may not find itself first
        neighbour = np.array([[j for j in row if j != i][:k] for i, row in enumerate(found)])
    out = n_out[number]
    return Units(number, own, neighbour, n_contacts[number], out / max(int(out.max(initial=0)), 1))


def _pools(
    edge: Ints, post_kind: Ints, pre_kind: Ints, foretold: Floats, brings: Attributes
) -> tuple[dict[tuple[int, int, int], Pool], Floats, Floats]:
    """The donors, and how often each kind of them occurs."""
    order = np.argsort(edge, kind="stable")
    size = np.bincount(edge)
    first = np.cumsum(size) - size
    lead = order[first]
    most = int(size.max())
    from_outside = (pre_kind[lead] == AXON).astype(np.int64)
    onto = post_kind[lead]
    pools: dict[tuple[int, int, int], Pool] = {}
    share, per_edge = np.zeros((2, 2)), np.zeros((2, 2, most))
    for post in (EXCITATORY, INHIBITORY):
        for outside in (0, 1):
            mine = (onto == post) & (from_outside == outside)
            share[post, outside] = mine.sum()
            for n in range(1, most + 1):
                rows = np.flatnonzero(mine & (size == n))
                per_edge[post, outside, n - 1] = rows.size
                if rows.size:
                    rows = rows[np.argsort(foretold[lead[rows]], kind="stable")]
                    contact = order[first[rows][:, None] + np.arange(n)]
                    donors = {name: values[contact] for name, values in brings.items()}
                    pools[post, outside, n] = Pool(foretold[lead[rows]], donors)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
    per_edge /= np.maximum(per_edge.sum(axis=2, keepdims=True), 1)
    return pools, share, per_edge


def _field(contacts: Attributes, post: Ints, h: Floats, stays: Bools) -> Field | None:
    """What homeostasis does along the dendrites beyond one factor per neuron; None if that is nothing."""
    where = np.flatnonzero(stays)
    deviation = contacts["ln_homeostasis"][where] - h[post[where]]
    if np.abs(deviation).max() < 1e-9:
        return None
    step = size_step(post[where], contacts["a_first"][where])
    own = h[post[where]]
    total = np.bincount(step, own**2, N_RANKS)
    by_rank = np.bincount(step, own * deviation, N_RANKS) / np.maximum(total, 1e-300)
    rest = deviation - own * by_rank[step]
    # a place at the very end of one dendrite must not be the start of the next
    place = np.asarray(post[where] + np.minimum(contacts["along"][where], 1.0 - 1e-9), np.float64)
    order = np.argsort(place, kind="stable")
    return Field(by_rank, place[order], rest[order])


def _to_potentiated(contacts: Attributes, post: Ints, strong: Bools) -> Floats:
    """Distance of each contact to the nearest potentiated one on its dendrite [contacts]; infinite where there is none."""
    per_unit = np.bincount(post)
    line = 4.0 * post + contacts["along"]
    distance = np.full(post.size, np.inf)
    if strong.any():
        distance, _ = cKDTree(line[strong][:, None]).query(line[:, None], distance_upper_bound=1.0)
    return distance * per_unit[post]


def _course(snapshots: dict[str, Floats] | None, contacts: Attributes, stays: Bools) -> Floats:
    """Share of its final value that each cause has reached at the snapshots: regression over the lasting contacts."""
    if snapshots is None:
        return np.tile([0.0, 1.0], (len(CAUSES), 1))
    course = []
    for cause in CAUSES:
        final = contacts[f"ln_{cause}"][stays]
        square = float(final @ final)
        path = snapshots[cause][:, stays] @ final / square if square > 0 else np.linspace(0, 1, len(snapshots[cause]))
        course.append(np.concatenate([[0.0], path[1:-1], [1.0]]))
    return np.array(course)
