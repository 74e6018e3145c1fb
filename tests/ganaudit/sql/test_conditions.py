"""Class statistics under any WHERE: as if only those images had ever been recorded."""

import pytest

from ganaudit.errors import RequestError
from ganaudit.records import catalog

REAL = [{1: 60, 2: 40}, {1: 50, 3: 50}, None, {1: 90, 2: 10}, {1: 97, 3: 3}, {3: 100}]
GENERATED = [{2: 100}, {1: 50, 2: 50}, {1: 96, 3: 4}, {1: 100}]


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", REAL)
    pictures(store, "kb", GENERATED)
    run(store, "r1", [("real", "photos", "ka", 0, 6), ("generated", "gan", "kb", 0, 4)])
    return store


def rows(store, statement):
    return catalog.query(store, statement).to_pylist()


def without_names(found):
    return [{name: value for name, value in row.items() if name not in ("run", "real")} for row in found]


CASES = [
    ("image < 4", [0, 1, 2, 3], [0, 1, 2, 3]),
    ("role = 'generated' OR name IN ('1.png', '3.png')", [1, 3], [0, 1, 2, 3]),
    ("role = 'real' AND image > 2 OR image = 0", [0, 3, 4, 5], [0]),
    ("digest <> 'd0' -- a comment", [1, 3, 4, 5], [1, 2, 3]),
    ("(key, image) IN (SELECT key, image FROM run_class_pixels('r1') WHERE class = 'tree')", [0, 3], [0, 1]),
    ("holds('tree')", [0, 3], [0, 1]),
    ("NOT holds('tree', 50)", [0, 1, 3, 4, 5], [2, 3]),
    ("holds('person', 1) AND holds('sky') OR holds('tree', 41)", [1, 4], [0, 1, 2]),
]


@pytest.mark.parametrize(("condition", "real", "generated"), CASES)
def test_as_if_the_other_images_were_not_there(filled, store, pictures, run, condition, real, generated):
    pictures(store, "kc", [REAL[i] for i in real])
    pictures(store, "kd", [GENERATED[i] for i in generated])
    run(store, "r2", [("real", "photos", "kc", 0, len(real)), ("generated", "gan", "kd", 0, len(generated))])
    for macro in ("class_statistics", "class_presence", "class_totals"):
        result = rows(filled, f"FROM {macro}_where('r1', 10, $${condition}$$) ORDER BY ALL")
        alone = rows(filled, f"FROM {macro}('r2', 10) ORDER BY ALL")
        assert without_names(result) == without_names(alone) and len(result) > 4


def test_images_under_a_condition_keep_what_was_set_aside(filled):
    result = rows(filled, "SELECT source, image, status FROM run_images_where('r1', 'image BETWEEN 2 AND 3') ORDER BY ALL")
    assert [tuple(row.values()) for row in result] == [
        ("gan", 2, "ok"), ("gan", 3, "ok"), ("photos", 2, "quarantined"), ("photos", 3, "ok"),
    ]  # fmt: skip


def test_no_condition_is_the_whole_run(filled):
    assert rows(filled, "FROM class_statistics_where('r1', 0.1, 'true')") == rows(filled, "FROM class_statistics('r1', 0.1)")


def test_a_source_without_such_images_has_no_row(filled):
    assert rows(filled, "FROM class_statistics_where('r1', 0.1, $$role = 'real'$$)") == []
    assert {row["source"] for row in rows(filled, "FROM class_presence_where('r1', 0.1, $$role = 'real'$$)")} == {"photos"}
    assert rows(filled, "FROM class_presence_where('r1', 0.1, 'false')") == []


def test_a_run_with_a_quote_is_a_name_not_sql(filled):
    assert rows(filled, "FROM run_images_where('r1'' OR true --', 'true')") == []


def test_a_wrong_column_is_named(filled):
    with pytest.raises(RequestError, match=r"labels(.|\n)*label"):
        catalog.query(filled, "FROM class_statistics_where('r1', 0.1, $$labels = 'dusk'$$)")


def test_macros_of_a_whole_run_take_it_from_a_query(filled, run):
    run(filled, "r9", [("real", "photos", "ka", 0, 2), ("generated", "gan", "kb", 0, 2)], hour=5)
    latest = rows(filled, "FROM class_statistics((SELECT run FROM latest_runs), 0.1)")
    assert latest == rows(filled, "FROM class_statistics('r9', 0.1)") and latest
