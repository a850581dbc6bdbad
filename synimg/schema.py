"""Columns of every table: names, types, units and meaning. The public contract between stages and with other labs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from synimg.errors import SynimgError, nearest

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Column:
    """One column: its name, type (`int64`, `float64`, `string` or `bool`), unit and meaning.

    A table has all `required` columns, and a value in each row of those of them that are not `nullable`.
    """

    name: str
    type: str
    unit: str = ""
    meaning: str = ""
    required: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table's name, its columns and the column that identifies a row."""

    name: str
    key: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of all columns, in order."""
        return [c.name for c in self.columns]


def _interval(name: str, unit: str, meaning: str) -> tuple[Column, ...]:
    """Columns of a quantity and of its 95 % interval."""
    return (
        Column(name, "float64", unit, meaning),
        Column(f"{name}_lo", "float64", unit, f"lower end of the 95 % interval of {name}"),
        Column(f"{name}_hi", "float64", unit, f"upper end of the 95 % interval of {name}"),
    )


POSITION = (
    Column("z_um", "float64", "um", "position in the image frame, 0 at the centre of voxel 0"),
    Column("y_um", "float64", "um", "position in the image frame, 0 at the centre of voxel 0"),
    Column("x_um", "float64", "um", "position in the image frame, 0 at the centre of voxel 0"),
)
PLACE = [column.name for column in POSITION]

SYNAPSES = Table(
    "synapses",
    "synapse_id",
    (
        Column("synapse_id", "int64", "", "unique in the animal", required=True),
        Column("animal_id", "string", "", "the animal; one animal where missing"),
        Column("group", "string", "", "trained, yoked, deprived, naive, ..."),
        Column("neuron_id", "int64", "", "postsynaptic parent neuron", required=True, nullable=True),
        Column("neuron_prob", "float64", "", "probability of that assignment, 0 to 1"),
        Column("branch_id", "int64", "", "dendritic branch of the parent"),
        Column("pre_id", "int64", "", "presynaptic neuron where known"),
        *POSITION,
        Column("r_old", "float64", "receptors", "receptors that were there before the window", required=True),
        Column("r_old_se", "float64", "receptors", "standard error of r_old"),
        Column("r_new", "float64", "receptors", "receptors inserted in the window", required=True),
        Column("r_new_se", "float64", "receptors", "standard error of r_new"),
        Column("r_old_new_cov", "float64", "receptors^2", "covariance of the errors of r_old and r_new"),
        Column(
            "merged_prob",
            "float64",
            "",
            "probability that a neighbour was not told apart; standard errors allow for it",
        ),
        Column("size", "float64", "um^2", "structural marker (PSD area), where imaged"),
        Column("size_se", "float64", "um^2", "standard error of size"),
        Column("eligibility", "float64", "", "activity covariate: pre x post term recorded in the living animal"),
        Column(
            "inhibition_ln",
            "float64",
            "",
            "mean change of ln size of the neuron's inhibitory synapses in the window; one value in all its rows",
        ),
        Column(
            "predicted_ln", "float64", "", "change of ln receptors by learning that a simulation of the rule predicts"
        ),
    ),
)

PREDICTIONS = Table(
    "predictions",
    "synapse_id",
    (
        Column("synapse_id", "int64", "", "synapse of the network, or row of the synapse table", required=True),
        Column("pre_id", "int64", "", "presynaptic neuron"),
        Column("post_id", "int64", "", "postsynaptic neuron"),
        *POSITION,
        Column(
            "predicted_ln",
            "float64",
            "",
            "change of ln receptors by learning that a simulation of the rule predicts; null where it predicts none",
            required=True,
            nullable=True,
        ),
        Column("predicted_ln_se", "float64", "", "standard error of predicted_ln, from runs with other random numbers"),
    ),
)

SEPARATION = Table(
    "separation",
    "synapse_id",
    (
        Column("synapse_id", "int64", "", "row of the synapse table", required=True),
        Column("p_learning", "float64", "", "probability of a change by learning", required=True),
        Column("lfdr", "float64", "", "local false discovery rate, by which synapses are called; about 1 - p_learning"),
        Column("p_potentiated", "float64", "", "probability of a growth by learning"),
        Column("p_depressed", "float64", "", "probability of a shrinkage by learning"),
        *_interval("delta_learning", "receptors", "change by learning"),
        *_interval("delta_homeostasis", "receptors", "change by homeostasis"),
        *_interval("delta_drift", "receptors", "change by drift"),
    ),
)

DRAWS = Table(
    "draws",
    "synapse_id",
    (
        Column("draw", "int64", "", "number of the draw from the joint posterior, from 0", required=True),
        Column("synapse_id", "int64", "", "row of the synapse table", required=True),
        Column("learned", "int64", "", "1 grown by learning, -1 shrunk, 0 neither"),
        *(
            Column(f"delta_{cause}", "float64", "receptors", f"change by {cause}")
            for cause in ("learning", "homeostasis", "drift")
        ),
    ),
)

NEURON_RESULT = Table(
    "neurons",
    "neuron_id",
    (
        Column("neuron_id", "int64", "", "postsynaptic neuron", required=True),
        *_interval("scale_factor", "", "homeostatic factor, given the reading that was chosen"),
        Column("common_lo", "float64", "", "scale_factor_lo with the unidentifiable common component included"),
        Column("common_hi", "float64", "", "scale_factor_hi with the unidentifiable common component included"),
        Column("n_synapses", "int64", "", "synapses of the neuron in the table"),
    ),
)

ANIMAL_RESULT = Table(
    "animals",
    "animal_id",
    (
        Column("animal_id", "string", "", "the animal", required=True),
        Column("group", "string", "", "trained, yoked, deprived, naive, ..."),
        *(
            column
            for scale, unit in (("var", "log units"), ("lin", "receptors"))
            for cause in ("learning", "homeostasis", "drift")
            for column in _interval(f"{scale}_share_{cause}", "", f"share of {cause} in the variance, in {unit}")
        ),
        *_interval("share_learned", "", "share of synapses changed by learning"),
        Column("identifiable", "bool", "", "whether the split rests on more than an assumption"),
        Column("why", "string", "", "reason for identifiable"),
    ),
)

GROUP_RESULT = Table(
    "groups",
    "group",
    (
        Column("group", "string", "", "value of the column, or its range", required=True),
        Column("value", "float64", "", "mean of a numeric column in the group"),
        Column("n_synapses", "int64", "", "synapses of the group in the table", required=True),
        Column("n_neurons", "int64", "", "neurons that have any of them", required=True),
        *_interval("share_learned", "", "share of synapses changed by learning"),
        *_interval("change_ln", "", "mean change by learning of ln receptors; drift averages out"),
        *_interval("change_receptors", "receptors", "mean change by learning; drift averages out"),
        *_interval("share_learned_shrunk", "", "share_learned, drawn towards that of all groups by its error"),
        *_interval("change_ln_shrunk", "", "change_ln, drawn towards that of all groups by its error"),
        *(
            column
            for name in ("share_learned", "change_ln")
            for column in (
                Column(
                    f"p_{name}", "float64", "", f"probability of so great a difference to the rest in {name} by chance"
                ),
                Column(f"q_{name}", "float64", "", f"p_{name} after Benjamini and Hochberg over all groups"),
            )
        ),
    ),
)

COUNTED = (
    Column("r_old_true", "int64", "receptors", "receptors from before the window"),
    Column("r_new_true", "int64", "receptors", "receptors inserted in the window"),
    Column("labelled_old", "int64", "receptors", "receptors that carry the pulse dye"),
    Column("labelled_new", "int64", "receptors", "receptors that carry the chase dye"),
    Column("photons_old", "float64", "photons", "expected photons in the pulse channel"),
    Column("photons_new", "float64", "photons", "expected photons in the chase channel"),
)

TRUTH_SYNAPSES = Table(
    "truth_synapses",
    "synapse_id",
    (
        Column("synapse_id", "int64", "", "contact", required=True),
        Column("pre_id", "int64", "", "presynaptic neuron; ids behind the neurons' are axons of inputs", required=True),
        Column("post_id", "int64", "", "postsynaptic neuron", required=True),
        Column("edge_id", "int64", "", "connection that the contact belongs to", required=True),
        Column("synapse_class", "string", "", "EE, EI (on excitatory, on inhibitory neurons) or input"),
        Column(
            "input_channel", "int64", "", "input that the axon brings in, in the task's order from 0; null otherwise"
        ),
        Column("branch_id", "int64", "", "dendritic branch of the postsynaptic neuron; null if not imaged"),
        *POSITION,  # of one that vanished from an imaged neuron: where on the dendrite it was
        *(Column(f"tissue_{a}_um", "float64", "um", "place in the tissue before its preparation") for a in "zyx"),
        Column("is_imaged", "bool", "", "whether the contact lies in the image", required=True),
        Column("head_volume_um3", "float64", "um^3", "volume of the spine head at death"),
        Column("a_start", "float64", "receptors", "synaptic receptors at the pulse", required=True),
        Column("a_end", "float64", "receptors", "synaptic receptors at death", required=True),
        *(
            Column(name, "float64", unit, f"change by {cause}{scale}; null where the cause is not known")
            for prefix, unit, scale in (("", "receptors", ""), ("ln_", "", " of ln receptors"))
            for cause in ("learning", "homeostasis", "drift")
            for name in (prefix + cause,)
        ),
        Column("formed", "bool", "", "born within the window"),
        Column("eliminated", "bool", "", "died within the window"),
        Column("formed_day", "float64", "days", "time of formation, from the pulse; null if it was there"),
        Column("formed_by", "string", "", "cause of the formation: drift, learning"),
        Column("eliminated_day", "float64", "days", "time of death, from the pulse; null if it lived on"),
        Column("eliminated_by", "string", "", "cause of the death"),
        *(
            Column(f"cf_{cause}", "float64", "receptors", f"a_end minus a_end of the same run without {cause}")
            for cause in ("learning", "homeostasis", "drift")
        ),
        *COUNTED,
        Column("is_plastic", "bool", "", "whether the synapse may learn: its class and the gate allow it"),
        Column("is_learned", "bool", "", "class label; its definition is in the table's metadata"),
    ),
)

TRUTH_BACKGROUND = Table(
    "truth_background",
    "background_id",
    (
        Column("background_id", "int64", "", "synapse of a neuron that is not in the network", required=True),
        *POSITION,
        *COUNTED,
    ),
)

TRUTH_AXONS = Table(
    "truth_axons",
    "point_id",
    (
        Column("point_id", "int64", "", "point of an axon; parents come before their children", required=True),
        Column("axon_id", "int64", "", "axon: what hangs together within the block", required=True),
        Column("neuron_id", "int64", "", "neuron whose axon it is", required=True),
        Column("parent_id", "int64", "", "the point before; null where the axon comes into the block"),
        *POSITION,
        Column("radius_um", "float64", "um", "radius of the axon in the point", required=True),
        Column("is_bouton", "bool", "", "whether the point is the centre of a bouton", required=True),
        Column("synapse_id", "int64", "", "synapse of the network that the bouton faces; null where there is none"),
    ),
)

TRUTH_NEURONS = Table(
    "truth_neurons",
    "neuron_id",
    (
        Column("neuron_id", "int64", "", "neuron", required=True),
        Column("cell_type", "string", "", "E or I", required=True),
        Column("pool", "int64", "", "answer that the neuron's pool stands for, from 0; null without pools"),
        Column("soma_z_um", "float64", "um", "soma in the image frame; null if not imaged"),
        Column("soma_y_um", "float64", "um", "soma in the image frame; null if not imaged"),
        Column("soma_x_um", "float64", "um", "soma in the image frame; null if not imaged"),
        Column("barcode", "string", "", "dye expression levels, or the code that is read out"),
        Column("rate_start", "float64", "a.u.", "mean rate before the window; null if unknown"),
        Column("rate_end", "float64", "a.u.", "mean rate at death; null if unknown"),
        Column("scale_factor", "float64", "", "homeostatic factor of the window; null if unknown"),
        Column("is_imaged", "bool", "", "whether the neuron has a dendrite in the image", required=True),
    ),
)

EDGES = Table(
    "edges",
    "edge_id",
    (
        Column("edge_id", "int64", "", "number of the row", required=True),
        Column("pre", "int64", "", "presynaptic cell", required=True),
        Column("post", "int64", "", "postsynaptic cell", required=True),
        Column("weight_before", "float64", "", "weight before the window, negative if inhibitory", required=True),
        Column("weight_after", "float64", "", "weight after the window", required=True),
        Column("contact", "int64", "", "number of the synapse where an edge has several"),
        *(
            Column(cause, "float64", "", f"change of the weight by {cause}")
            for cause in ("learning", "homeostasis", "drift")
        ),
        Column("along", "float64", "", "place on the postsynaptic dendrite, 0 to 1"),
    ),
)

CELLS = Table(
    "cells",
    "cell_id",
    (
        Column("cell_id", "int64", "", "cell", required=True),
        Column("cell_type", "string", "", "E or I", required=True),
        Column("x", "float64", "", "position, in any unit"),
        Column("y", "float64", "", "position, in any unit"),
        Column("rate_start", "float64", "a.u.", "mean rate before the window"),
        Column("rate_end", "float64", "a.u.", "mean rate after the window"),
    ),
)

READOUTS = Table(
    "readouts",
    "readout_id",
    (
        Column("readout_id", "int64", "", "one in-situ label read-out", required=True),
        *POSITION,
        Column("neuron_id", "int64", "", "parent neuron as read, with errors", required=True),
        Column("error_rate", "float64", "", "stated probability that a read-out names a wrong neuron"),
    ),
)


def check(frame: pd.DataFrame, table: Table, where: str) -> pd.DataFrame:
    """The `frame` with the types of `table`, its known columns first, unknown columns kept behind.

    Parameters
    ----------
    frame : DataFrame
        A table from a file or from a user.
    table : Table
        What it should be.
    where : str
        File or argument that an error names.

    Raises
    ------
    SynimgError
        For a missing column, a wrong type, duplicate ids, NaN or negative receptors, probabilities out of 0 to 1.
    """
    known = [c for c in table.columns if c.name in frame.columns]
    for column in table.columns:
        if column.required and column.name not in frame.columns:
            others = [str(name) for name in frame.columns if name not in table.names]
            hint = nearest(column.name, others) if others else f"found: {', '.join(map(str, frame.columns))}"
            raise SynimgError(f"{where}: required column '{column.name}' is missing; {hint}")
    cast = pd.DataFrame({c.name: _cast(frame[c.name], c, where) for c in known}, index=frame.index)
    key = cast[table.key]
    if key.duplicated().any():
        raise SynimgError(f"{where}: {table.key} {key[key.duplicated()].iloc[0]} occurs more than once; ids are unique")
    _check_ranges(cast, where)
    extra = [name for name in frame.columns if name not in table.names]
    return pd.concat([cast, frame[extra]], axis=1).reset_index(drop=True)


def _cast(values: pd.Series, column: Column, where: str) -> pd.Series:
    """`values` as the type of `column`; nulls are kept where the column may have them."""
    if column.type == "string":
        return values.astype("string")
    if column.type == "bool":
        if not (pd.api.types.is_bool_dtype(values) or values.dropna().isin([True, False]).all()):
            raise SynimgError(f"{where}: column '{column.name}' holds {values.iloc[0]!r}; it takes true or false")
        return values.astype("bool" if column.required else "boolean")
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = pd.to_numeric(values, errors="coerce")
        bad = np.flatnonzero((numbers.isna() & values.notna()).to_numpy())
        row = int(bad[0]) if bad.size else 0
        if bad.size or not values.isna().all():
            unit = f" [{column.unit}]" if column.unit else ""
            raise SynimgError(
                f"{where}: column '{column.name}' is {values.dtype}, row {row} holds {values.iloc[row]!r}; "
                f"it takes numbers ({column.type}){unit}"
            )
        values = numbers
    if column.required and not column.nullable and values.isna().any():
        row = int(np.argmax(values.isna().to_numpy()))
        raise SynimgError(f"{where}: column '{column.name}' is empty or NaN in row {row}; drop such rows first")
    if column.type == "int64":
        numbers = values.astype("Float64")
        if ((numbers % 1) != 0).fillna(False).any():
            row = int(np.argmax(((numbers % 1) != 0).fillna(False).to_numpy()))
            raise SynimgError(
                f"{where}: column '{column.name}' = {values.iloc[row]} in row {row}; it takes whole numbers"
            )
        return values.astype("int64" if column.required and not values.isna().any() else "Int64")
    return values.astype("float64")


def _check_ranges(frame: pd.DataFrame, where: str) -> None:
    """Refuse receptors, standard errors and probabilities that cannot be."""
    for name in (
        "r_old",
        "r_new",
        "r_old_se",
        "r_new_se",
        "size",
        "size_se",
        "neuron_prob",
        "merged_prob",
        "p_learning",
        "lfdr",
    ):
        if name not in frame.columns:
            continue
        values = frame[name].to_numpy(dtype=float)
        top = 1.0 + 1e-9 if name in {"neuron_prob", "merged_prob", "p_learning", "lfdr"} else np.inf
        bad = (values < 0) | (values > top) | np.isinf(values)
        if bad.any():
            row = int(np.argmax(bad))
            right = "0 to 1" if np.isfinite(top) else "finite numbers of 0 or more"
            raise SynimgError(f"{where}: column '{name}' = {values[row]:g} in row {row}; it takes {right}")
    if {"r_old_new_cov", "r_old_se", "r_new_se"} <= set(frame.columns):
        covariance, old, new = (frame[name].to_numpy(dtype=float) for name in ("r_old_new_cov", "r_old_se", "r_new_se"))
        bad = np.isinf(covariance) | (np.abs(covariance) > old * new * (1.0 + 1e-9))
        if bad.any():
            row = int(np.argmax(bad))
            raise SynimgError(
                f"{where}: column 'r_old_new_cov' = {covariance[row]:g} in row {row}; no covariance is beyond the product of "
                f"r_old_se and r_new_se, {old[row] * new[row]:g}"
            )
