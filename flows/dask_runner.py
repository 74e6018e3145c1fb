"""The Dask cluster of an audit: its own, that lives and dies with the command, or one that is there already, by address.

A worker has one thread: it makes one block at a time and keeps its models from one block to the next. On GPUs each worker
declares the resource `GPU: 1` and each task asks for it, so that a GPU works on one block at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from typing import Any, cast

import dask as dask_settings
import torch
from distributed import Nanny, Scheduler, SpecCluster
from distributed.utils import get_mp_context
from prefect.settings import PREFECT_API_URL
from prefect_dask import DaskTaskRunner

from flows.dask_workers import check_store, check_workers, connected
from flows.threads import Runner
from ganaudit import devices
from ganaudit.errors import AuditError, RequestError
from ganaudit.sources.planned import Plan
from ganaudit.spec import Run
from ganaudit.studies import STUDIES

PRELOADED = ["prefect_dask", "tasks.work", *(f"ganaudit.studies.{study}.study" for study in STUDIES)]
"""What every worker would import for itself, five seconds long. None of it may start a thread or touch a GPU: see the tests."""


def check_cluster(run: Run, server: str | None) -> None:
    """Raises RequestError where the cluster of `run` cannot take an audit. `server`: Prefect's address, if not temporary."""
    if run.address is None:
        device = devices.pick(run.device)
        environments(devices.workers(run.workers, device), device)
    else:
        with connected(run.address) as client:
            check_workers(client, run, server)


def dask(planned: Plan) -> Runner:
    """The runner of a plan; its cluster starts with the first task. Raises RequestError where a cluster by address is unfit."""
    run = planned.spec.run
    on_gpus = planned.device.startswith("cuda")
    if run.address is None:
        return cast("Runner", OnDask(on_gpus, workers=planned.workers, device=planned.device))
    with connected(run.address) as client:
        check_workers(client, run, PREFECT_API_URL.value())
        check_store(client, planned.spec.path(planned.spec.store))
    return cast("Runner", OnDask(on_gpus, address=run.address))


class OnDask(DaskTaskRunner):  # type: ignore[misc]  # untyped
    """Prefect's Dask runner, with a GPU for each task where there are GPUs, and no wait for blocks at work when interrupted."""

    def __init__(self, on_gpus: bool, address: str | None = None, workers: int = 1, device: str = "cpu") -> None:
        _be_quiet()
        if address is None:
            super().__init__(cluster_class=local_cluster, cluster_kwargs={"workers": workers, "device": device})
        else:
            super().__init__(address=address)
        self._on_gpus = on_gpus

    def submit(self, *arguments: Any, **named: Any) -> Any:
        resources = {"resources": {"GPU": 1}} if self._on_gpus else {}
        with dask_settings.annotate(**resources):
            return super().submit(*arguments, **named)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_type is not None and isinstance(self._cluster, SpecCluster):
            for worker in self._cluster.workers.values():
                _kill(worker)
        super().__exit__(exc_type, exc_value, traceback)


def local_cluster(workers: int, device: str) -> SpecCluster:
    """A cluster of this machine: a process for each worker, which ends when this process does, however that happens.

    Raises AuditError where it does not start.
    """
    places = environments(workers, device)
    _fork_workers()
    resources = {"GPU": 1} if device.startswith("cuda") else {}
    options = {
        "nthreads": 1, "memory_limit": 0, "resources": resources, "dashboard": False, "host": "127.0.0.1",
        "silence_logs": logging.CRITICAL,
    }  # fmt: skip
    try:
        return SpecCluster(
            workers={
                number: {"cls": Nanny, "options": {**options, "env": {IMPORTS: "", **os.environ, **environment}}}
                for number, environment in enumerate(places)
            },
            scheduler={"cls": Scheduler, "options": {
                "host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0",
            }},
            silence_logs=logging.CRITICAL, shutdown_on_close=True,
        )  # fmt: skip
    except Exception as error:  # whatever it is, there are no workers
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise AuditError(f"the Dask workers of this machine did not start ({words})") from error


IMPORTS = "PYTHONSAFEPATH"
"""Says, unless empty, that nothing is imported from the working directory, where a user may have a `tasks.py`."""


def _fork_workers() -> None:
    """From now on workers of this machine are forks of one process, in which all that they import lies ready and is in memory
    once. Ctrl-C reaches neither it nor them: they end with this process."""
    if sys.platform != "linux":  # where a fork of a process with such libraries is unsafe
        return
    dask_settings.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    get_mp_context().set_forkserver_preload(PRELOADED)
    resource_tracker.ensure_running()  # which lets Ctrl-C through
    threads = {name: str(value) for name, value in dask_settings.config.get("distributed.nanny.pre-spawn-environ").items()}
    added = {name: value for name, value in {**threads, IMPORTS: "1"}.items() if name not in os.environ}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(added)
    try:
        forkserver.ensure_running()
    finally:
        for name in added:
            del os.environ[name]
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def environments(workers: int, device: str) -> list[dict[str, str]]:
    """What each worker's environment adds: on GPUs, one GPU each. Raises RequestError where there are too few of them."""
    if not device.startswith("cuda"):
        return [{}] * workers
    there = gpus(device)
    if workers > len(there):
        raise RequestError(
            f"run.workers is {workers} and {device} is {len(there)} GPU{'s' if len(there) > 1 else ''}; on Dask a GPU takes "
            f"one block at a time: set run.workers to {len(there)} or less"
        )
    return [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in there[:workers]]


def gpus(device: str) -> list[str]:
    """The GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them: all of them for `cuda`, one for `cuda:1`."""
    seen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    seen = seen or [str(number) for number in range(torch.cuda.device_count())]
    return seen if device == "cuda" else [seen[int(device.removeprefix("cuda:"))]]


def _kill(worker: Any) -> None:
    """Ends a worker of ours at once: what it works on is made again."""
    worker.auto_restart = False
    process = getattr(getattr(worker, "process", None), "pid", None)
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _be_quiet() -> None:
    """What Dask says of workers that come and go is not for the terminal of an audit."""
    for name in ("distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL)
