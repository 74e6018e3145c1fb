"""No server needed, none left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import server as room
from ganaudit.errors import AuditError, RequestError


def test_a_run_without_a_server_says_what_is_waited_for_and_leaves_no_process(
    toy, start, processes, ended, monkeypatch, tmp_path
):
    """Another server starts on the same new home at the same time, and both answer."""
    before = processes()
    home = tmp_path / "fresh"
    home.mkdir()
    fresh = {"PREFECT_API_URL": None, "PREFECT_HOME": None, "XDG_CACHE_HOME": None, "HOME": str(home)}
    running = start("run", toy(), "--json", **fresh)
    while not processes() - before:
        assert running.poll() is None
        time.sleep(0.05)
    monkeypatch.setenv("PREFECT_HOME", str(home / ".cache/ganaudit/prefect"))
    other = room.TemporaryServer()
    other.wait()
    other.stop()
    out, err = running.communicate(timeout=200)
    assert running.returncode == 0, err
    result = json.loads(out)
    assert (result["status"], result["parsed"], result["exit_code"]) == ("done", 3148, 0)
    lines = err.splitlines()
    assert lines[0].startswith("Starting a temporary Prefect server: about 25 s this first time, 15 s later")
    assert "Parsing: 3,148 images in 4 shards" in err
    assert "Traceback" not in err
    assert ended(processes() - before)
    assert (home / ".cache/ganaudit/prefect/prefect.db").is_file()


def test_a_wrong_audit_is_told_without_waiting_for_a_server(toy, cli, monkeypatch):
    begun, own = [], room.TemporaryServer
    monkeypatch.setattr(own, "_start", lambda _: begun.append("server"))
    monkeypatch.setattr(own, "stop", lambda _: None)
    monkeypatch.setattr(own, "wait", lambda _: pytest.fail("a server is waited for"))
    monkeypatch.delenv("PREFECT_API_URL")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        told = cli("run", toy(real={"name": "photos", "kind": "toy:photoss"}))
    assert (told.code, told.out, begun) == (2, "", ["server"])
    assert told.err.splitlines()[-1].startswith("error: toy:photoss: toy has no function 'photoss'; it has ")


def test_a_command_that_is_killed_takes_its_server_with_it(processes, ended):
    before = processes()
    code = "import sys, flows.server as s; t = s.TemporaryServer(); print(t._process.pid, flush=True); sys.stdin.read()"
    command = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child = int(command.stdout.readline())
    limit = time.monotonic() + 10
    while child not in processes() - before:  # whose environment cannot be read yet
        assert time.monotonic() < limit
        time.sleep(0.05)
    time.sleep(1)
    command.send_signal(signal.SIGKILL)
    command.communicate()
    assert ended({child})


def test_a_server_that_does_not_start_says_why(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "nonsense")
    broken = room.TemporaryServer()
    with pytest.raises(AuditError, match=r"the temporary Prefect server did not start \(.*(Error|Exception)"):
        broken.wait()
    broken.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "nonsense"])
def test_an_address_where_no_server_answers_is_one_sentence(toy, cli, url):
    with temporary_settings({PREFECT_API_URL: url}):
        said = cli("run", toy())
    assert (said.code, said.out) == (2, "")
    err = said.err
    assert err.splitlines()[0] == f"Connecting to the Prefect server at {url} …"
    assert err.splitlines()[1].startswith(f"error: no Prefect server answers at {url} (")
    assert len(err.splitlines()) == 2


def test_nothing_is_sent_to_anyone(server):
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false" and os.environ["DO_NOT_TRACK"] == "1"
    from prefect.settings import get_current_settings

    assert get_current_settings().server.ephemeral.startup_timeout_seconds >= 20


def test_the_line_with_the_error_is_quoted_not_the_last_one():
    said = "Traceback (most recent call last):\n  File x\nsqlite3.OperationalError: database is locked\n\n12:00 | Exiting.\n"
    said += "Fatal Python error: could not acquire lock\n\nCurrent thread 0x1 (most recent call first):\n  <no Python frame>\n"
    assert room.reason(said) == "sqlite3.OperationalError: database is locked"
    assert (room.reason("no such file\n"), room.reason("")) == ("no such file", "it said nothing")


SERVER = """
import os, sys, time, types

