"""The audit as a Prefect flow: each source's blocks fan out as tasks, then the findings are published."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import httpx
from prefect import flow
from prefect.futures import as_completed

from flows.progress import Artifact, SoFar
from flows.runners import result, tasks_on
from flows.threads import threads
from ganaudit.auditing.plan import BlockTask
from ganaudit.auditing.run import Audit, failing, open_store
from ganaudit.errors import AuditError
from ganaudit.spec import AuditSpec, load
from ganaudit.studies.inversion.opening import inversion_tasks
from tasks.block import block
from tasks.invert import invert
from tasks.prepare import prepare
from tasks.publish import publish

Watch = Callable[[SoFar], None]
"""Told of every change: of the plan, of each block when its records stand, of each generator whose photos are inverted."""


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
        so_far = SoFar.of(planned, todo)
        so_far.listeners += [] if watch is None else [watch]
        so_far.listeners += [Artifact(so_far)] if todo or spec.invert is not None else []
        so_far.tell()
        with tasks_on(planned):
            parsed = _blocks(todo, so_far)
            to_invert, notes = inversion_tasks(planned)
            so_far.inverts([one.name for one in to_invert])
            inverted = []
            for asked, pending in [(one, invert.submit(one, one.name)) for one in to_invert]:
                inverted.append(result(pending))
                so_far.inverted(asked.name)
        so_far.publishes()
        return publish(planned, parsed, inverted, notes)


def _blocks(todo: list[BlockTask], so_far: SoFar) -> int:
    """Makes the blocks and returns how many images they held. Raises the first error when all others are done."""
    futures = [block.submit(one, label(one)) for one in todo]
    parsed, first_error = 0, None
    for future in as_completed(futures):
        try:
            done = result(future)
        except Exception as error:  # the other blocks' records are worth having: go on, then say what went wrong
            first_error = first_error or error
            so_far.block_failed()
            continue
        parsed += done.images
        so_far.block(done)
    if first_error is not None:
        raise first_error
    return parsed


def label(todo: BlockTask) -> str:
    """How Prefect's pages call a block."""
    return f"{todo.source.name} {todo.first}-{todo.last}"


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
