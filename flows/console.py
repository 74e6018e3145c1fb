"""What every command shares: where it writes, the options that many take, the store that it reads."""

from __future__ import annotations

import inspect
import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.console import Console

from ganaudit import paths
from ganaudit.errors import RequestError

if TYPE_CHECKING:
    from ganaudit.records.store import Store

err = Console(stderr=True, highlight=False)

DEFAULT_STORE = Path("audits")


def path_checked(param: typer.CallbackParam, value: Path | None) -> Path | None:
    """The path of an option, its ~ expanded. Raises RequestError for one that the system cannot look for."""
    return None if value is None else paths.request(value, _named(param))


def finite(param: typer.CallbackParam, value: float | None) -> float | None:
    """A number of an option. Raises RequestError for one that is no number or has no end."""
    if value is not None and not math.isfinite(value):
        raise RequestError(f"{_named(param)} is {value}; give a finite number")
    return value


def _named(param: typer.CallbackParam) -> str:
    return param.opts[0] if param.opts else str(param.name)


StoreOption = Annotated[
    Path | None, typer.Option("--store", callback=path_checked, help="The folder that keeps the records.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, …")]
KindOption = Annotated[
    str | None, typer.Option("--kind", help="Family of a weights file that does not say it.", show_default=False)
]
AuditFile = Annotated[Path, typer.Argument(help="The audit file (YAML).", show_default=False)]


def takes(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a command of a function whose first argument is a `kind`, whose fields are options behind the command's own."""
    hints = get_type_hints(kind, include_extras=True)
    options = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(kind)
    ]

    def command_of(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            function(kind(**{each.name: given.pop(each.name) for each in options}), **given)

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        return command

    return command_of


def readable(store: Path | None) -> Store:
    """The store of a command that reads one. Raises RequestError where there is none."""
    from ganaudit.records.store import Store

    return Store(store or DEFAULT_STORE).open_for_reading()


def newest_run(store: Store) -> str:
    """The newest finished run of a store. Raises RequestError where there is none."""
    from ganaudit.records import catalog

    rows = catalog.query(
        store, "SELECT run FROM runs WHERE status IN ('done', 'set aside') ORDER BY started DESC LIMIT 1"
    ).to_pylist()
    if not rows:
        raise RequestError(f"no run in {store.path} is finished; run an audit first")
    return str(rows[0]["run"])


def width() -> int:
    """Columns of the terminal; 0 where the output goes to a file or a pipe, whose lines are left whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def say(note: str) -> None:
    """A word on the way, to stderr."""
    err.print(note, style="dim", markup=False, soft_wrap=not err.is_terminal)


def json_text(value: Any) -> str:
    """JSON that every reader takes: what is no number is null."""
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def size(count: int) -> str:
    """Bytes for people."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
