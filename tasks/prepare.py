"""The first stage: what has to be done, and the record that it was begun."""

from __future__ import annotations

from prefect import task

from ganaudit.auditing.plan import BlockTask, Plan, plan
from ganaudit.auditing.run import begin, open_store
from ganaudit.spec import AuditSpec


@task(name="prepare", persist_result=False)
def prepare(spec: AuditSpec) -> tuple[Plan, list[BlockTask]]:
    """The plan of an audit, and its blocks that are not in the store yet."""
    store = open_store(spec)
    planned = plan(spec)
    return planned, begin(planned, store)
