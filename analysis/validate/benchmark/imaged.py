"""A scenario's synapses in an image: the network of its table, imaged and measured, kept beside the cells."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.analysis.measure import measure
from synimg.analysis.separation import with_known_parents
from synimg.analysis.validate.count_grid import error_law
from synimg.analysis.validate.imaging import match_truth
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.generate import generate
from synimg.phantoms.scenarios.draw import Drawn, draw
from synimg.phantoms.scenarios.scenario import Scenario
from synimg.store.atomic import read_json, write_json
from synimg.store.tables import read_table, write_table

WINDOW_DAYS = 2.0
SHAPE_VOX, CHUNK_VOX = (48, 512, 512), (16, 256, 256)
NOT_THERE = {"learning": 0.0, "homeostasis": 0.0, "drift": 0.0, "is_learned": False}
"""What is true of a punctum behind which there is no synapse."""


@dataclass(frozen=True)
class Picture:
    """An imaged table to be made: the scenario, the seed, where it is kept, and what tells that our code has changed."""

    scenario: Scenario
    seed: int
    folder: Path
    code: str

    @property
    def is_done(self) -> bool:
        """Whether the folder holds what this code gives."""
        try:
            facts = read_json(self.folder / "imaged.json")
            return bool(facts["code"] == self.code and load(self.folder).checksum() == facts["checksum"])
        except (SynimgError, KeyError):
            return False


def take_picture(picture: Picture) -> None:
    """Image and measure the scenario; leave its table, its truth and its neurons."""
    with tempfile.TemporaryDirectory(prefix="synimg-imaged-") as name:
        drawn = imaged(picture.scenario, picture.seed, Path(name))
    for what in ("table", "truth", "neurons"):
        write_table(picture.folder / f"{what}.parquet", getattr(drawn, what))
    # read back, as every cell will
    write_json(picture.folder / "imaged.json", {"code": picture.code, "checksum": load(picture.folder).checksum()})


def load(folder: Path) -> Drawn:
    """What `take_picture` left."""
    return Drawn(*(read_table(folder / f"{what}.parquet") for what in ("table", "truth", "neurons")))


def imaged(scenario: Scenario, seed: int, scratch: Path) -> Drawn:
    """The scenario's synapses as an image shows them: a row per measured punctum whose parent is known.

    Parameters
    ----------
    scenario : Scenario
        Of one animal; its network, turnover and labels are those of the image.
    seed : int
        The same seed gives the same bytes.
    scratch : Path
        Folder for network and image.

    Notes
    -----
    `truth` has a row per row of the table: that of the synapse which lies there, found by place. Where none lies nothing
    learned, and nothing moved.
    """
    drawn = draw(scenario, seed)
    config = _config(scenario, seed, drawn, scratch / "edges.parquet")
    _edges(drawn).to_parquet(scratch / "edges.parquet")
    dataset = generate(config, scratch / "dataset", workers=1)
    table = measure(scratch / "dataset", workers=1)
    del dataset
    places = read_table(scratch / "dataset" / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)
    assert np.allclose(places["a_start"], drawn.truth["a_start"])  # rows are those of the edges
    true_row = match_truth(table, places[places["is_imaged"]].reset_index(drop=True))["true_synapse_id"]
    row = true_row.map(pd.Series(np.arange(len(places)), index=places["synapse_id"])).to_numpy(float)
    seen = np.isfinite(row)
    truth = drawn.truth.iloc[np.where(seen, row, 0).astype(np.int64)].reset_index(drop=True)
    counted = places.iloc[np.where(seen, row, 0).astype(np.int64)]
    for name in ("r_old_true", "r_new_true", "labelled_old", "labelled_new"):
        truth[name] = np.where(seen, counted[name].to_numpy(), 0)
    for name, value in NOT_THERE.items():
        truth.loc[~seen, name] = value
    truth["is_there"] = seen
    truth["synapse_id"] = table["synapse_id"].to_numpy()
    is_known = table["neuron_id"].notna().to_numpy()
    table, truth = with_known_parents(table).dropna(axis=1, how="all"), truth[is_known].reset_index(drop=True)
    return Drawn(table, truth, drawn.neurons.assign(animal_id=config.animal_id))


def known_measurement(scenario: Scenario, drawn: Drawn) -> Scenario:
    """The scenario with the errors that its image has, for who knows the truth: the ceiling of the measured counts.

    Notes
    -----
    Variance of the counted dyes over none and per dye (`error_law`), of the puncta that lie on a synapse. Parents are wrong as
    often as they are. What overlap, missing neighbours and puncta without a synapse do beyond that is not in it: the ceiling is
    near, not exact.
    """
    truth, there = drawn.truth, drawn.truth["is_there"].to_numpy(bool)
    error, dyes = (
        np.concatenate(v) for v in zip(*(_errors(scenario, drawn, k, there) for k in ("old", "new")), strict=True)
    )
    law = error_law(error, dyes)
    wrong = float((drawn.table["neuron_id"].to_numpy() != truth["post_id"].to_numpy())[there].mean())
    found = {"fit_sd_dyes": law.blank**0.5, "dye_variance": law.per_dye, "wrong_parents": min(wrong, 0.5)}
    return scenario.model_copy(update=found)


def _errors(
    scenario: Scenario, drawn: Drawn, which: str, there: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error of the counted dyes, and the dyes that there are, of the puncta that lie on a synapse."""
    dyes = drawn.truth[f"labelled_{which}"].to_numpy(float)[there]
    return scenario.labelling * drawn.table[f"r_{which}"].to_numpy(float)[there] - dyes, dyes


def _edges(drawn: Drawn) -> pd.DataFrame:
    """The scenario's network: every synapse a contact of two of its neurons."""
    truth, n = drawn.truth, len(drawn.neurons)
    post = truth["post_id"].to_numpy(np.int64)
    edges = pd.DataFrame({"pre": post % n + 1, "post": post, "contact": np.arange(len(truth))})
    edges["weight_before"], edges["weight_after"] = truth["a_start"], truth["a_end"]
    return edges.join(truth[["learning", "homeostasis", "drift"]])


def _config(scenario: Scenario, seed: int, drawn: Drawn, edges: Path) -> Config:
    """One animal that holds the scenario, under the microscope of the presets."""
    labelling = {"pulse_efficiency": scenario.labelling, "chase_efficiency": scenario.labelling}
    return Config.parse(
        {
            "seed": seed,
            "imported": {"edges": str(edges)},
            "receptors": {
                "receptors_mean": float(drawn.truth["a_start"].mean()),
                "exchange_per_day": scenario.turnover / WINDOW_DAYS,
                "depression": scenario.depression,
            },
            "training": {"window_days": WINDOW_DAYS},
            "tag": {"kind": "surface_pulse_chase", "blocking_efficiency": 1.0} | labelling,
            "tissue": {"n_imaged_neurons": len(drawn.neurons)},
            "volume": {"shape_vox": SHAPE_VOX, "chunk_vox": CHUNK_VOX},
        },
        scenario.name,
    )
