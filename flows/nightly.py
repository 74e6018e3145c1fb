"""The flow that a schedule runs: the audit as its file says, then, if wanted, the gate of `ganaudit compare`."""

from __future__ import annotations

import logging
from typing import Any

from prefect import State, flow
from prefect.exceptions import FailedRun
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows.audit import run
from flows.comparison import compare_runs, compared_text
from flows.terminal import findings_text
from ganaudit.auditing.run import Audit
from ganaudit.comparison.compared import Compared
from ganaudit.comparison.finished import finished
from ganaudit.comparison.regressions import FARTHER, UNEXPECTED
from ganaudit.comparison.regressions import fail_on as words_of
from ganaudit.errors import GanauditError, RequestError
from ganaudit.records.store import Store
from ganaudit.report.notebook import headlines
from ganaudit.report.words import counted
from ganaudit.spec import load


@flow(name="nightly", flow_run_name="{audit}", persist_result=False, validate_parameters=False)
def nightly(audit: str, store: str | None = None, baseline: str | None = None, fail_on: str | None = None) -> Any:
    """Runs or resumes the audit file `audit`, as `ganaudit run` does; relative paths start from the working directory.

    store: replaces the audit file's own. baseline, fail_on: as in `ganaudit compare --baseline RUN --fail-on dropped`. The
    flow run is Failed, with one sentence as its message, where the audit cannot be done or what `fail_on` names is met.
    """
    try:
        _check(audit, store, baseline, fail_on)
        done = run(audit, store)
        get_run_logger().info(findings_text(done))
        gate = _gate(done, baseline, fail_on)
    except GanauditError as error:
        return _failed(str(error))
    if gate is not None and gate.regressed:
        return _failed(f"{done.run}: {_regressions(gate)}; the report is {done.report}")
    return Completed(message=f"{done.run}: {_summary(done)}; the report is {done.report}")


def _failed(sentence: str) -> State[Any]:
    """Prefect logs the state with its message; where a deployment runs the flow, its engine logs it twice more, as the
    traceback of an exception that nobody raised. Those are left out."""
    for name in ("prefect.engine", "prefect.flow_runs"):
        logging.getLogger(name).addFilter(_is_news)
    return Failed(message=sentence)


def _is_news(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], FailedRun)


def _check(audit: str, store: str | None, baseline: str | None, fail_on: str | None) -> None:
    """Raises what would be a pity to learn in the morning, before any image is parsed."""
    spec = load(audit, store)
    words = words_of(fail_on)
    if baseline is not None:
        finished(Store(spec.path(spec.store)).open_for_reading(), baseline)
    elif FARTHER in words:
        raise RequestError(f"fail_on {FARTHER} needs a baseline: the run to be farther than")


def _gate(done: Audit, baseline: str | None, fail_on: str | None) -> Compared | None:
    if baseline is None and fail_on is None:
        return None
    compared = compare_runs(Store(done.store), [done.run], baseline, fail_on)
    get_run_logger().info(compared_text(compared))
    return compared


def _regressions(gate: Compared) -> str:
    """What met `fail_on`: "worse than RUN: progan: fence dropped (presence)"."""
    named = [
        f"{change.now.generator}: {change.now.what} {change.now.verdict} ({change.now.measure})"
        for _, judged in gate.judged
        for change in judged.regressed
    ]
    if FARTHER in gate.fail_on:
        named += [f"{change.generator_a}: farther from the real images" for change in gate.farther]
    if UNEXPECTED in gate.fail_on:
        named += [
            f"{row['generator']}: {row['figure']} of {row['class'] or 'all'} is not as published" for _, row in gate.unexpected
        ]
    return (f"worse than {gate.baseline}: " if gate.baseline else f"{','.join(gate.fail_on)} is met: ") + ", ".join(named)


def _summary(done: Audit) -> str:
    were = "was" if done.quarantined == 1 else "were"
    aside = [f"{counted(done.quarantined, 'image')} {were} set aside"] if done.quarantined else []
    return "; ".join([*headlines(done.findings), *aside]) or "no generator has findings"
