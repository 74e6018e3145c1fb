"""The stage that inverts: all photos and own samples of one generator."""

from __future__ import annotations

from prefect import task

from ganaudit.studies.inversion.opening import InversionTask, make_inversions
from ganaudit.studies.inversion.settings import InversionsDone
from tasks.block import may_pass


@task(
    name="invert", task_run_name="invert {label}", retries=2, retry_delay_seconds=[2, 15], retry_condition_fn=may_pass,
    persist_result=False,
)  # fmt: skip
def invert(todo: InversionTask, label: str) -> InversionsDone:
    """Inverts what is not in the store yet. `label` names it in Prefect's pages."""
    return make_inversions(todo)
