"""The network after the window in the file `truth/network.h5`, and back."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.activity import Readout
from synimg.phantoms.learned import Learned
from synimg.phantoms.ledger import CAUSES
from synimg.phantoms.stages.history import ever_there
from synimg.phantoms.wiring import Attributes, Wiring, stored_wiring
from synimg.store.network import read_network, write_network

Floats = NDArray[np.float64]


def save_network(path: Path, learned: Learned, a_without: dict[str, Floats], known: dict[str, Floats]) -> None:
    """Write the network after the window as SONATA: one edge per contact that ever lived, with the ledger by cause.

    What else is `known` of each contact goes along under its name.
    """
    wiring, ledger, kept = learned.wiring, learned.ledger, ever_there(learned)
    _, edge = np.unique(wiring.contact_edge[kept], return_inverse=True)
    born, died = (np.full(wiring.a_first.size, -1) for _ in range(2))
    by_birth, by_death = (np.full(wiring.a_first.size, -1) for _ in range(2))
    for event in learned.history.events:
        when, why = (born, by_birth) if event.is_birth else (died, by_death)
        when[event.contact], why[event.contact] = event.update, CAUSES.index(event.cause)
    contacts: dict[str, NDArray[Any]] = {
        "source": wiring.contact_pre[kept],
        "target": wiring.contact_post[kept],
        "edge": edge,
        "is_plastic": learned.is_plastic[wiring.contact_edge][kept].astype(np.uint8),
        "along": wiring.along[kept],
        "head_volume_um3": wiring.head_volume_um3[kept],
        "a_first": wiring.a_first[kept],
        "a_start": ledger.a_start[kept],
        "a_end": ledger.a[kept],
        "formed_update": born[kept],
        "formed_cause": by_birth[kept],
        "eliminated_update": died[kept],
        "eliminated_cause": by_death[kept],
        **{f"ln_{cause}": ledger.log[cause].value[kept] for cause in CAUSES},
        **{cause: ledger.linear[cause].value[kept] for cause in CAUSES},
        **{f"ln_learning_{part}": log.value[kept] for part, (log, _) in ledger.parts.items()},
        **{f"learning_{part}": linear.value[kept] for part, (_, linear) in ledger.parts.items()},
        **{f"cf_{cause}": (ledger.a - a)[kept] for cause, a in a_without.items()},
        **{name: values[kept] for name, values in known.items()},
    }
    inhibitory: dict[str, NDArray[Any]] = {
        "source": wiring.inhibitory_pre,
        "target": wiring.inhibitory_post,
        "weight": wiring.inhibitory_weight,
    }
    axons: dict[str, NDArray[Any]] = {"x": wiring.axon_position[:, 0], "y": wiring.axon_position[:, 1]}
    nodes: dict[str, NDArray[Any]] = {
        "x": wiring.position[:, 0],
        "y": wiring.position[:, 1],
        "is_excitatory": wiring.is_excitatory.astype(np.uint8),
        "leak": wiring.leak,
        "pool": learned.readouts[0].pool,
        "rate_start": learned.rate_start,
        "rate_end": learned.rate_end,
        "scale_factor": np.exp(learned.ln_factor),
        "ln_inhibition": learned.ln_inhibition,
    }
    extra: dict[str, NDArray[Any]] = {
        "w_in": wiring.w_in,
        "gain": np.array(wiring.gain),
        "gain_in": np.array(wiring.gain_in),
        "max_rate": np.array(wiring.max_rate),
    }
    for k, readout in enumerate(learned.readouts):
        extra |= {f"w_out_{k}": readout.w, f"b_out_{k}": readout.b}
    write_network(
        path,
        nodes,
        {"excitatory": contacts, "inhibitory": inhibitory},
        extra,
        axons if len(wiring.axon_position) else None,
    )


def load_network(path: Path) -> tuple[Wiring, tuple[Readout, ...], Attributes, Attributes]:
    """The wiring, the trained read-outs, and the attributes of contacts and of units that `save_network` wrote."""
    nodes, edges, extra = read_network(path)
    contacts = edges["excitatory"]
    wiring = stored_wiring(nodes, contacts, edges["inhibitory"], extra)
    n_tasks = sum(name.startswith("w_out_") for name in extra)
    readouts = tuple(Readout(extra[f"w_out_{k}"], extra[f"b_out_{k}"], ()) for k in range(n_tasks))
    return wiring, readouts, contacts, nodes
