"""The progress bar of a training, and what the training will cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flows.console import err, say

FIGURES = 4
"""Losses that a progress bar has room for."""
TIMED_STEPS, TIMED_SECONDS = 16, 10.0
"""Steps that a training is timed on, fewer where they take longer; a penalty may come with each 16th alone."""


class Cost:
    """What a training, or each stage of one, will cost, in words: once, when its first steps have shown it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._began: tuple[float, float, int] | None = None
        self._spent, self._said = 0.0, False

    def __call__(self, spent: float, steps: int) -> str | None:
        """After each step: the share of the budget that is spent, and steps so far."""
        from ganaudit.report.words import about

        if spent < self._spent:  # the next stage
            self._began, self._said = None, False
        now, self._spent = time.monotonic(), spent
        if self._began is None:
            self._began = now, spent, steps
        seconds, share, timed = now - self._began[0], spent - self._began[1], steps - self._began[2]
        if self._said or share <= 0.0 or spent >= 1.0 or (timed < TIMED_STEPS and seconds < TIMED_SECONDS):
            return None
        self._said = True
        left = (1.0 - spent) / share
        return f"{self._model}: another {max(1, round(left * timed)):,} steps, about {about(left * seconds)} on this machine."


@contextmanager
def training_bar(model: str, first: str, cost_known: bool = False) -> Iterator[Callable[[float, int, dict[str, float]], None]]:
    """A progress bar; the training calls it at each of its steps. cost_known: what it will cost was said before it began."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=err) as bars:
        bar = bars.add_task(f"{model}: {first}", total=1.0)
        shown: dict[str, float] = {}
        cost = Cost(model)

        def tell(spent: float, iteration: int, losses: dict[str, float]) -> None:
            shown.update(losses)
            text = ", ".join(f"{name} {value:.3g}" for name, value in list(shown.items())[:FIGURES])
            bars.update(bar, completed=spent, description=f"{model}: step {iteration:,}, {text}")
            if not cost_known and (said := cost(spent, iteration)) is not None:
                say(said)

        yield tell
