"""The data dictionary in docs/ is the schema's own."""

from __future__ import annotations

from pathlib import Path

from ganaudit.records.dictionary import dictionary
from ganaudit.records.schema import FINDINGS, RECORDS

PAGE = Path(__file__).parents[3] / "docs" / "records.md"


def test_the_page_is_what_the_schema_says_now():
    assert PAGE.read_text() == dictionary(), "run: python -m ganaudit.records.dictionary > docs/records.md"


def test_every_column_of_every_table_is_explained():
    rows = [line for line in dictionary().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(table.columns) for table in (RECORDS | FINDINGS).values())
    assert all(len(line.split("|")[3].strip()) > 10 for line in rows)
