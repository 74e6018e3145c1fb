"""The data dictionary, written from the schema and from the comments in the SQL: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator

from ganaudit import sql
from ganaudit.records.columns import Table
from ganaudit.records.schema import FINDINGS, RECORDS, SCHEMA_VERSION

INTRODUCTION = f"""# Records and findings

Schema version {SCHEMA_VERSION}. Records lie in `<store>/records/v{SCHEMA_VERSION}/<table>/`, findings in
`<store>/findings/v{SCHEMA_VERSION}/run=<run>/`, all as Parquet. Read the files with `hive_partitioning=false`: every column is
in them. With pandas that is `pandas.read_parquet(folder, partitioning=None)`: without it, pandas makes a column of the folders'
names, too, and fails on the two (where a store was compacted, ask the catalog, which knows the files that count). Times are
instants, in UTC. Written from the schema by `python -m ganaudit.records.dictionary > docs/records.md` (`make docs`).

`<store>/catalog.duckdb` shows each table as a view, and has the macros below. It holds no data: if deleted, it is made
again. `ganaudit sql` asks it, and so does any DuckDB from 1.4 on:

    ganaudit sql "SELECT generator, class, verdict, ratio FROM dropped_classes WHERE measure = 'presence'"
    duckdb -readonly audits/catalog.duckdb

(Where the catalog is attached to another database, say `USE` first.) The same words as here stand in the catalog, as comments
on its views, their columns and the macros: `SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'fsd'`.

What every table keeps to: counts are integers, so sums are the same in any order; what cannot be computed is NULL, never NaN;
a class that is absent from an image has no row, so divide by the number of images with status `ok`, never by rows; areas are in
percent of an image's pixels, presence is a share of images, distances are in (percent of pixels)². A run is named by its
identifier (`SELECT * FROM runs`), a source and a class by the audit's own names; keys are content, and nobody has to know them.
"""

QUESTIONS = (
    (
        "Which classes does each generator of the latest runs omit?",
        "SELECT f.generator, f.class, f.verdict, f.ratio, f.ratio_low, f.ratio_high\n"
        "FROM dropped_classes AS f\nJOIN latest_runs USING (run)\n"
        "WHERE f.measure = 'presence' AND f.verdict IN ('dropped', 'reduced')\nORDER BY f.ratio",
    ),
    (
        "The same classes at another presence threshold, 1 % of the pixels:",
        "SELECT generator, class, real_presence, generated_presence, presence_ratio\nFROM class_statistics($run, 1)",
    ),
    (
        "Only images at dusk, real and generated:",
        "SELECT generator, class, presence_ratio, presence_ratio_se\n"
        "FROM class_statistics_where($run, 0.1, $$label = 'dusk'$$)",
    ),
    (
        "Only real images that hold a person, against all generated ones:",
        "SELECT generator, class, area_ratio\n"
        "FROM class_statistics_where($run, 0.1, $$role = 'generated' OR holds('person')$$)",
    ),
    (
        "How often do people and trees stand together, in each source?",
        "SELECT source, images_with_both, expected, likelier_together\nFROM seen_together($run, 0.1)\n"
        "WHERE class_a IN ('person', 'tree') AND class_b IN ('person', 'tree')",
    ),
    (
        "The ten real photos with most people in them, and the ten images that push a generator's distance up most:",
        "FROM most_of($run, 'photos', 'person', 10)",
    ),
    ("", "FROM most_influence($run, 'gan', 10)"),
    ("Which verdicts changed since an accepted run?", "FROM changed_since('ACCEPTED', $run)"),
)
"""What people ask, with the SQL that answers it; $run stands for a run's identifier, photos and gan for names."""


def dictionary() -> str:
    """The whole page, in Markdown."""
    made = sql.definitions()
    views = [
        definition
        for definition in made
        if definition.parameters is None and definition.name not in RECORDS and definition.name != "about"
    ]
    macros = [definition for definition in made if definition.parameters is not None]
    parts = (
        [INTRODUCTION],
        _questions(),
        _tables("Records", RECORDS),
        _tables("Findings", FINDINGS),
        _sql("Views by the audits' own names", "view", views),
        _sql("Macros", "macro", macros),
    )
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def _questions() -> Iterator[str]:
    yield "## Questions and their SQL\n"
    for question, statement in QUESTIONS:
        if question:
            yield f"{question}\n"
        yield "\n".join(f"    {line}" for line in statement.replace("$run", "'RUN'").splitlines()) + "\n"


def _tables(title: str, tables: dict[str, Table]) -> Iterator[str]:
    yield f"## {title}\n"
    for table in tables.values():
        yield f"### {table.name}\n\nOne row per {table.row}.\n\n| column | type | meaning |\n|---|---|---|"
        for column in table.columns:
            kind = f"{column.type}{', may be NULL' if column.nullable else ''}"
            yield f"| `{column.name}` | {kind} | {column.meaning} |"
        yield ""


def _sql(title: str, what: str, made: list[sql.Definition]) -> Iterator[str]:
    yield f"## {title}\n\n| {what} | what it is |\n|---|---|"
    for definition in made:
        call = definition.name if definition.parameters is None else f"{definition.name}({', '.join(definition.parameters)})"
        yield f"| `{call}` | {definition.comment.replace('|', chr(92) + '|')} |"
    yield ""


if __name__ == "__main__":
    print(dictionary(), end="")
