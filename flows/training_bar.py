"""The progress bar of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flows.console import err

FIGURES = 4
"""Losses that a progress bar has room for."""


@contextmanager
def training_bar(model: str, first: str) -> Iterator[Callable[[float, int, dict[str, float]], None]]:
    """A progress bar; the training calls it at each of its steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=err) as bars:
        bar = bars.add_task(f"{model}: {first}", total=1.0)
        shown: dict[str, float] = {}

        def tell(spent: float, iteration: int, losses: dict[str, float]) -> None:
            shown.update(losses)
            text = ", ".join(f"{name} {value:.3g}" for name, value in list(shown.items())[:FIGURES])
            bars.update(bar, completed=spent, description=f"{model}: step {iteration:,}, {text}")

        yield tell
