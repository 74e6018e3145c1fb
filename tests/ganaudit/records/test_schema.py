"""The schema says what every column is, and rows that do not fit it are refused."""

import pyarrow as pa
import pytest

from ganaudit.errors import AuditError
from ganaudit.records import schema
from ganaudit.records.columns import Column, Table
from ganaudit.records.tables import CLASSES, IMAGES
from ganaudit.studies.census.tables import CLASS_STATS, FSD

ROW = {"parser_key": "p0", "class_id": 1, "name": "sky", "head": "object"}


@pytest.mark.parametrize("table", [*schema.RECORDS.values(), *schema.FINDINGS.values()], ids=lambda table: table.name)
def test_every_column_has_one_sentence_and_every_table_says_what_a_row_is(table):
    assert table.row
    assert set(table.sort) <= set(table.arrow.names)
    assert len(set(table.arrow.names)) == len(table.columns)
    for column in table.columns:
        assert column.meaning[0].isupper() and column.meaning.endswith("."), column


def test_every_measure_of_class_stats_has_its_standard_error():
    names = set(CLASS_STATS.arrow.names)
    for measure in ("area", "presence", "size"):
        for name in (f"real_{measure}", f"generated_{measure}", f"{measure}_ratio"):
            assert {name, f"{name}_se"} <= names


def test_rows_are_sorted_typed_and_complete():
    table = CLASSES.from_rows([ROW, {**ROW, "class_id": 0, "name": "void"}])
    assert table.schema == CLASSES.arrow
    assert table["name"].to_pylist() == ["void", "sky"]
    assert IMAGES.from_rows([]).num_rows == 0


def test_a_wide_integer_column_is_narrowed_only_where_it_fits():
    wide = pa.table({**{k: [v] for k, v in ROW.items()}, "class_id": pa.array([40_000], pa.int64())})
    with pytest.raises(AuditError, match="class_id of the table classes holds a value that is not int16"):
        CLASSES.conform(wide)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({**ROW, "colour": 1}, "the table classes has no column 'colour'"),
        ({**ROW, "name": None}, "the column name of the table classes holds NULL"),
        ({"name": "sky"}, "holds NULL"),
        ({**ROW, "class_id": "one"}, "holds a value that is not int16"),
    ],
)
def test_rows_that_do_not_fit_are_refused(row, sentence):
    with pytest.raises(AuditError, match=sentence):
        CLASSES.from_rows([row])


def test_a_missing_column_is_refused():
    with pytest.raises(AuditError, match="they must have parser_key, class_id, name, head"):
        CLASSES.conform(pa.table({"name": ["sky"]}))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_never_enter_a_table(number):
    table = Table("numbers", "number", (Column("number", pa.float64(), "A number.", True),))
    with pytest.raises(AuditError, match="NaN or infinity"):
        table.from_rows([{"number": 1.0}, {"number": number}, {"number": None}])
    assert table.from_rows([{"number": None}])["number"].to_pylist() == [None]
    assert FSD.arrow.field("floor").nullable
