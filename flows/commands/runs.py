"""`ganaudit runs`: the runs in a store, filtered, and how they are listed."""

from __future__ import annotations

import contextlib
import re
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import JsonOption, StoreOption, json_text, readable
from flows.terminal import table_text
from ganaudit import sql
from ganaudit.errors import RequestError
from ganaudit.names import first_few

if TYPE_CHECKING:
    from ganaudit.records.store import Store

STATUSES = ("running", "done", "set aside", "failed", "interrupted")
SOURCES = 4
"""Sources that a line names before it counts the rest."""
NAMES = 8
"""The same of names in an error."""

_AGO = re.compile(r"(\d{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


@dataclass(frozen=True)
class Filters:
    """What to list; None asks nothing."""

    audit: str | None = None
    status: str | None = None
    since: str | None = None
    generator: str | None = None
    limit: int | None = None


def runs(
    audit: Annotated[str | None, typer.Option(help="Of this audit alone.", show_default=False)] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only those that are running, done, set aside, failed or interrupted.", show_default=False),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Started since: 2026-11-01, 2026-11-01T06:00 (UTC), 36h or 7d.", show_default=False)
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="Only those with this generator or training.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most.", show_default=False)] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The runs in a store, newest first."""
    asked = Filters(audit, status, since, generator, limit)
    rows = some_runs(readable(store), asked)
    typer.echo(json_text(rows) if as_json else runs_text(rows, asked), nl=as_json)


def some_runs(store: Store, asked: Filters, now: datetime | None = None) -> list[dict[str, Any]]:
    """The runs that the filters leave, newest first. Raises RequestError for a filter that means nothing here."""
    from ganaudit.records import catalog, leases

    if asked.status is not None and asked.status not in STATUSES:
        raise RequestError(f"--status {asked.status!r} is none of {', '.join(STATUSES)}")
    values = {
        "audit": asked.audit, "status": asked.status, "since": _since(asked.since, now or leases.utc(store)),
        "generator": asked.generator, "most": 2**62 if asked.limit is None else asked.limit,
    }  # fmt: skip
    with contextlib.closing(catalog.connect(store)) as connection, catalog.sentences(store):
        rows: list[dict[str, Any]] = connection.sql(sql.text("runs_where"), params=values).to_arrow_table().to_pylist()
        known = connection.table("run_generators").select("audit, generator, training").fetchall() if not rows else []
    audits = sorted({row[0] for row in known})
    generators = sorted({name for row in known for name in row[1:]})
    for option, value, names in (("audit", asked.audit, audits), ("generator", asked.generator, generators)):
        if known and value is not None and value not in names:
            raise RequestError(f"no run in {store.path} has the {option} {value!r}; there are {first_few(names, NAMES)}")
    return rows


def runs_text(rows: list[dict[str, Any]], asked: Filters) -> str:
    """The runs as a table for people; a long list of sources is cut."""
    from ganaudit.report.words import about

    filtered = any(value is not None for value in astuple(asked)[:-1])
    shown = [
        {
            "run": row["run"], "audit": row["audit"], "status": row["status"],
            "started (UTC)": f"{row['started'].astimezone(UTC):%Y-%m-%d %H:%M}",
            "took": "" if row["seconds"] is None else about(row["seconds"]), "images": f"{row['images']:,}",
            "sources": first_few((row["sources"] or "").split(", "), SOURCES),
        }
        for row in rows
    ]  # fmt: skip
    return table_text(shown, "no run fits these filters" if filtered else "no runs yet")


def _since(text: str | None, now: datetime) -> str | None:
    """A time with its zone, as DuckDB reads it; without one, it is UTC."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    try:
        when = now - timedelta(hours=int(ago[1]) * _HOURS[ago[2]]) if ago else datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise RequestError(f"--since {text!r} is no time; write 2026-11-01, 2026-11-01T06:00 (UTC), 36h, 7d or 2w") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat(" ")
