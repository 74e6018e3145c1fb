"""The deployment as a team uses it: a server, a work pool, `prefect deploy`, a worker that runs what is due."""

from __future__ import annotations

import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, DeploymentFilter

from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
POOL = "ganaudit"


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`prefect("deploy", "--all", folder=…)` is a command of Prefect's, in a folder, as it is typed there."""

    def call(*arguments: str, folder: Path) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["prefect", *arguments])
        handlers = {word: signal.getsignal(word) for word in (signal.SIGINT, signal.SIGTERM)}
        try:
            with pytest.raises(SystemExit) as ended:
                runpy.run_module("prefect", run_name="__main__")
            assert not ended.value.code
        finally:
            for word, handler in handlers.items():
                signal.signal(word, handler)

    return call


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An audit of two folders of 64 village scenes each; the second holds no people."""
    for seed, (folder, prevalence) in enumerate({"photos": Prevalence(), "generated": Prevalence(person=0.0)}.items()):
        (tmp_path / folder).mkdir()
        for number, pixels in enumerate(render(prevalence, seed, range(64))[0]):
            Image.fromarray(pixels).save(tmp_path / folder / f"{number:03}.png")
    data = {
        "name": "small", "parser": {"kind": "unet", "weights": "builtin:village"},
        "real": {"name": "photos", "kind": "folder", "path": "photos"},
        "generators": [{"name": "ours", "kind": "folder", "path": "generated"}], "decide": {"permutations": 0},
    }  # fmt: skip
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(data))
    return tmp_path


@pytest.mark.timeout(600)  # half a minute of work; a loaded machine takes several times as long
def test_the_shipped_file_is_accepted_and_a_worker_runs_what_is_due(server, prefect, small):
    shipped = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())
    prefect("work-pool", "create", POOL, "--type", "process", folder=small)
    prefect("--no-prompt", "deploy", "--all", folder=DEPLOYMENTS)
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("nightly/village-nightly")
        client.request("POST", "/deployments/{id}/schedule", path_params={"id": nightly.id})  # as a server's service does
    assert nightly.parameters == shipped["deployments"][0]["parameters"]
    assert (DEPLOYMENTS / nightly.parameters["audit"]).is_file()
    assert set(nightly.tags) == {"ganaudit", "nightly"} and nightly.work_pool_name == POOL
    assert nightly.global_concurrency_limit.limit == 1
    assert nightly.concurrency_options.collision_strategy == "CANCEL_NEW"
    assert [result.schedule.cron for result in nightly.schedules] == ["0 2 * * *"]

    # beside somebody's own audit file, as the README says: a copy with another name and other parameters
    queue = shipped["deployments"][0]["work_pool"] | {"work_queue_name": "own"}  # at two in the night the other's run is due
    own = shipped["deployments"][0] | {"name": "own", "work_pool": queue}
    own |= {"parameters": {"audit": "audit.yaml", "store": "kept"}, "schedules": []}
    (small / "prefect.yaml").write_text(yaml.safe_dump(shipped | {"deployments": [own]}))
    prefect("--no-prompt", "deploy", "--all", folder=small)
    with get_client(sync_client=True) as client:
        asked = client.read_deployment_by_name("nightly/own").id
        started = [client.create_flow_run_from_deployment(asked).id for _ in range(2)]
    before = set(psutil.Process().children(recursive=True))
    prefect("worker", "start", "--pool", POOL, "--work-queue", "own", "--run-once", folder=DEPLOYMENTS)
    assert set(psutil.Process().children(recursive=True)) <= before

    with get_client(sync_client=True) as client:
        ends = {run.state_type.value: run for run in map(client.read_flow_run, started)}
        artifacts = client.read_artifacts(artifact_filter=ArtifactFilter.model_validate({"key": {"any_": ["report"]}}))
        due = client.read_flow_runs(deployment_filter=DeploymentFilter.model_validate({"id": {"any_": [nightly.id]}}))
    assert sorted(ends) == ["CANCELLED", "COMPLETED"]  # one at a time
    done = ends["COMPLETED"]
    kept = Store(small / "kept")
    rows = catalog.query(kept, "SELECT run, status FROM runs").to_pylist()
    assert [row["status"] for row in rows] == ["done"]
    assert done.state.message.startswith(f"{rows[0]['run']}: ours ")
    assert kept.finding(rows[0]["run"], "fsd").with_name("report.html").is_file()
    said = "SELECT verdict, ratio FROM dropped_classes WHERE class = 'person' AND measure = 'presence'"
    (person,) = catalog.query(kept, said).to_pylist()
    assert person["verdict"] in ("reduced", "dropped") and person["ratio"] < 0.3
    assert len([result for result in artifacts if rows[0]["run"] in result.data]) == 1
    assert due and all(run.state_type.value == "SCHEDULED" and run.expected_start_time.hour == 2 for run in due)
