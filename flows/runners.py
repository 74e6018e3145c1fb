"""Where the tasks of an audit run: threads of this process, or the workers of a Dask cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture

from flows.threads import threads
from ganaudit.errors import AuditError, GanauditError, RequestError
from ganaudit.sources.planned import Plan
from ganaudit.spec import AuditSpec

R = TypeVar("R")


def check_runner(spec: AuditSpec, server: str | None) -> None:
    """Raises RequestError where the spec's runner cannot work, before anything is started; `server`: Prefect's address."""
    if spec.run.runner != "dask":
        return
    require_dask()
    from flows.dask_runner import check_cluster

    check_cluster(spec.run, server)


def require_dask() -> None:
    """Raises RequestError where the extra is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("distributed", "prefect_dask")):
        raise RequestError("run.runner is dask, which is not installed here; pip install 'ganaudit[dask]'")


@contextmanager
def tasks_on(planned: Plan) -> Iterator[None]:
    """Inside a flow: the tasks that are submitted here go where the plan's `run` says. Raises GanauditError.

    The flow's own runner was chosen before the audit file was read; only what is submitted matters, and that goes by context.
    """
    inside = FlowRunContext.get()
    assert inside is not None
    if planned.spec.run.runner == "dask":
        require_dask()
        from flows.dask_runner import dask

        runner = dask(planned)
    else:
        runner = threads(planned.workers)
    with runner, inside.model_copy(update={"task_runner": runner}):
        yield


def result(future: PrefectFuture[R]) -> R:
    """What a task came to. Raises what it raised; where Dask itself gave it up, AuditError in words."""
    try:
        return future.result()
    except GanauditError:
        raise
    except Exception as error:
        kind = type(error)
        if kind.__name__ == "KilledWorker":
            raise AuditError(
                "a task was given up because every worker that took it died, most often for want of memory; "
                "set sample.batch or run.workers lower, and the same command goes on from the finished blocks"
            ) from error
        if kind.__module__.startswith("distributed"):
            raise AuditError(
                f"the Dask cluster lost the run's tasks ({str(error).strip() or kind.__name__}); "
                "the finished blocks are in the store, and the same command goes on from there"
            ) from error
        raise
