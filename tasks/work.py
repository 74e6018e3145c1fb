"""The one task: a shard of any study, wherever Prefect runs it."""

from __future__ import annotations

from typing import Any

from prefect import task

from ganaudit.errors import AuditError, RequestError
from ganaudit.studies import protocol
from ganaudit.studies.protocol import Done, Shard


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
    name="work", task_run_name="{label}", retries=2, retry_delay_seconds=[2, 15], retry_condition_fn=may_pass,
    persist_result=False,
)  # fmt: skip
def work(shard: Shard, label: str) -> Done:
    """Does one shard. `label` names it in Prefect's pages."""
    return protocol.work(shard)
