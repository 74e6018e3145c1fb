"""All SQL of ganaudit, one statement or group of statements per .sql file.

table.sql, no_rows.sql   a view over a table's Parquet files, or over none yet (templates)
unreadable.sql           the same where one of them is damaged (template)
older.sql                the same where an older ganaudit wrote some of them (template)
runs.sql                 one row per run
macros.sql               the images and class pixels of any run, and of those under any WHERE
statistics.sql           statistics of classes, at any presence threshold, under any WHERE
examples.sql             images to look at, and what goes together in them
audited.sql              the latest finished run of each audit, by its names
history.sql              generators over training steps and over runs
runs_where.sql           the runs that some filters leave, newest first
about.sql, made_by.sql   which store the catalog belongs to (template), and the question
attach_new.sql, attach.sql, detach.sql   the catalog's file, to write and to read (templates)
class_stats.sql          a finding (template)
doubt.sql                the parser's doubt by class (template)
shared.sql               images that two sources of one run share, or that one repeats
slice.sql, labelled.sql  the images of a slice (template), and which sources have labels
used.sql                 the sources of one run, with what their keys stand for
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

SCRIPTS = ("runs", "macros", "statistics", "examples", "audited", "history")
"""The scripts that make the catalog's views and macros, in this order; they need the tables' views."""

_DEFINITION = re.compile(
    r"(?P<comment>(?:^--.*\n)+)^CREATE (?P<kind>VIEW|MACRO) (?P<name>\w+)(?:\((?P<parameters>[^)]*)\))? AS(?P<table> TABLE)?$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Definition:
    """A view or macro of the catalog, with the comment above it in its script; parameters: None for a view."""

    name: str
    parameters: tuple[str, ...] | None
    comment: str
    gives_table: bool

    @property
    def statement(self) -> str:
        """What puts the comment into the catalog."""
        kind = "VIEW" if self.parameters is None else "MACRO TABLE" if self.gives_table else "MACRO"
        return f"COMMENT ON {kind} {identifier(self.name)} IS {literal(self.comment)};"


@cache
def definitions() -> list[Definition]:
    """Every view and macro that the scripts make, in their order."""
    parsed = []
    for script in SCRIPTS:
        for match in _DEFINITION.finditer(text(script)):
            comment = " ".join(line.removeprefix("--").strip() for line in match["comment"].splitlines())
            given = match["parameters"]
            parameters = None if given is None else tuple(name.strip() for name in given.split(","))
            parsed.append(Definition(match["name"], parameters, comment, match["table"] is not None))
    return parsed


@cache
def text(name: str) -> str:
    """The text of `<name>.sql`."""
    return (resources.files(__name__) / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **values: str) -> str:
    """The text of the template `<name>.sql` with its $names replaced; each must be given."""
    return Template(text(name)).substitute(values)


def literal(value: str) -> str:
    """A string as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL writes it when it may also be a keyword."""
    return '"' + name.replace('"', '""') + '"'


@cache
def digest(schema: str = "") -> str:
    """Changes whenever any of the SQL does, or the tables it is about: a catalog made by other SQL is made anew."""
    names = sorted(entry.name for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql"))
    return hashlib.sha256("".join([schema, *(text(name.removesuffix(".sql")) for name in names)]).encode()).hexdigest()[:16]
