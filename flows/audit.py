"""The audit as a Prefect flow: each source's blocks fan out as tasks, then the findings are published."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from uuid import UUID

import httpx
from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import as_completed

from flows.runners import result, tasks_on, threads
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


@flow(name="audit", flow_run_name="{audit}", persist_result=False, validate_parameters=False, task_runner=threads(1))
def audit(audit: str, store: str | None = None) -> Audit:
    """Runs or resumes the audit file `audit`; `store` replaces its own. Raises GanauditError where it cannot."""
    return _run(load(Path(audit), store))  # short: Prefect sends this function to workers whole, and a context cannot travel


def _run(spec: AuditSpec) -> Audit:
    watch = _watch.get()
    planned, todo = prepare(spec)
    with failing(planned, open_store(spec)):
        if watch is not None:
            watch(planned, todo, None)
        with tasks_on(planned):
            parsed = _blocks(planned, todo, watch)
            to_invert, notes = inversion_tasks(planned)
            inverted = [result(one) for one in [invert.submit(one, one.name) for one in to_invert]]
        return publish(planned, parsed, inverted, notes)


def _blocks(planned: Plan, todo: list[BlockTask], watch: Watch | None) -> int:
    """Makes the blocks and returns how many images they held. Raises the first error when all others are done."""
    progress = _Progress(len(todo))
    futures = [block.submit(one, label(one)) for one in todo]
    parsed, first_error = 0, None
    for future in as_completed(futures):
        try:
            done = result(future)
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
    return parsed


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
    """The flow, with its tasks where the audit file's `run` says. Raises GanauditError."""
    told = _watch.set(watch)
    try:
        return audit(str(Path(path).resolve()), None if store is None else str(Path(store).expanduser().resolve()))
    except httpx.HTTPError as error:
        raise AuditError(
            f"the Prefect server stopped answering ({str(error) or type(error).__name__}); "
            "the finished blocks are in the store, and the same command goes on from there"
        ) from error
    finally:
        _watch.reset(told)
