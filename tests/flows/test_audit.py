"""The audit as a flow: the library's rows, what Prefect's pages show, retries, a failing block."""

from __future__ import annotations

import pickle

import pytest
from prefect.client.orchestration import get_client

import tasks.work
from flows.audit import run as run_flow
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.spec import load
from ganaudit.studies.census.blocks import missing

BOTH = [{"name": "even", "kind": "toy:generator"}, {"name": "dim", "kind": "toy:generator", "options": {"shift": -0.5}}]


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """Faults of the toy generator still to come, and retries that do not wait."""
    path = tmp_path / "faults"
    monkeypatch.setenv("TOY_FAULT", str(path))
    monkeypatch.setattr(tasks.work.work, "retry_delay_seconds", 0)
    return path


def asked(path: str, **body):
    """What the server answers to a query."""
    with get_client(sync_client=True) as client:
        return client._client.post(path, json=body).raise_for_status().json()


def statuses(store):
    return [row["status"] for row in catalog.query(store, "SELECT status FROM runs ORDER BY started").to_pylist()]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_flow_gives_the_librarys_records_and_findings(toy, rows, tmp_path, workers):
    audit = toy(generators=BOTH, run={"workers": workers})
    expected = without_prefect(load(audit, tmp_path / "expected"))
    result = run_flow(audit)
    assert rows(result.store) == rows(expected.store)
    assert (result.parsed, result.quarantined, result.status) == (1100 + 2 * 2048, 0, "done")
    for name, table in expected.findings.items():
        assert result.findings[name].drop_columns("run") == table.drop_columns("run")


def test_prefect_shows_findings_report_and_progress(toy):
    result = run_flow(toy(generators=BOTH))
    artifacts = asked("/artifacts/filter", sort="CREATED_DESC")
    table, report, progress = (
        next(artifact for artifact in artifacts if artifact["key"] == key) for key in ("findings", "report", "progress")
    )
    assert result.run in table["description"] and '"generator": "dim"' in table["data"]
    assert result.report.as_uri() in report["data"] and result.report.is_file()
    assert progress["data"] == 100.0 and result.run in progress["description"]
    assert sum(artifact["key"] == "progress" and result.run in (artifact["description"] or "") for artifact in artifacts) == 1


def test_only_paths_reach_the_server_and_only_small_specs_reach_a_task(toy):
    audit = toy(sample={"count": 2_000_000, "batch": 512})
    planned = plan(load(audit))
    todo = missing(planned, Store(audit.parent / "store"))
    assert len(todo) > 1900
    assert len(pickle.dumps((todo[-1], todo[-1].label))) < 5000
    audit = toy()
    run_flow(audit, audit.parent / "elsewhere")
    parameters = asked("/flow_runs/filter", sort="START_TIME_DESC", limit=1)[0]["parameters"]
    assert parameters == {"audit": str(audit), "store": str(audit.parent / "elsewhere")}


def test_a_fault_that_passes_is_tried_again(toy, rows, faults, tmp_path):
    audit = toy()
    expected = without_prefect(load(audit, tmp_path / "expected"))
    faults.write_text("512 OSError\n1024 OSError\n1024 OSError")
    result = run_flow(audit)
    assert (result.status, rows(result.store), faults.read_text()) == ("done", rows(expected.store), "")


def test_a_fault_that_does_not_pass_is_not_tried_again(toy, faults):
    faults.write_text("512 ValueError\n512 OSError")
    with pytest.raises(AuditError, match="the generator raised ValueError at images 512-1023: on purpose"):
        run_flow(toy())
    assert faults.read_text() == "512 OSError"


def test_a_failing_block_fails_the_run_and_nothing_else_is_lost(toy, rows, cli, faults, tmp_path):
    audit = toy()
    expected = without_prefect(load(audit, tmp_path / "expected"))
    store = Store(tmp_path / "store")
    faults.write_text("0 ValueError")
    failed = cli("run", audit)
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.splitlines()[-1] == "error: the generator raised ValueError at images 0-511: on purpose"
    assert len(rows(store.path)["images"]) == 1100 + 1024
    assert statuses(store) == ["failed"]
    assert "failed" in cli("runs", "--store", store.path).out
    again = run_flow(audit)
    assert (again.parsed, statuses(store)) == (1024, ["failed", "done"])
    assert rows(store.path) == rows(expected.store)


def test_a_changed_audit_parses_what_is_new_and_nothing_else(toy):
    assert run_flow(toy()).parsed == 1100 + 2048
    assert run_flow(toy()).parsed == 0
    assert run_flow(toy(generators=[{**BOTH[0], "name": "renamed"}])).parsed == 0
    assert run_flow(toy(generators=BOTH)).parsed == 2048
    assert run_flow(toy(sample={"count": 2049, "batch": 512})).parsed == 1024
