"""The stage that does the work: one block of one source, from images to records."""

from __future__ import annotations

from typing import Any

from prefect import task

from ganaudit.auditing.plan import BlockTask
from ganaudit.errors import AuditError, RequestError
from ganaudit.studies.census.work import BlockDone, make_block


def may_pass(task: Any, run: Any, state: Any) -> bool:
    """Whether trying again can help: a disk or network fault may pass, a wrong request or a broken model does not."""
    try:
        state.result()
    except RequestError:
        return False
    except Exception as error:
        return isinstance(error.__cause__ if isinstance(error, AuditError) else error, OSError | MemoryError)
    return False


@task(
    name="block", task_run_name="{label}", retries=2, retry_delay_seconds=[2, 15], retry_condition_fn=may_pass,
    persist_result=False,
)  # fmt: skip
def block(todo: BlockTask, label: str) -> BlockDone:
    """Samples or reads, parses, counts and writes one block. `label` names it in Prefect's pages."""
    return make_block(todo)
