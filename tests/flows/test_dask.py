"""The same audit on a Dask cluster: same rows, workers that die, clusters that are unfit, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from distributed import Client, LocalCluster
from PIL import Image
from prefect import task
from safetensors.torch import save_file

from flows import dask_runner, dask_workers, runners
from flows.audit import run as run_flow
from ganaudit import devices
from ganaudit.auditing.plan import plan
from ganaudit.auditing.run import audit as without_prefect
from ganaudit.errors import AuditError, RequestError
from ganaudit.generators.networks.progan import progan
from ganaudit.maintenance.verify import verify
from ganaudit.records import catalog, tables
from ganaudit.records.store import Store
from ganaudit.sources import readers
from ganaudit.spec import Run, load
from ganaudit.studies.census.blocks import block_of
from ganaudit.studies.census.work import make_block
from tasks.work import work

SMALL = {"real": {"name": "photos", "kind": "toy:photos", "options": {"images": 1030}}, "sample": {"count": 3000, "batch": 512}}
IMAGES = 1030 + 3072


@pytest.fixture(scope="module")
def cluster(server) -> Iterator[Client]:
    """A cluster as a machine with two GPUs has it, numbered 4 and 7 where the command sees them."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = "4, 7"
    try:
        with dask_runner.local_cluster(2, "cuda") as running, Client(running, set_as_default=False) as client:
            yield client
    finally:
        os.environ.pop("CUDA_VISIBLE_DEVICES")
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


@pytest.fixture(scope="module")
def expected(toys, made_alone, rows):
    """The rows of `SMALL`, made by the library."""
    return rows(made_alone(toys(**SMALL))[0])


def on(client: Client, **more) -> dict[str, object]:
    return {"runner": "dask", "address": client.scheduler.address, **more}


def in_workers(client: Client, **environment: str) -> None:
    client.run(lambda: os.environ.update(environment))


def test_the_rows_are_those_of_threads_and_each_worker_loads_a_model_once(toy, cluster, rows, expected, tmp_path):
    audit = toy(**SMALL, run=on(cluster, workers=2))
    in_workers(cluster, TOY_OPENED=str(tmp_path / "opened"))
    result = run_flow(audit)
    assert (result.parsed, result.status) == (IMAGES, "done")
    assert rows(result.store) == expected
    opened = (tmp_path / "opened").read_text().split()
    assert sorted(opened) == sorted({str(pid) for pid in cluster.run(os.getpid).values()})
    again = run_flow(audit)
    assert (again.parsed, again.status) == (0, "done")


def test_inversions_on_dask_are_those_of_one_thread(inverting, inverted, cluster, made_alone, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "has_bfloat16", lambda _: True)
    names = ["first"]
    result = run_flow(audit := inverting(run=on(cluster, workers=2), names=names))
    assert not sum(made_alone(audit)[1].values())
    alone, _ = made_alone(inverting(run={"workers": 1}, names=names), tmp_path / "alone")
    made = inverted(result.store)
    assert made == inverted(alone) and all(made.values()) and result.status == "done"


def test_walks_are_trained_and_gone_along_as_in_one_process(toy, cluster, tmp_path):
    torch.manual_seed(0)
    save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / "made.safetensors", {"kind": "progan"})
    audit = toy(
        real={"name": "photos", "kind": "toy:photos", "options": {"images": 40}}, sample={"count": 24, "batch": 8},
        generators=[{"name": "made", "kind": "progan", "weights": "made.safetensors"}], decide={"permutations": 0},
        steer={"edits": ["luminance", "red"], "alphas": 3, "images": 24, "shard": 8, "steps": 2}, run=on(cluster, workers=2),
    )  # fmt: skip
    result = run_flow(audit)
    alone = without_prefect(load(audit, tmp_path / "alone"))
    assert result.status == "done" and sum(result.worked.values()) > 0
    for name, files in (("walks", 2), ("steering", 9), ("steering_images", 9)):
        found, expected = (
            [pq.read_table(path) for path in sorted((each.store / "records/v1" / name).rglob("*.parquet"))]
            for each in (result, alone)
        )
        timed = ["seconds"] if name == "walks" else []
        assert [one.drop_columns(timed) for one in found] == [one.drop_columns(timed) for one in expected]
        assert len([one for one in found if one.num_rows]) == files
    assert result.findings["steerability"].drop_columns("run") == alone.findings["steerability"].drop_columns("run")


