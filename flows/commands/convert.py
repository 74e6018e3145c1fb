"""`ganaudit convert`: a foreign checkpoint as safetensors, without running its code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.console import JsonOption, json_text, path_checked


def convert(
    file: Annotated[str, typer.Argument(help="A checkpoint: .pth, .pt, .pkl, …", show_default=False)],
    to: Annotated[Path, typer.Option("--to", callback=path_checked, help="The folder to write to.", show_default=False)],
    sha256: Annotated[str | None, typer.Option("--sha256", help="The digest that it must have.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """A foreign checkpoint as safetensors, without running its code."""
    from ganaudit.conversion import convert as converted

    card = converted(file, to, sha256)
    if as_json:
        typer.echo(json_text(card))
        return
    for name in card["files"]:
        typer.echo(str(to / name))
    for left in card["left_out"]:
        typer.echo(f"left out: {left}")
