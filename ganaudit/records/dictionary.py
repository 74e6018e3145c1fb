"""The data dictionary, written from the schema: `python -m ganaudit.records.dictionary > docs/records.md`."""

from __future__ import annotations

from collections.abc import Iterator

from ganaudit.records.schema import FINDINGS, RECORDS, SCHEMA_VERSION, Table

INTRODUCTION = f"""# Records and findings

Schema version {SCHEMA_VERSION}. Records lie in `<store>/records/v{SCHEMA_VERSION}/<table>/`, findings in
`<store>/findings/v{SCHEMA_VERSION}/run=<run>/`, all as Parquet; `<store>/catalog.duckdb` shows each table as a view.
Read the files with `hive_partitioning=false`: every column is in them. Written from the schema by
`python -m ganaudit.records.dictionary > docs/records.md`.

Beside the tables the catalog holds the views `latest_runs`, `audited_images` and `audited_class_pixels` (the latest finished
run of each audit, with its names), and the macros `run_images(run)`, `run_class_pixels(run)`, `class_presence(run, threshold)`,
`class_statistics(run, threshold)` and `most_of(run, source, class, k)`.
"""


def dictionary() -> str:
    """The whole page, in Markdown."""
    return "\n".join([INTRODUCTION, *_section("Records", RECORDS), *_section("Findings", FINDINGS)]) + "\n"


def _section(title: str, tables: dict[str, Table]) -> Iterator[str]:
    yield f"## {title}\n"
    for table in tables.values():
        yield f"### {table.name}\n\nOne row per {table.row}.\n\n| column | type | meaning |\n|---|---|---|"
        for column in table.columns:
            kind = f"{column.type}{', may be NULL' if column.nullable else ''}"
            yield f"| `{column.name}` | {kind} | {column.meaning} |"
        yield ""


if __name__ == "__main__":
    print(dictionary(), end="")
