"""One Prefect server for all these tests, a toy world, and the command line called as a user calls it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from launched import Launched, Ready
from prefect_server import gone, server_processes

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def served(server: str) -> None:
    """Whatever starts a flow here has a server."""


@dataclass(frozen=True)
class Called:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Called]:
    """`cli("run", path)` in this process."""
    from flows.command_line import main

    def call(*arguments: object) -> Called:
        monkeypatch.setattr(sys, "argv", ["ganaudit", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return Called(code, said.out, said.err)

    return call


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`start("run", path)` in a process of its own, in a terminal's process group of its own."""
    begun: list[subprocess.Popen[str]] = []

    def call(*arguments: object, **environment: str | None) -> subprocess.Popen[str]:
        merged: Mapping[str, str | None] = {**os.environ, **environment}
        command = [sys.executable, "-m", "flows", *map(str, arguments)]
        begun.append(
            subprocess.Popen(
                command, cwd=tmp_path, env={name: value for name, value in merged.items() if value is not None},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            )
        )  # fmt: skip
        return begun[-1]

    yield call
    _end(begun)


def _end(begun: Sequence[subprocess.Popen[str] | Launched]) -> None:
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def ready(server: str) -> Iterator[Ready]:
    process = Ready()
    yield process
    process.end()


@pytest.fixture
def launch(ready: Ready, tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """`launch("run", path)` likewise, without the time that imports take."""
    begun: list[Launched] = []

    def call(*arguments: object, **environment: str) -> Launched:
        begun.append(Launched(ready, tmp_path, [*map(str, arguments)], {**os.environ, **environment}))
        return begun[-1]

    yield call
    _end(begun)


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Path]:
    """`toy(count=3000, …)` writes an audit file of the toy world and returns its path."""
    return toy_world(tmp_path)


def toy_world(folder: Path) -> Callable[..., Path]:
    """The same in a folder."""
    shutil.copy(HERE / "toy.py", folder / "toy.py")

    def write(name: str = "toy", **changes: Any) -> Path:
        data: dict[str, Any] = {
            "name": name,
            "store": "store",
            "parser": {"kind": "toy:parser"},
            "real": {"name": "photos", "kind": "toy:photos"},
            "generators": [{"name": "even", "kind": "toy:generator"}],
            "sample": {"count": 2048, "batch": 512},
            "run": {"workers": 2},
        }
        path = folder / "audit.yaml"
        path.write_text(yaml.safe_dump(data | changes, allow_unicode=True), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`toys(…)` writes the same into a folder of its own, for what several tests share."""
    return lambda **changes: toy_world(tmp_path_factory.mktemp("toys"))(**changes)


@pytest.fixture
def inverting(toy: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """`inverting(steps=2, …)` writes an audit that inverts in two tiny generators, or the first of them; a third is images
    alone."""
    import torch
    from safetensors.torch import save_file

    from ganaudit.generators.networks.progan import progan

    def write(run: Any = None, names: Sequence[str] = ("first", "second"), **changes: Any) -> Path:
        generators = [{"name": "even", "kind": "toy:generator"}]
        for seed, name in enumerate(names):
            torch.manual_seed(seed)
            save_file(progan(4, 4, ((3,),)).state_dict(), tmp_path / f"{name}.safetensors", {"kind": "progan"})
            generators.append({"name": name, "kind": "progan", "weights": f"{name}.safetensors"})
        asked = {"images": 6, "own": 8, "masked": 2, "methods": ["latent"], "steps": 2, "perceptual": "none", "batch": 4}
        return toy(
            generators=generators, sample={"count": 24, "batch": 8}, decide={"permutations": 0}, invert=asked | changes,
            real={"name": "photos", "kind": "toy:photos", "options": {"images": 30}, "heldout": 6}, run=run or {"workers": 2},
        )  # fmt: skip

    return write


@pytest.fixture(scope="session")
def made_alone() -> Callable[..., Any]:
    """`made_alone(audit, store)` makes an audit's records by the library, without findings: (store, images worked on)."""
    from ganaudit.auditing.driver import Progress, drive, on_threads
    from ganaudit.auditing.run import prepared
    from ganaudit.spec import load

    def make(audit: Path, store: Path | None = None) -> Any:
        planned, opened = prepared(load(audit, store))
        return opened.path, drive(planned, opened, on_threads(planned.workers), Progress(planned))

    return make


def record_rows(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Every record of a store's images, in order."""
    return {
        table: [
            row for path in sorted((store / "records/v1" / table).rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
        ]
        for table in ("images", "class_pixels")
    }


@pytest.fixture(scope="session")
def rows() -> Callable[[Path], dict[str, list[dict[str, Any]]]]:
    return record_rows


INVERSIONS = (
    "inversion_targets", "inversions", "inversion_curves", "inversion_confusion", "inversion_classes", "inversion_latents",
)  # fmt: skip


@pytest.fixture
def inverted() -> Callable[[Path], dict[str, list[dict[str, Any]]]]:
    """Every record of a store's inversions, but for the time that it took, by table."""

    def read(store: Path) -> dict[str, list[dict[str, Any]]]:
        result = {}
        for name in INVERSIONS:
            paths = sorted((store / "records/v1" / name).rglob("shard-*.parquet"))
            rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
            result[name] = [{key: value for key, value in row.items() if key not in ("seconds", "change")} for row in rows]
        return result

    return read


@pytest.fixture
def processes() -> Callable[[], set[int]]:
    return server_processes


@pytest.fixture
def ended() -> Callable[..., bool]:
    return gone
