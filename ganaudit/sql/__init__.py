"""All SQL of ganaudit, one statement or group of statements per .sql file.

table.sql, no_rows.sql   a view over a table's Parquet files, or over none yet (templates)
runs.sql                 one row per run
macros.sql               any run, any presence threshold
audited.sql              the latest finished run of each audit, by its names
about.sql, made_by.sql   which store the catalog belongs to (template), and the question
attach_new.sql, attach.sql, detach.sql   the catalog's file, to write and to read (templates)
class_stats.sql          a finding (template)
"""

from __future__ import annotations

import hashlib
from importlib import resources
from string import Template

SCRIPTS = ("runs", "macros", "audited")
"""The scripts that make the catalog's views and macros, in this order; they need the tables' views."""


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


def digest() -> str:
    """Changes whenever any of the SQL does: a catalog made by other SQL is made anew."""
    names = sorted(entry.name for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql"))
    return hashlib.sha256("".join(text(name.removesuffix(".sql")) for name in names).encode()).hexdigest()[:16]
