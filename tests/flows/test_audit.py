"""The audit as a flow: the library's rows, what Prefect's pages show, retries, a failing block."""

from __future__ import annotations

import errno
import pickle
import shutil

import pytest
from prefect.client.orchestration import get_client

import tasks.work
from flows.audit import run as run_flow
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError
from ganaudit.records import catalog, writer
from ganaudit.records.store import Store
from ganaudit.spec import load
from ganaudit.studies.census.blocks import missing
from ganaudit.studies.census.study import STUDY as CENSUS

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


@pytest.fixture(scope="module")
def expected(toys):
    """What the library makes of two generators."""
    return without_prefect(load(toys(generators=BOTH)))


@pytest.fixture(scope="module")
def even_rows(toys, made_alone, rows):
    """The rows of the toy audit as it is."""
    return rows(made_alone(toys())[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_flow_gives_the_librarys_records_and_findings(toy, rows, expected, workers):
    result = run_flow(toy(generators=BOTH, run={"workers": workers}))
    assert rows(result.store) == rows(expected.store)
    assert (result.parsed, result.quarantined, result.status) == (1100 + 2 * 2048, 0, "done")
    for name, table in expected.findings.items():
        assert result.findings[name].drop_columns("run") == table.drop_columns("run")
    if workers == 2:
        prefect_shows(result)


def prefect_shows(result):
    """Findings, report and progress, each once: others use the server, too."""
    artifacts = asked("/artifacts/filter", sort="CREATED_DESC")
    mine = [each for each in artifacts if result.run in f"{each['description']}{each['data']}"]
    table, report, progress = sorted(mine, key=lambda each: ["findings", "report", "progress"].index(each["key"]))
    assert result.run in table["description"] and '"generator": "dim"' in table["data"]
    assert result.report.as_uri() in report["data"] and result.report.is_file()
    assert progress["data"] == 100.0 and result.run in progress["description"]


def test_only_paths_reach_the_server_and_only_small_specs_reach_a_task(toy):
    audit = toy(sample={"count": 2_000_000, "batch": 512})
    planned = plan(load(audit))
    todo = missing(planned, Store(audit.parent / "store"))
    assert len(todo) > 1900
    assert len(pickle.dumps((todo[-1], todo[-1].label))) < 5000
    audit = toy()
    run_flow(audit, audit.parent / "elsewhere")
    (parameters,) = [
        run["parameters"] for run in asked("/flow_runs/filter", sort="START_TIME_DESC") if str(audit) in str(run["parameters"])
    ]
    assert parameters == {"audit": str(audit), "store": str(audit.parent / "elsewhere")}


def test_a_fault_that_passes_is_tried_again(toy, rows, faults, even_rows):
    faults.write_text("512 OSError\n1024 OSError\n1024 OSError")
    result = run_flow(toy())
    assert (result.status, rows(result.store), faults.read_text()) == ("done", even_rows, "")


def test_a_fault_that_does_not_pass_is_not_tried_again(toy, faults):
    faults.write_text("512 ValueError\n512 OSError")
    with pytest.raises(AuditError, match="the generator raised ValueError at images 512-1023: on purpose"):
        run_flow(toy())
    assert faults.read_text() == "512 OSError"


def test_a_failing_block_fails_the_run_and_nothing_else_is_lost(toy, rows, cli, faults, even_rows, tmp_path):
    audit = toy()
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
    assert rows(store.path) == even_rows


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("removed", 1, "the store was removed or moved away meanwhile; put it back and run the audit again"),
        ("emptied", 1, "the store was removed or moved away meanwhile"),
        ("filled", 1, "the disk is full: "),
        ("locked", 2, "the store cannot be written to: "),
    ],
)
def test_a_store_that_takes_no_more_files_ends_a_run_at_once_in_one_sentence(toy, cli, tmp_path, monkeypatch, what, code, said):
    store, real, worked = tmp_path / "store", CENSUS.work, []

    def refuse(path, content):
        raise OSError({"filled": errno.ENOSPC, "locked": errno.EROFS}[what], "no")

    def faulty(shard):
        worked.append(shard.label)
        if len(worked) == 2:
            if what in ("filled", "locked"):
                monkeypatch.setattr(writer, "write_bytes", refuse)
            for path in [store] if what == "removed" else store.iterdir() if what == "emptied" else ():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return real(shard)

    monkeypatch.setattr(CENSUS, "work", faulty, raising=False)
    monkeypatch.setattr(tasks.work.work, "retry_delay_seconds", 0)
    told = cli("run", toy(generators=BOTH, sample={"count": 8192, "batch": 512}, run={"workers": 1}))
    last = told.err.splitlines()[-1]
    assert (told.code, told.out) == (code, "") and said in last and last.startswith("error: ") and str(store) in last
    assert len(set(worked)) <= 4  # of 18: what is made cannot be kept
    assert store.exists() == (what != "removed") and not [*store.rglob("*.tmp")]


def test_a_changed_audit_parses_what_is_new_and_nothing_else(toy, made_alone):
    def parsed(**changes):
        return made_alone(toy(**changes))[1]["parsing"]

    assert run_flow(toy()).parsed == 1100 + 2048
    assert run_flow(toy()).parsed == 0
    assert parsed(generators=[{**BOTH[0], "name": "renamed"}]) == 0  # what is missing is the library's to say, whoever asks
    assert parsed(generators=BOTH) == 2048
    assert parsed(sample={"count": 2049, "batch": 512}) == 1024
