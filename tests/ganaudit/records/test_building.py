"""Finding tables while they are made."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from ganaudit.errors import AuditError
from ganaudit.records.building import Tables, number
from ganaudit.records.schema import FINDINGS

NAMES = {"run": "r1", "real": "photos", "generator": "gan"}


def test_every_table_is_there_from_the_start_with_its_columns():
    result = Tables().finished()
    assert set(result) == set(FINDINGS)
    for name, table in result.items():
        assert table.num_rows == 0 and table.schema.names == FINDINGS[name].arrow.names


def test_rows_and_columns_are_the_same_in_the_order_they_were_added():
    tables = Tables()
    tables.rows("fsd_by_class", [{**NAMES, "class_id": 1, "class": "sky", "share": 0.5}])
    tables.columns("fsd_by_class", {"class_id": [2, 3], "class": ["tree", "person"], "share": [0.25, 0.0]}, NAMES)
    tables.part("fsd_by_class", FINDINGS["fsd_by_class"].from_rows([{**NAMES, "class_id": 0, "class": "void", "share": 1.0}]))
    expected = [(1, "sky", 0.5), (2, "tree", 0.25), (3, "person", 0.0), (0, "void", 1.0)]
    assert tables.so_far("fsd_by_class").to_pylist() == [
        {**NAMES, "class_id": number, "class": name, "share": share} for number, name, share in expected
    ]


def test_no_columns_are_no_rows():
    tables = Tables()
    tables.columns("dropped_groups", {}, NAMES)
    assert tables.so_far("dropped_groups").num_rows == 0


@pytest.mark.parametrize("share", [math.nan, math.inf, None])
def test_what_a_table_may_not_hold_is_refused(share):
    columns = {"class_id": [1], "class": ["sky"], "share": pa.array([share], pa.float64())}
    with pytest.raises(AuditError, match="the column share of the table fsd_by_class holds"):
        Tables().columns("fsd_by_class", columns, NAMES)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e8, -2e8])
def test_what_is_no_number_or_has_no_bound_is_null(value):
    assert number(value) is None


@pytest.mark.parametrize("value", [0, -1.5, 9e7])
def test_a_number_stays_itself(value):
    assert number(value) == value
