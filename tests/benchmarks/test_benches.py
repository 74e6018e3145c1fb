"""The benches are run by hand: here, only that each can be started, has the parts that it says, and knows no other."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BENCHES = sorted(path.stem for path in HERE.glob("bench*.py"))


@pytest.fixture(scope="module", autouse=True)
def from_the_root():
    """`tests` as `python -m benchmarks.audit` finds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parent))
        yield


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_is_imported_and_its_first_lines_say_what_it_is(name):
    bench = importlib.import_module(f"tests.{name}")
    assert Path(bench.__file__) == HERE / f"{name}.py"
    assert bench.__doc__


@pytest.mark.parametrize("name", ["bench", "bench_inversion"])
def test_every_part_is_there(name):
    bench = importlib.import_module(f"tests.{name}")
    assert len(bench.PARTS) >= 6
    for part, work in bench.PARTS.items():
        assert callable(work) and work.__module__.startswith("benchmarks.audit"), part


def test_the_parts_that_are_told_are_those_that_are_there():
    bench = importlib.import_module("benchmarks.inversion")
    (told,) = re.findall(r"python -m tests\.bench_inversion ([a-z|]+)`", bench.__doc__)
    assert told.split("|") == list(bench.PARTS) == re.findall(r"^([a-z]+): ", bench.__doc__, re.MULTILINE)


@pytest.mark.parametrize("name", ["bench", "bench_dask", "bench_scaling", "bench_store"])
def test_a_command_line_says_its_parts(name, monkeypatch, capsys):
    bench = importlib.import_module(f"tests.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    parts = {"bench_dask": ["speed", "many"], "bench_store": ["million", "kills"]}.get(name, list(getattr(bench, "PARTS", {})))
    said = capsys.readouterr().out
    assert ended.value.code == 0 and said.startswith("usage: ") and all(part in said for part in parts)


def test_documents_name_no_bench_that_is_not_there():
    pages = [*(HERE.parent / "docs").glob("*.md"), HERE.parent / "README.md", HERE.parent / "Makefile"]
    named = {result for page in pages for result in re.findall(r"python -m tests\.(\w+)", page.read_text())}
    assert {"bench", "bench_store", "bench_inversion", "bench_dask", "bench_scaling"} <= named <= set(BENCHES)


def test_a_document_names_parts_that_are_there():
    pages = (HERE.parent / "docs").glob("*.md")
    named = {result for page in pages for result in re.findall(r"python -m tests\.bench_inversion ([a-z]+)", page.read_text())}
    assert named <= set(importlib.import_module("benchmarks.inversion").PARTS)
