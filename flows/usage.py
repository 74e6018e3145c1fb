"""The group of commands: each has one line, Ctrl-C exit code 130, and a wrong option or command one sentence."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
import typer.core

from flows.console import err
from ganaudit.errors import RequestError

RESUMING = ("demo", "run", "fetch", "train", "calibrate", "claims", "steer")
"""Commands that go on where they were stopped."""

UsageError: Any = typer.BadParameter.__mro__[1]
"""Of click, which some versions of typer bring inside themselves."""


class Commands(typer.core.TyperGroup):
    """The commands. What is wrong with their options is a RequestError in one sentence, not three lines."""

    def make_context(self, *arguments: Any, **keywords: Any) -> Any:
        try:
            return super().make_context(*arguments, **keywords)
        except UsageError as error:
            raise _told(error) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except UsageError as error:
            near = error.message.rstrip(".")
            error.message = f"{near}{' There' if near.endswith('?') else '; there'} are: {', '.join(self.commands)}"
            raise
        if command is not None:
            _check_once(command, ctx, name, rest)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _told(error) from None
        except KeyboardInterrupt:
            again = "; the same command goes on where it was stopped" if ctx.invoked_subcommand in RESUMING else ""
            err.print(f"\nstopped{again}", soft_wrap=True)
            sys.stdout.flush()
            os._exit(130)  # blocks at work on threads would hold the process for minutes


def _told(error: Any) -> Exception:
    """The RequestError of a usage error; the help that a bare command prints stays what it is."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return error  # type: ignore[no-any-return]
    words = " ".join(error.format_message().split()).rstrip(".")
    where = error.ctx.command_path if error.ctx is not None else "ganaudit"
    return RequestError(f"{words}; {where} --help lists what there is")


def _check_once(command: Any, ctx: Any, name: str | None, args: list[str]) -> None:
    """Raises a usage error for an option with a value that stands there twice: one value would be lost in silence."""
    inside = type(ctx)(command, info_name=name, parent=ctx)
    given = command.make_parser(inside).parse_args(args=list(args))[2]
    for option in given:
        if option.param_type_name == "option" and not option.multiple and not option.is_flag and given.count(option) > 1:
            raise UsageError(f"The option {option.opts[0]} is given {given.count(option)} times; give it once", inside)
