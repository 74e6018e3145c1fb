"""`ganaudit report`: the page of a run, and its figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.console import JsonOption, StoreOption, json_text, newest_run, path_checked, readable
from ganaudit.errors import RequestError


def report(
    run: Annotated[str | None, typer.Argument(help="The run; the newest by default.", show_default=False)] = None,
    store: StoreOption = None,
    out: Annotated[
        Path | None, typer.Option(callback=path_checked, help="Where the page goes; the store by default.", show_default=False)
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(callback=path_checked, help="Also write the figures as PNG and SVG into this folder.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the report of a run from its records."""
    from ganaudit import report as pages
    from ganaudit.auditing.report_data import report_data, report_path
    from ganaudit.records import leases

    opened = readable(store)
    with leases.reading(opened):
        data = report_data(opened, run or newest_run(opened))
    page = out or report_path(opened, data.run)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pages.render(data), encoding="utf-8")
        drawn = pages.figures(data, figures) if figures else []
    except OSError as error:
        raise RequestError(f"{error.filename or page} cannot be written: {error.strerror}") from None
    if as_json:
        typer.echo(json_text({"run": data.run, "report": str(page), "figures": [str(path) for path in drawn]}))
        return
    for path in (page, *drawn):
        typer.echo(str(path))