def test_a_worker_has_readers_of_its_own(toy, cluster, ended, tmp_path):
    """They may start no process of multiprocessing's."""
    (tmp_path / "photos").mkdir()
    for number in range(96):
        Image.new("RGB", (8, 8), (number, 2 * number, 0)).save(tmp_path / f"photos/{number}.png")
    photos = {"name": "photos", "kind": "folder", "path": "photos"}
    found = []
    for count, make in ((0, make_block), (2, lambda block: cluster.submit(make_block, block).result())):
        audit = toy(real=photos, sample={"count": 64, "batch": 16}, run={"device": "cpu", "readers": count})
        planned = plan(load(audit, tmp_path / f"{count} readers"))
        store, source = Store(planned.spec.path(planned.spec.store)).open_for_writing(), planned.sources[0]
        before = children(os.getpid())
        make(block_of(planned, source, *source.blocks[0]))
        found.append(store.read_block(tables.IMAGES, source.key, source.blocks[0], ["name", "digest"]).to_pylist())
    started = children(os.getpid()) - before
    assert len(started) == 2 and found[0] == found[1]
    cluster.run(readers._end_unused)
    assert ended(started)


def test_a_worker_killed_in_the_middle_costs_its_block_and_nothing_else(toy, cluster, rows, expected, tmp_path):
    audit = toy(**SMALL, run=on(cluster))
    in_workers(cluster, TOY_SLEEP="0.7")
    victim = next(iter(cluster.run(os.getpid).values()))
    shards = Store(tmp_path / "store").path

    def kill() -> None:
        while not list(shards.glob("records/v1/images/key=*/shard-*")):
            time.sleep(0.02)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = run_flow(audit)
    killer.join()
    in_workers(cluster, TOY_SLEEP="0")
    assert not psutil.pid_exists(victim)
    assert (result.parsed, result.status) == (IMAGES, "done")
    assert rows(result.store) == expected


