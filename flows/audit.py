"""The audit as a Prefect flow: each source's blocks fan out as tasks, then the findings are published."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

import httpx
from prefect import flow
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.progress import Artifact, SoFar
from ganaudit import devices
from ganaudit.auditing.inversions import inversion_tasks
from ganaudit.auditing.plan import BlockTask
from ganaudit.auditing.run import Audit, failing, open_store
from ganaudit.errors import AuditError
from ganaudit.spec import AuditSpec, load
from tasks.block import block
from tasks.invert import invert
from tasks.prepare import prepare
from tasks.publish import publish

Watch = Callable[[SoFar], None]
"""Told of every change: of the plan, of each block when its records stand, of each generator whose photos are inverted."""


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
        so_far = SoFar.of(planned, todo)
        so_far.listeners += [] if watch is None else [watch]
        so_far.listeners += [Artifact(so_far)] if todo or spec.invert is not None else []
        so_far.tell()
        futures = [block.submit(one, label(one)) for one in todo]
        parsed, first_error = 0, None
        for future in as_completed(futures):
            try:
                done = future.result()
            except Exception as error:  # the other blocks' records are worth having: go on, then say what went wrong
                first_error = first_error or error
                so_far.block_failed()
                continue
            parsed += done.images
            so_far.block(done)
        if first_error is not None:
            raise first_error
        to_invert, notes = inversion_tasks(planned)
        so_far.inverts([one.name for one in to_invert])
        inverted = []
        for todo_there, pending in [(one, invert.submit(one, one.name)) for one in to_invert]:
            inverted.append(pending.result())
            so_far.inverted(todo_there.name)
        so_far.publishes()
        return publish(planned, parsed, inverted, notes)


def label(todo: BlockTask) -> str:
    """How Prefect's pages call a block."""
    return f"{todo.source.name} {todo.first}-{todo.last}"


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
