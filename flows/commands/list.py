"""`ganaudit list`: the kinds that an audit file can name, and the weights that ship."""

from __future__ import annotations

from typing import Annotated

import typer

from flows import terminal
from flows.console import JsonOption, json_text
from ganaudit.errors import RequestError


def list(
    registry: Annotated[str, typer.Argument(help="generators, parsers, datasets, inverters or features.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """What an audit file can name, and the shipped models."""
    from ganaudit import kinds, named

    if registry not in kinds.REGISTRIES:
        raise RequestError(f"there is no list of {registry!r}; there are {', '.join(kinds.REGISTRIES)}")
    summaries = kinds.summaries(registry)
    shipped = named.shipped(registry)
    if as_json:
        typer.echo(json_text({"kinds": summaries, "weights": shipped}))
        return
    typer.echo(
        terminal.table_text([{"kind": kind, "what it is": what} for kind, what in summaries.items()], "none yet"), nl=False
    )
    if shipped:
        typer.echo(f"shipped weights: {', '.join(shipped)}")