def fill_the_disk(after: int) -> None:
    """In a worker: from its `after`-th file on, half of a file is written and then the disk is full."""
    import errno
    import itertools

    from ganaudit.records import writer

    files, write = itertools.count(), writer.write_bytes

    def full(path, content):
        if next(files) < after:
            return write(path, content)
        path.write_bytes(memoryview(content)[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    writer.write_bytes, writer.enough = full, write


def free_the_disk() -> None:
    from ganaudit.records import writer

    writer.write_bytes = writer.enough


def test_workers_whose_disk_is_full_are_one_sentence_and_nothing_is_lost(
    toy, cluster, cli, rows, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(work, "retry_delay_seconds", [0, 0])
    audit = toy(**SMALL, run=on(cluster))
    cluster.run(fill_the_disk, 3)  # a block is two files: each worker that has begun finishes one
    try:
        result = cli("run", audit)
        while any(cluster.run(lambda dask_worker: len(dask_worker.state.executing)).values()):
            time.sleep(0.05)  # what the other worker still tries would find the disk free
    finally:
        cluster.run(free_the_disk)
    assert result.code == 1
    assert re.fullmatch(
        rf"error: the disk is full: {tmp_path}/store/\S+ could not be written; free some space .*", last(result.err)
    )
    store = Store(tmp_path / "store")
    done = {path: path.stat().st_mtime_ns for path in store.files("images")}
    assert len(done) in (1, 2) and verify(store).sound
    assert catalog.query(store, "SELECT status FROM runs").to_pylist() == [{"status": "failed"}]
    again = run_flow(audit)
    assert (again.status, again.parsed) == ("done", IMAGES - sum(size(path) for path in done))
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert rows(again.store) == expected


def test_a_block_that_hangs_on_a_worker_is_one_sentence_and_the_others_are_kept(toy, cluster, cli, rows, tmp_path):
    cluster.run(lambda: __import__("importlib").import_module("ganaudit.studies.census.study"))  # not within a block's minutes
    in_workers(cluster, TOY_SLEEP="7")
    few = SMALL | {"sample": {"count": 1024, "batch": 512}}
    try:
        result = cli("run", toy(**few, run=on(cluster, block_minutes=0.1)))
    finally:
        in_workers(cluster, TOY_SLEEP="0")
    assert result.code == 1 and re.match(r"error: even 0-1023 \(census\) is not done after run.block_minutes", last(result.err))
    assert len(rows(tmp_path / "store")["images"]) == 1030 and verify(Store(tmp_path / "store")).sound
    again = run_flow(toy(**few, run=on(cluster)))  # to which the block may have come meanwhile
    assert again.status == "done" and len(rows(again.store)["images"]) == 1030 + 1024


def last(said: str) -> str:
    return said.splitlines()[-1]


def size(shard) -> int:
    """Images of a block, by its name."""
    first, end = shard.stem.split("-")[1:]
    return int(end) - int(first) + 1


@pytest.mark.parametrize(("device", "on_gpus"), [("cpu", False), ("cuda", True), ("cuda:1", True)])
@pytest.mark.parametrize("address", [None, "tcp://far:1"])
def test_tasks_ask_for_a_gpu_where_the_plan_is_on_one(monkeypatch, tmp_path, device, on_gpus, address):
    monkeypatch.setattr(dask_runner, "connected", lambda address: contextlib.nullcontext())
    asked = []
    for check in ("check_workers", "check_store"):
        monkeypatch.setattr(dask_runner, check, lambda *_, check=check: asked.append(check))
    spec = SimpleNamespace(run=Run(runner="dask", address=address), store="store", path=lambda name: tmp_path / name)
    runner = dask_runner.dask(SimpleNamespace(spec=spec, device=device, workers=2))
    assert runner._on_gpus == on_gpus
    assert asked == ([] if address is None else ["check_workers", "check_store"])


def test_a_gpu_is_one_workers_and_works_on_one_block(cluster):
    assert sorted(cluster.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"]).values()) == ["4", "7"]
    workers = cluster.scheduler_info()["workers"].values()
    assert [(worker["nthreads"], worker["resources"]) for worker in workers] == [(1, {"GPU": 1})] * 2
    assert set(cluster.run(lambda: os.environ["OMP_NUM_THREADS"]).values()) == {"1"}
    assert asked_of_the_scheduler(cluster, on_gpus=True) == [{"GPU": 1}]
    assert asked_of_the_scheduler(cluster, on_gpus=False) == [{}]


def test_workers_are_forks_of_one_process_in_which_what_they_need_lies_ready(cluster, monkeypatch):
    """It has one thread, but for those that see to themselves in a fork; and what is set later reaches a worker."""

    def seen() -> tuple[int, bool, bool, bool, str]:
        import sys

        ready = {"torch", "tasks.work", "ganaudit.studies.census.study"} <= {*sys.modules}
        blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return os.getppid(), ready, torch.cuda.is_initialized(), blocked, os.environ.get("SET_LATER", "")

    ((parent, *state),) = set(cluster.run(seen).values())
    assert state == [True, False, True, ""] and os.getpid() == psutil.Process(parent).ppid()
    threads = [thread.read_text().strip() for thread in Path(f"/proc/{parent}/task").glob("*/comm")]
    assert len([name for name in threads if name != "jemalloc_bg_thd"]) == 1
    monkeypatch.setenv("SET_LATER", "now")
    with dask_runner.local_cluster(1, "cpu") as another, Client(another, set_as_default=False) as client:
        assert set(client.run(seen).values()) == {(parent, True, False, True, "now")}


def asked_of_the_scheduler(client: Client, on_gpus: bool) -> list[dict[str, float]]:
    """The resources that a task of this runner waits for."""

    @task
    def one() -> int:
        return 1

    def restrictions(dask_scheduler) -> list[dict[str, float]]:
        return [dict(task.resource_restrictions or {}) for key, task in dask_scheduler.tasks.items() if key.startswith("one-")]

    with dask_runner.OnDask(on_gpus, address=client.scheduler.address) as runner:
        future = runner.submit(one, parameters={})
        assert future.result() == 1
        return client.run_on_scheduler(restrictions)


def test_gpus_are_those_that_the_command_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert dask_runner.environments(2, "cuda") == [{"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "7"}]
    assert dask_runner.environments(1, "cuda:1") == [{"CUDA_VISIBLE_DEVICES": "7"}]
    assert dask_runner.environments(3, "cpu") == [{}, {}, {}]
    with pytest.raises(RequestError, match=r"run.workers is 3 and cuda is 2 GPUs; .* set run.workers to 2 or less"):
        dask_runner.environments(3, "cuda")


def test_a_worker_with_another_version_or_without_the_package_is_refused(toy, cluster, cli, tmp_path):
    audit = toy(run=on(cluster))
    result = next(iter(cluster.scheduler_info()["workers"]))

    def change(value):
        def there():
            import sys

            sys.modules["ganaudit.version"] = value and __import__("types").SimpleNamespace(__version__=value)

        cluster.run(there, workers=[result])

    try:
        change("0.0.1")
        found = cli("run", audit)
        assert found.code == 2 and f"error: the Dask worker {result} has ganaudit 0.0.1 and this command " in found.err
        change(None)
        found = cli("check", audit)
        assert found.code == 2 and f"error: the Dask worker {result} has no ganaudit; install there" in found.err
        assert not (tmp_path / "store").exists()
    finally:
        cluster.run(lambda: __import__("sys").modules.pop("ganaudit.version"), workers=[result])
        cluster.run(lambda: __import__("importlib").import_module("ganaudit.version"), workers=[result])
    found = cli("check", audit)
    assert found.code == 0 and f"the Dask workers at {cluster.scheduler.address}, runner dask" in found.out


def test_a_server_out_of_the_workers_reach_says_what_to_set(cluster):
    run = Run(runner="dask", address=cluster.scheduler.address)
    dask_workers.check_workers(cluster, run, None)
    with pytest.raises(RequestError, match=r"cannot reach the Prefect server at http://127.0.0.1:9/api; set PREFECT_API_URL"):
        dask_workers.check_workers(cluster, run, "http://127.0.0.1:9/api")
    with pytest.raises(RequestError, match=r"cannot reach the temporary Prefect server, .* and set PREFECT_API_URL"):
        dask_workers.complain("tcp://far:1", {"reach": None}, {"reach": "yes"}, None)


def test_a_store_that_a_worker_does_not_see_is_told(cluster, tmp_path):
    dask_workers.check_store(cluster, tmp_path)
    far = sorted(cluster.scheduler_info()["workers"])[1]
    cluster.run(lambda: setattr(os, "_exists_here", os.path.exists), workers=[far])
    cluster.run(lambda: setattr(os.path, "exists", lambda path: os._exists_here(f"/elsewhere{path}")), workers=[far])
    try:
        with pytest.raises(RequestError, match=rf"worker {far} does not see the store {tmp_path}; every worker needs it"):
            dask_workers.check_store(cluster, tmp_path)
    finally:
        cluster.run(lambda: setattr(os.path, "exists", os._exists_here), workers=[far])
    dask_workers.check_store(cluster, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_does_not_answer_and_one_for_threads(toy, cli, monkeypatch):
    monkeypatch.setattr(dask_workers, "CONNECT_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://x", "nonsense"):
        result = cli("run", toy(run={"runner": "dask", "address": address}))
        assert result.code == 2 and f"error: no Dask scheduler answers at {address} (" in result.err
        assert len(result.err.splitlines()) == 1
    result = cli("check", toy(run={"address": "tcp://127.0.0.1:9"}))
    assert result.code == 2 and "it goes with runner: dask" in result.err


def test_workers_that_are_not_there_or_have_many_threads(monkeypatch):
    monkeypatch.setattr(dask_workers, "WORKERS_SECONDS", 0.2)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as small:
        address = small.scheduler_address
        with dask_workers.connected(address) as client:
            with pytest.raises(RequestError, match=r"has 2 threads; .* `dask worker .* --nthreads 1`"):
                dask_workers.check_workers(client, Run(runner="dask", address=address), None)
            with pytest.raises(RequestError, match=r"has 1 workers and run.workers asks for 3; start more"):
                dask_workers.check_workers(client, Run(runner="dask", address=address, workers=3), None)


def test_without_the_extra_one_sentence_says_what_to_install(toy, cli, monkeypatch):
    monkeypatch.setattr(runners.importlib.util, "find_spec", lambda name: None)
    result = cli("run", toy(run={"runner": "dask"}))
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: run.runner is dask, which is not installed here; pip install 'ganaudit[dask]'\n"


@pytest.mark.parametrize("how", ["Ctrl-C", "killed"])
def test_no_worker_outlives_the_command(toy, launch, cluster, ended, rows, how, tmp_path):
    workers = {"Ctrl-C": 2, "killed": 1}[how]  # a kill reaches the command alone, and each worker sees to itself
    running = launch("run", toy(**SMALL, run={"runner": "dask", "workers": workers}), TOY_SLEEP="0.5")
    limit = time.monotonic() + 120
    while not list(tmp_path.glob("store/records/v1/images/key=*/shard-*")):
        assert running.poll() is None and time.monotonic() < limit, running.communicate()
        time.sleep(0.05)
    seen = children(running.pid)
    if how == "Ctrl-C":
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the command and its children
    else:
        running.kill()
    asked = time.monotonic()
    _, err = running.communicate(timeout=30)
    assert len(seen) >= 2 and ended(seen, 10)
    assert "Traceback" not in err, err
    assert running.returncode == {"Ctrl-C": 130, "killed": -9}[how]
    assert catalog.query(Store(tmp_path / "store"), "SELECT status FROM runs").to_pylist() == [{"status": "interrupted"}]
    if how == "Ctrl-C":
        assert last(err) == "stopped; the same command goes on where it was stopped"
        assert time.monotonic() - asked < 10
        result = run_flow(toy(**SMALL, run=on(cluster)))
        assert result.status == "done" and 0 < result.parsed < IMAGES
        images = rows(result.store)["images"]
        assert len(images) == len({(row["key"], row["image"]) for row in images}) == IMAGES


def test_no_worker_outlives_a_run_that_fails(toy, cli, ended, rows, monkeypatch, tmp_path):
    (tmp_path / "faults").write_text("0 ValueError")
    monkeypatch.setenv("TOY_FAULT", str(tmp_path / "faults"))
    dask_runner._fork_workers()  # by a process that stays
    others, seen = children(os.getpid()), set()
    made = dask_runner.local_cluster

    def seen_cluster(*arguments, **named):
        running = made(*arguments, **named)
        with Client(running, set_as_default=False) as client:
            seen.update(client.run(os.getpid).values())
        return running

    monkeypatch.setattr(dask_runner, "local_cluster", seen_cluster)
    result = cli("run", toy(**SMALL, run={"runner": "dask", "workers": 1}))
    assert (result.code, last(result.err)) == (1, "error: the generator raised ValueError at images 0-511: on purpose")
    assert len(seen) == 1 and ended(seen, 10) and ended(children(os.getpid()) - others, 10)
    assert catalog.query(Store(tmp_path / "store"), "SELECT status FROM runs").to_pylist() == [{"status": "failed"}]
    assert len(rows(tmp_path / "store")["images"]) == IMAGES - 1024


def children(pid: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.Error:
        return set()


def test_a_task_that_dask_gave_up_is_one_sentence():
    from distributed import KilledWorker, client

    class Given:
        def __init__(self, error):
            self.error = error

        def result(self):
            raise self.error

    with pytest.raises(AuditError, match=r"^a task was given up because every worker that took it died"):
        runners.result(Given(KilledWorker("block-1", None, 4)))
    with pytest.raises(AuditError, match=r"^the Dask cluster lost the run's tasks \("):
        runners.result(Given(client.FutureCancelledError("block-1", "scheduler-connection-lost")))
    with pytest.raises(RequestError, match="theirs"):
        runners.result(Given(RequestError("theirs")))
