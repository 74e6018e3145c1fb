"""`ganaudit demo`: the audit files that the package brings along."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.run import run_audit
from flows.console import DEFAULT_STORE, JsonOption, StoreOption

DEMO = Path(str(resources.files("ganaudit.village") / "demo.yaml"))
DEMO_ALL = DEMO.with_name("demo-all.yaml")
QUERY = (
    "SELECT generator, class, measure, verdict, ratio, ratio_low, ratio_high FROM dropped_classes"
    " WHERE verdict IN ('dropped', 'reduced') ORDER BY ratio LIMIT 8"
)


def demo(
    every: Annotated[bool, typer.Option("--all", help="Four generators: a style-based one too.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The built-in audit: which classes three generators drop."""
    audit = run_audit(DEMO_ALL if every else DEMO, store or DEFAULT_STORE, as_json)
    if not as_json:
        option = "" if audit.store == DEFAULT_STORE.resolve() else f" --store {shlex.quote(str(audit.store))}"
        typer.echo(f'\nTry:  {_program()} sql "{QUERY}"{option}')
    raise typer.Exit(audit.exit_code)


def _program() -> str:
    """How this command is called from here: by its name where that is on the PATH."""
    return "ganaudit" if shutil.which("ganaudit") or not sys.argv[0].endswith("ganaudit") else sys.argv[0]
