"""`ganaudit check`: an audit file, and what its audit would take and could find."""

from __future__ import annotations

from typing import Annotated

import typer

from flows import terminal
from flows.commands.run import check_runner
from flows.console import AuditFile, JsonOption, StoreOption, err, finite, json_text, width


def check(
    audit: AuditFile,
    detect: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Also say how many images would find a class at this ratio, such as 0.5.", show_default=False
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate an audit; what it would take and could find."""
    from ganaudit.fetching.wanted import check_files
    from ganaudit.spec import load

    spec = load(audit, store)
    check_runner(spec)
    check_files(spec)
    from ganaudit.auditing.check import check as checked  # which takes seconds

    with err.status("Opening every source and parsing one batch of each …"):
        checked_audit = checked(spec, detect)
    typer.echo(json_text(checked_audit.as_dict()) if as_json else terminal.plan_text(checked_audit, width()))
