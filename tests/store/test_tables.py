"""Tables on disk come back as they were, or not at all."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synimg import schema
from synimg.errors import SynimgError
from synimg.store.tables import read_notes, read_table, table_writer, write_table

TABLE = pd.DataFrame({"synapse_id": [1, 2], "neuron_id": [7, 8], "r_old": [30.5, 20.0], "r_new": [1.0, 0.0]})


def test_a_table_comes_back_with_nulls_units_and_notes(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, TABLE.assign(branch_id=pd.array([5, None], dtype="Int64")), schema.SYNAPSES, {"by": "hand"})
    back = read_table(path, schema.SYNAPSES)
    assert back["r_old"].tolist() == [30.5, 20.0]
    assert back["branch_id"].isna().tolist() == [False, True]
    assert back["size"].isna().all()
    assert pq.read_schema(path).field("r_old").metadata[b"unit"] == b"receptors"
    assert read_notes(path) == {"by": "hand"}


def test_a_csv_made_by_hand_is_read(tmp_path):
    (tmp_path / "t.csv").write_text("synapse_id,neuron_id,r_old,r_new\n1,1,30,10\n2,1,20,5\n")
    assert read_table(tmp_path / "t.csv", schema.SYNAPSES)["r_new"].tolist() == [10.0, 5.0]


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, TABLE, schema.SYNAPSES)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SynimgError, match="truncated"):
        read_table(path, schema.SYNAPSES)


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    arrow = pa.Table.from_pandas(TABLE, preserve_index=False).replace_schema_metadata({b"synimg_schema": b"99"})
    pq.write_table(arrow, path)
    with pytest.raises(SynimgError, match=r"schema 99.*update synimg"):
        read_table(path, schema.SYNAPSES)


def test_a_column_in_another_unit_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    arrow = pa.Table.from_pandas(TABLE.assign(z_um=1.0), preserve_index=False)
    fields = [f.with_metadata({b"unit": b"nm"}) if f.name == "z_um" else f for f in arrow.schema]
    pq.write_table(arrow.cast(pa.schema(fields)), path)
    with pytest.raises(SynimgError, match="'z_um' is in nm; it must be in um"):
        read_table(path, schema.SYNAPSES)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    with pytest.raises(pa.ArrowInvalid):
        write_table(tmp_path / "t.parquet", TABLE.assign(r_old=["a", "b"]), schema.SYNAPSES)
    assert list(tmp_path.iterdir()) == []


def test_a_table_written_in_pieces_is_the_table_written_at_once(tmp_path):
    whole = pd.concat([TABLE.assign(synapse_id=[2 * k, 2 * k + 1]) for k in range(5)], ignore_index=True)
    with table_writer(tmp_path / "t.parquet", schema.SYNAPSES, {"by": "hand"}) as write:
        for k in range(5):
            write(whole[2 * k : 2 * k + 2])
    write_table(tmp_path / "once.parquet", whole, schema.SYNAPSES, {"by": "hand"})
    pd.testing.assert_frame_equal(
        *(read_table(tmp_path / f"{name}.parquet", schema.SYNAPSES) for name in ("t", "once"))
    )
    assert read_notes(tmp_path / "t.parquet") == {"by": "hand"}
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 5


def test_a_table_whose_pieces_break_off_is_not_there(tmp_path):
    def broken():
        with table_writer(tmp_path / "t.parquet", schema.SYNAPSES) as write:
            write(TABLE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "mark", "sentence"),
    [
        ("table.csv", ";", "its columns stand between semicolons; save it with commas, and points in numbers, instead"),
        ("table.csv", "\t", "its columns stand between tabs; save it with commas"),
        ("table.tsv", ",", "its columns stand between commas; save it with tabs instead"),
    ],
)
def test_a_wrong_separator_is_named(tmp_path, name, mark, sentence):
    rows = ["synapse_id,neuron_id,r_old,r_new", "1,1,30,20"]
    (tmp_path / name).write_text("\n".join(row.replace(",", mark) for row in rows) + "\n")
    with pytest.raises(SynimgError) as error:
        read_table(tmp_path / name, schema.SYNAPSES)
    assert sentence in str(error.value)
