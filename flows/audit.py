"""The audit as a Prefect flow: each source's blocks fan out as tasks, then the findings are published."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from ganaudit import devices
from ganaudit.auditing.blocks import BlockDone
from ganaudit.auditing.inversions import inversion_tasks
from ganaudit.auditing.plan import BlockTask, Plan
from ganaudit.auditing.run import Audit, failing, open_store
from ganaudit.errors import AuditError
from ganaudit.spec import AuditSpec, load
from tasks.block import block
from tasks.invert import invert
from tasks.prepare import prepare
from tasks.publish import publish

Watch = Callable[[Plan, list[BlockTask], BlockDone | None], None]
"""Told of the plan once (with None), then of each block when its records stand."""

PROGRESS_SECONDS = 5.0
"""Least time between two updates of the progress artifact: each is a request to the server."""


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
"""Not a parameter of the flow: those are sent to the server."""


class Threads(ThreadPoolTaskRunner[Any]):
    """Threads of this process. An interruption does not wait for the blocks at work: they take minutes, and are made again."""

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None and self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        super().__exit__(exc_type, exc_value, traceback)


def _threads(workers: int) -> TaskRunner[PrefectFuture[Any]]:
    return cast("TaskRunner[PrefectFuture[Any]]", Threads(max_workers=workers))


@flow(
    name="audit", flow_run_name="{audit}", persist_result=False, validate_parameters=False,
    task_runner=_threads(devices.workers("auto", devices.pick("auto"))),
)  # fmt: skip
def audit(audit: str, store: str | None = None) -> Audit:
    """Runs or resumes the audit file `audit`; `store` replaces its own. Raises GanauditError where it cannot."""
    return _run(load(Path(audit), store), _watch.get())


def _run(spec: AuditSpec, watch: Watch | None) -> Audit:
    planned, todo = prepare(spec)
    with failing(planned, open_store(spec)):
        if watch is not None:
            watch(planned, todo, None)
        progress = _Progress(len(todo))
        futures = [block.submit(one, label(one)) for one in todo]
        parsed, first_error = 0, None
        for future in as_completed(futures):
            try:
                done = future.result()
            except Exception as error:  # the other blocks' records are worth having: go on, then say what went wrong
                first_error = first_error or error
                continue
            parsed += done.images
            progress.step()
            if watch is not None:
                watch(planned, todo, done)
        progress.finish()
        if first_error is not None:
            raise first_error
        to_invert, notes = inversion_tasks(planned)
        inverted = [one.result() for one in [invert.submit(one, one.name) for one in to_invert]]
        return publish(planned, parsed, inverted, notes)


def label(todo: BlockTask) -> str:
    """How Prefect's pages call a block."""
    return f"{todo.source.name} {todo.first}-{todo.last}"


class _Progress:
    """The run's progress artifact, updated now and then."""

    def __init__(self, blocks: int) -> None:
        self._blocks, self._done, self._told = blocks, 0, time.monotonic()
        self._artifact: UUID | None = None
        if blocks:
            made = create_progress_artifact(progress=0.0, key="progress", description="Blocks whose records stand")
            self._artifact = made if isinstance(made, UUID) else None

    def step(self) -> None:
        self._done += 1
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._tell()

    def finish(self) -> None:
        if self._blocks:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        if self._artifact is not None:
            update_progress_artifact(self._artifact, progress=100.0 * self._done / self._blocks)


def run(path: Path | str, store: Path | str | None = None, watch: Watch | None = None) -> Audit:
    """The flow on threads of this process, as the audit file's `run` says. Raises GanauditError."""
    spec = load(path, store)
    workers = devices.workers(spec.run.workers, devices.pick(spec.run.device))
    on_threads = audit.with_options(task_runner=_threads(workers))
    told = _watch.set(watch)
    try:
        return on_threads(str(Path(path).resolve()), None if store is None else str(Path(store).expanduser().resolve()))
    except httpx.HTTPError as error:
        raise AuditError(
            f"the Prefect server stopped answering ({str(error) or type(error).__name__}); "
            "the finished blocks are in the store, and the same command goes on from there"
        ) from error
    finally:
        _watch.reset(told)
