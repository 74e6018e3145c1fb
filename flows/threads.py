"""Tasks on threads of this process."""

from __future__ import annotations

from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

Runner = TaskRunner[PrefectFuture[Any]]


class Threads(ThreadPoolTaskRunner[Any]):
    """Threads of this process. An interruption does not wait for the blocks at work: they take minutes, and are made again."""

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        super().__exit__(exc_type, exc_value, traceback)


def threads(workers: int) -> Runner:
    return cast("Runner", Threads(max_workers=workers))