class Database:
    async def create_db(self):
        inside = os.path.join(os.environ["PREFECT_HOME"], "inside")
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # an error where another one is at it
        print("migrating", flush=True)
        time.sleep(float(os.environ["TAKES"]))
        os.unlink(inside)

def serves(*_, **__):
    print("serving", flush=True)
    time.sleep(60)

for name, held in {"prefect": {}, "prefect.server": {}, "uvicorn": {"run": serves},
                   "prefect.server.database": {"provide_database_interface": Database}}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(held)
from flows import server
print("ready", flush=True)
while not os.path.exists(os.environ["BEGIN"]):
    time.sleep(0.005)
server._serve(0)
"""


@pytest.fixture
def serving(tmp_path):
    """`serving(home, takes)`: the server's process on a database that takes so many seconds to be made."""
    begun = []

    def call(home="home", takes=0.5):
        environment = {
            **os.environ,
            "PREFECT_HOME": str(tmp_path / home),
            "TAKES": str(takes),
            "BEGIN": str(tmp_path / "begin"),
        }
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(room.__file__).parents[1]), environment.get("PYTHONPATH", "")])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen([sys.executable, "-c", SERVER], env=environment, **pipes))
        assert begun[-1].stdout.readline() == "ready\n"
        return begun[-1]

    yield call
    for result in begun:
        result.kill()
        result.wait()
        for pipe in (result.stdin, result.stdout, result.stderr):
            pipe.close()


def said(process) -> str:
    """The next line of a process, or why there is none."""
    return process.stdout.readline() or process.stderr.read()


def test_of_two_servers_on_one_home_one_waits_until_the_database_of_the_other_is_made(serving, tmp_path):
    both = [serving(), serving()]
    (tmp_path / "begin").touch()
    assert [said(result) for result in both for _ in range(2)] == ["migrating\n", "serving\n"] * 2
    assert all(result.poll() is None for result in both)  # they serve together: only the making is one after the other
    both[0].stdin.close()  # its command has ended
    assert both[0].wait(10) == -signal.SIGTERM and both[1].poll() is None


def test_a_server_that_is_killed_as_it_makes_its_database_is_not_waited_for_nor_one_of_another_home(serving, tmp_path):
    (tmp_path / "begin").touch()
    first = serving(takes=60)
    assert said(first) == "migrating\n"
    elsewhere = serving("other", takes=0)
    assert (said(elsewhere), said(elsewhere)) == ("migrating\n", "serving\n")
    second = serving(takes=0)
    time.sleep(0.2)
    (tmp_path / "home" / "inside").unlink()
    first.kill()
    assert (said(second), said(second)) == ("migrating\n", "serving\n")


@pytest.mark.parametrize(
    ("version", "fits"), [("3.8.8", True), ("3.9.1", True), ("3.8.7", False), ("2.20.3", False), ("4.0.0", False)]
)
def test_a_server_that_is_too_old_or_of_another_kind_is_one_sentence(version, fits):
    with contextlib.nullcontext() if fits else pytest.raises(RequestError) as told:
        room.check_version("http://there/api", version, "3.8.8")
    if not fits:
        assert str(told.value).startswith(
            f"the Prefect server at http://there/api has version {version} and this command 3.8.8; "
        )


def test_the_version_is_asked_of_the_server_itself(server, monkeypatch):
    import prefect

    room._check(server)
    monkeypatch.setattr(prefect, "__version__", "9.0.0")
    with pytest.raises(RequestError, match=r"has version 3\.\S+ and this command 9.0.0"):
        room._check(server)
