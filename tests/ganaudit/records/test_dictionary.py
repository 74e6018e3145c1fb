"""The data dictionary in docs/ is the schema's own, and the SQL that it shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganaudit import sql
from ganaudit.records import catalog, views
from ganaudit.records.dictionary import QUESTIONS, dictionary
from ganaudit.records.schema import FINDINGS, RECORDS
from ganaudit.studies.census.tables import DROPPED_CLASSES, INFLUENCES

PAGE = Path(__file__).parents[3] / "docs" / "records.md"
TABLES = RECORDS | FINDINGS


def test_the_page_is_what_the_schema_says_now():
    assert PAGE.read_text() == dictionary(), "run: make docs"


def test_every_column_of_every_table_is_explained():
    part = dictionary().split("## Records")[1].split("## Views")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(table.columns) for table in TABLES.values())
    assert all(len(line.split("|")[3].strip()) > 10 for line in rows)


def test_every_view_and_macro_of_the_scripts_has_a_comment():
    made = [name for script in sql.SCRIPTS for name in re.findall(r"^CREATE \w+ (\w+)", sql.text(script), re.MULTILINE)]
    assert [definition.name for definition in sql.definitions()] == made
    assert all(len(definition.comment) > 20 for definition in sql.definitions())


@pytest.fixture
def filled(store, pictures, run):
    pictures(store, "ka", [{1: 60, 3: 40}, {2: 60, 3: 40}])
    run(store, "r1", [("real", "photos", "ka", 0, 2), ("generated", "gan", "ka", 0, 2)])
    named = {"run": "r1", "real": "photos", "generator": "gan"}
    influence = {**named, "role": "real", "key": "ka", "image": 0, "influence": 1.0}
    store.write_finding("r1", "influences", INFLUENCES.from_rows([influence]))
    omitted = {**named, "class_id": 2, "class": "tree", "measure": "presence", "verdict": "dropped", "presence_threshold": 4.0}
    counted = {"real_holding": 1, "generated_holding": 0}
    store.write_finding("r1", "dropped_classes", DROPPED_CLASSES.from_rows([{**omitted, **counted}]))
    return store


def comments(store, columns, what):
    """{name, or (table, column): comment} of everything of ours in the catalog."""
    result = catalog.query(store, f"SELECT {columns}, comment FROM {what} WHERE NOT internal").to_pylist()
    return {tuple(row.values())[:-1]: row["comment"] for row in result}


def test_the_catalog_holds_the_same_words(filled, commented):
    views = comments(filled, "view_name", "duckdb_views()")
    assert all(views[table.name,] == f"One row per {table.row}." for table in TABLES.values())
    columns = comments(filled, "table_name, column_name", "duckdb_columns()")
    assert all(columns[table.name, column.name] == column.meaning for table in TABLES.values() for column in table.columns)
    made = views | comments(filled, "function_name", "duckdb_functions()")
    assert all(
        made[definition.name,] == definition.comment for definition in sql.definitions() if definition.name not in TABLES
    )


@pytest.mark.parametrize("statement", [statement for _, statement in QUESTIONS])
def test_the_questions_of_the_page_are_answered(filled, statement):
    result = catalog.query(filled, statement.replace("$run", "'r1'").replace("label = 'dusk'", "label IS NULL"))
    assert result.num_rows > 0 and result.num_columns > 2


def test_a_catalog_of_another_schema_is_made_anew(filled, monkeypatch):
    catalog.query(filled, "FROM runs")
    fewer = {name: table for name, table in TABLES.items() if name != "ranks"}
    monkeypatch.setattr(views, "TABLES", fewer)
    names = catalog.query(filled, "SELECT view_name FROM duckdb_views() WHERE NOT internal")["view_name"].to_pylist()
    assert "ranks" not in names and "fsd" in names
