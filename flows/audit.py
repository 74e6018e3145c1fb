"""The audit as a Prefect flow: the library's driver, whose shards fan out as tasks; then the findings are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from prefect import flow
from prefect.futures import as_completed

from flows import server
from flows.artifacts import publish
from flows.progress import Artifact, SoFar
from flows.runners import result, tasks_on
from flows.threads import threads
from ganaudit.auditing.driver import Progress, drive
from ganaudit.auditing.run import Audit, failing, finish, prepared
from ganaudit.errors import STORE_FAULTS
from ganaudit.spec import AuditSpec, load
from ganaudit.studies.protocol import Done, Shard
from tasks.work import work

Watch = Callable[[SoFar], None]
"""Called at every change: at each stage when it is planned, at each shard when its records stand."""


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
"""Not a parameter of the flow: those are sent to the server."""


@flow(name="audit", flow_run_name="{audit}", persist_result=False, validate_parameters=False, task_runner=threads(1))
def audit(audit: str, store: str | None = None) -> Audit:
    """Runs or resumes the audit file `audit`; `store` replaces its own. Raises GanauditError where it cannot."""
    return _run(load(Path(audit), store))  # short: Prefect sends this function to workers whole, and a context cannot travel


def _run(spec: AuditSpec) -> Audit:
    watch = _watch.get()
    planned, store = prepared(spec)
    with failing(planned, store):
        so_far = SoFar(planned)
        so_far.listeners += [] if watch is None else [watch]
        so_far.listeners.append(Artifact(so_far))

        def on_tasks(shards: Sequence[Shard]) -> Iterator[tuple[Shard, Done]]:
            """As Prefect tasks. Raises the first error when all others are done, unless the store takes no more records."""
            asked = {work.submit(shard, shard.label): shard for shard in shards}
            first_error = None
            for future in as_completed(list(asked)):
                try:
                    done = result(future)
                except STORE_FAULTS:
                    raise
                except Exception as error:
                    first_error = first_error or error
                    so_far.failed_shard()
                    continue
                yield asked[future], done
            if first_error is not None:
                raise first_error

        with tasks_on(planned):
            worked = drive(planned, store, on_tasks, Progress(planned, listeners=[so_far.hear]))
        so_far.publishes()
        finished = finish(planned, store, worked)
        publish(finished)
        return finished


def run(path: Path | str, store: Path | str | None = None, watch: Watch | None = None) -> Audit:
    """The flow, with its tasks where the audit file's `run` says. Raises GanauditError."""
    token = _watch.set(watch)
    try:
        with server.answering("finished shards"):
            return audit(str(Path(path).resolve()), None if store is None else str(Path(store).expanduser().resolve()))
    finally:
        _watch.reset(token)
