"""The deployment as a team uses it: a server, a work pool, `prefect deploy`, a worker that runs what is due."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from PIL import Image

from flows import server as room
from flows import settings
from ganaudit.records import catalog
from ganaudit.records.store import Store
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
POOL = "ganaudit"
AT_REST = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class Team:
    """A Prefect server on loopback with a home of its own, and the commands that talk to it."""

    def __init__(self, home: Path) -> None:
        self.port = room._free_port()
        self.environment = {
            **os.environ, **settings.DEFAULTS, "PREFECT_HOME": str(home), "PREFECT_UI_ENABLED": "0",
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
        }  # fmt: skip
        self.before = set(psutil.Process().children(recursive=True))
        """Of other tests."""
        command = [sys.executable, "-P", room.__file__, str(self.port)]  # ends with this process, whatever ends that
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, env=self.environment, start_new_session=True)

    def wait(self) -> None:
        limit = time.monotonic() + 120
        while True:
            try:
                return self.ask("/work_pools/filter", limit=1) and None
            except OSError:
                assert self.server.poll() is None and time.monotonic() < limit
                time.sleep(0.2)

    def ask(self, path: str, **body: Any) -> Any:
        """What the server answers to a POST. Where its database is busy it says 503, and is asked again, as by Prefect's own
        client."""
        request = urllib.request.Request(
            f"{self.environment['PREFECT_API_URL']}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        limit = time.monotonic() + 60
        while True:
            try:
                with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > limit:
                    raise
            time.sleep(0.5)

    def prefect(self, *arguments: str, folder: Path) -> str:
        """A command of Prefect's, in a folder, as it is typed there."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments], cwd=folder, env=self.environment, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deployment(self, name: str) -> Any:
        return next(result for result in self.ask("/deployments/filter") if result["name"] == name)

    def trigger(self, deployment: Any, **parameters: Any) -> str:
        asked = self.ask(f"/deployments/{deployment['id']}/create_flow_run", parameters=parameters)
        return str(asked["id"])

    def run(self, identifier: str) -> Any:
        return self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [identifier]}})[0]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    running = Team(tmp_path_factory.mktemp("home"))
    try:
        running.wait()
        yield running
    finally:
        assert running.server.stdin is not None
        running.server.stdin.close()
        running.server.wait(20)


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
    data["real"] = {"name": "photos", "kind": "folder", "path": "moved away"}
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(data))
    return tmp_path


@pytest.mark.timeout(600)  # half a minute of work; a loaded machine takes several times as long
def test_the_shipped_file_is_accepted_and_a_worker_runs_what_is_due(team: Team, small: Path) -> None:
    shipped = yaml.safe_load((DEPLOYMENTS / "prefect.yaml").read_text())
    team.prefect("work-pool", "create", POOL, "--type", "process", folder=small)
    team.prefect("--no-prompt", "deploy", "--all", folder=DEPLOYMENTS)
    nightly = team.deployment("village-nightly")
    assert nightly["parameters"] == shipped["deployments"][0]["parameters"]
    assert (DEPLOYMENTS / nightly["parameters"]["audit"]).is_file()
    assert set(nightly["tags"]) == {"ganaudit", "nightly"} and nightly["work_pool_name"] == POOL
    assert nightly["global_concurrency_limit"]["limit"] == 1
    assert nightly["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert [result["schedule"]["cron"] for result in nightly["schedules"]] == ["0 2 * * *"]

    # beside somebody's own audit file, as the README says: a copy with another name and other parameters
    queue = shipped["deployments"][0]["work_pool"] | {"work_queue_name": "own"}  # at two in the night the other's run is due
    own = shipped["deployments"][0] | {"name": "own", "work_pool": queue}
    own |= {"parameters": {"audit": "audit.yaml", "store": "kept"}, "schedules": []}
    wrong = own | {"name": "wrong", "parameters": {"audit": "wrong.yaml", "store": "kept"}}
    (small / "prefect.yaml").write_text(yaml.safe_dump(shipped | {"deployments": [own, wrong]}))
    team.prefect("--no-prompt", "deploy", "--all", folder=small)
    good, twice = (team.trigger(team.deployment("own")) for _ in range(2))
    bad = team.trigger(team.deployment("wrong"))
    team.prefect("worker", "start", "--pool", POOL, "--work-queue", "own", "--run-once", folder=DEPLOYMENTS)

    ends = {result: team.run(result) for result in (good, twice, bad)}
    assert all(end["state_type"] in AT_REST for end in ends.values())
    assert sorted(ends[result]["state_type"] for result in (good, twice)) == ["CANCELLED", "COMPLETED"]  # one at a time
    kept = Store(small / "kept")
    rows = catalog.query(kept, "SELECT run, status FROM runs").to_pylist()
    assert [row["status"] for row in rows] == ["done"]
    done = next(end for end in ends.values() if end["state_type"] == "COMPLETED")
    assert done["state"]["message"].startswith(f"{rows[0]['run']}: ours ")
    assert kept.finding(rows[0]["run"], "fsd").with_name("report.html").is_file()
    said = "SELECT verdict, ratio FROM dropped_classes WHERE class = 'person' AND measure = 'presence'"
    (person,) = catalog.query(kept, said).to_pylist()
    assert person["verdict"] in ("reduced", "dropped") and person["ratio"] < 0.3
    links = [result["data"] for result in team.ask("/artifacts/filter") if result["key"] == "report"]
    assert len(links) == 1 and rows[0]["run"] in links[0]

    assert ends[bad]["state_type"] == "FAILED"
    assert "moved away" in ends[bad]["state"]["message"] and "\n" not in ends[bad]["state"]["message"]

    due = [result for result in team.ask("/flow_runs/filter") if result["deployment_id"] == nightly["id"]]
    assert due and all(result["state_type"] == "SCHEDULED" and "T02:00:00" in result["expected_start_time"] for result in due)
    mine = set(psutil.Process().children(recursive=True)) - team.before
    assert {process.pid for process in mine if process.status() != psutil.STATUS_ZOMBIE} <= {team.server.pid}
