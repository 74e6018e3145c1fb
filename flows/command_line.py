"""The command line: every command of `flows.commands`, and what errors come to."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from flows.console import err
from flows.usage import Commands
from ganaudit import __version__
from ganaudit.errors import AuditError, GanauditError, RequestError

COMMANDS = (
    "demo", "run", "check", "fetch", "runs", "report", "compare", "sql", "list", "train", "invert", "steer", "calibrate",
    "convert", "claims", "verify", "compact", "prune",
)  # fmt: skip
"""As --help lists them. A new one is a line here and `commands/NAME.py` with a function NAME or a group of them; what is slow
to import waits inside."""

app = typer.Typer(
    name="ganaudit", cls=Commands, help="Find out what an image generator cannot make.", no_args_is_help=True,
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
for _name in COMMANDS:
    _command = getattr(import_module(f"flows.commands.{_name}"), _name)
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"ganaudit {__version__}")
        raise typer.Exit


def main() -> None:
    """The console script. Exit codes: 0 done, 1 failed, 2 wrong request, 3 with images set aside, 4 what --fail-on names."""
    try:
        app(prog_name="ganaudit")
    except RequestError as error:
        _fail(error, 2)
    except GanauditError as error:
        _fail(error, 1)
    except OSError as error:
        _fail(AuditError(f"{error.filename or 'the system'}: {error.strerror or error}"), 1)


def _fail(error: Exception, code: int) -> None:
    from ganaudit.limits import given_up

    err.print(f"error: {error}", markup=False, soft_wrap=not err.is_terminal)
    if given_up():  # Python would end under code that hangs or leaks
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
