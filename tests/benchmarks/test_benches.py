"""The benches are run by hand: here, only that each starts and has the parts that it says. No document names others."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(benchmarks.__file__).parents[1]
BENCHES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if "ArgumentParser" in path.read_text())
PAGES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "Makefile", ROOT / "CHANGELOG.md"]


def bench(name):
    return importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_says_what_it_is_and_its_parts(name, monkeypatch, capsys):
    room = bench(name)
    assert room.__doc__
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        room.main()
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and shown.startswith("usage: ") and all(part in shown for part in getattr(room, "PARTS", {}))


@pytest.mark.parametrize("name", ["audit", "inversion"])
def test_every_part_is_there(name):
    assert len(bench(name).PARTS) >= 6
    for part, work in bench(name).PARTS.items():
        assert callable(work) and work.__module__.startswith("benchmarks."), part


def test_documents_name_no_bench_and_no_part_that_is_not_there():
    named = {match for page in PAGES for match in re.findall(r"python -m benchmarks\.(\w+)(?: (\w+))?", page.read_text())}
    files = [*(ROOT / "benchmarks").glob("*.py"), *(main.parent for main in (ROOT / "benchmarks").glob("*/__main__.py"))]
    assert {name for name, _ in named} - {"NAME"} <= {path.stem for path in files}
    assert {part for name, part in named if name == "inversion" and part not in ("", "PART")} <= set(bench("inversion").PARTS)


def test_a_row_that_is_measured_again_takes_its_place_and_the_others_stay():
    page = (ROOT / "docs/benchmarks.md").read_text()
    again = ("peak memory, 20,000 ÷ 1,000 images a source", "≤ 1.1", "2.00", "here and there")
    once = bench("audit").renewed(page, [again], "a machine")
    old, new = page.splitlines(), once.splitlines()
    changed = [place for place, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    assert [old[place][:12] for place in changed] == [old[2][:12], "| peak memor"] and "a machine" in new[2]
    assert new[changed[1]] == f"| {' | '.join(again)} |"
    further = bench("audit").renewed(page, [("a new one", "1", "2", "3")], "a machine")
    assert len(further.splitlines()) == len(old) + 1 and "| a new one | 1 | 2 | 3 |" in further
