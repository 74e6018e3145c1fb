"""What holds for every test: one thread for its numbers, a Ctrl-C that arrives, and its place beside the other workers.

What tests of several rooms share lies in tests/shared, as plain modules: a conftest takes from there what its room needs.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.pathlib import import_path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported: each of pytest-xdist's workers has one core

sys.dont_write_bytecode = False  # tests start some hundred processes: none should compile Prefect and PyTorch anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

sys.path.insert(0, str(Path(__file__).parent / "shared"))

from prefect_server import pytest_unconfigure, server  # noqa: E402, F401  # after what stands above

hypothesis.settings.register_profile("ganaudit", deadline=None)  # how long an example takes says what else the machine does
hypothesis.settings.load_profile("ganaudit")

TOGETHER = ("tests/ganaudit/studies/inversion/",)
"""Tests that share something costly, such as a finished store: one worker runs them, and makes it once."""


LONGEST = (
    *TOGETHER, "tests/flows/test_dask.py", "tests/deployments/test_prefect_yaml.py",
    "tests/benchmarks/calibration/test_scenarios.py", "tests/flows/test_server.py",
)  # fmt: skip
"""What one worker is busy with for longest begins first, so that none is left with it at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Each of pytest-xdist's workers imports the test files from another place on: in a fresh checkout and environment, where
    nothing is compiled yet, it finds compiled what the others began with, and they what it did."""
    config = session.config
    if not hasattr(config, "workerinput") or config.args_source != pytest.Config.ArgsSource.TESTPATHS:
        return
    files, workers = sorted(Path(__file__).parent.rglob("test_*.py")), config.workerinput["workercount"]
    first = len(files) * int(config.workerinput["workerid"].removeprefix("gw")) // workers
    for file in files[first:] + files[:first]:
        try:
            import_path(file, mode="importlib", root=config.rootpath, consider_namespace_packages=False)
        except (Exception, pytest.skip.Exception):  # told when it is collected, where nothing may be left of it
            for name in [name for name, held in sys.modules.items() if getattr(held, "__file__", None) == str(file)]:
                del sys.modules[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """What was imported and collected stays: no collection of garbage looks through it again, test after test."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `-n 2`, a folder of `TOGETHER` or else a file is one worker's; they begin in the order of the tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((folder for folder in TOGETHER if file.startswith(folder)), file)

    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """What cron, nohup or `&` in a script starts ignores SIGINT, and so would the commands that tests stop by Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def drawn() -> None:
    """A test that uses it draws reports as they are."""


@pytest.fixture(autouse=True)
def empty_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere they are empty files: they have tests of their own, and are half of a small audit's time."""
    from ganaudit import report

    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(report, "render", lambda _: "")


@pytest.fixture
def commented() -> None:
    """A test that uses it makes catalogs with the data dictionary's words."""


@pytest.fixture(autouse=True)
def uncommented(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere they are left out: hundreds of statements, half of what a catalog takes to be made."""
    from ganaudit.records import views

    if "commented" not in request.fixturenames:
        monkeypatch.setattr(views, "comments", lambda _: "")
