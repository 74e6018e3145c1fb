"""Imports run downward only: flows, tasks, ganaudit. The ground floor needs no Prefect."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ganaudit.studies import STUDIES

ROOT = Path(__file__).parents[2]


def imported(file: Path) -> set[str]:
    """Packages that a file imports, anywhere in it."""
    result = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            result |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            result.add(node.module.split(".")[0])
    return result


ROOMS = ("ganaudit/report", "ganaudit/auditing", "ganaudit/maintenance", "ganaudit/records", "flows", "tasks")
NAMES_A_STUDY = {"flows/commands/invert.py"}
"""Commands that are about one study."""


def modules(file: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, and what it imports from them."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = [(node.module or "", alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    return plain | {f"{module}.{name}" for module, name in named}


def test_only_studies_know_studies_by_name():
    prefixes = tuple(f"ganaudit.studies.{study}" for study in STUDIES)
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    naming = {str(file.relative_to(ROOT)) for file in files if any(name.startswith(prefixes) for name in modules(file))}
    assert len(files) > 40 and naming == NAMES_A_STUDY


@pytest.mark.parametrize(("floor", "above"), [("ganaudit", {"tasks", "flows", "prefect"}), ("tasks", {"flows"})])
def test_no_floor_imports_one_above(floor, above):
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    assert {str(file): imported(file) & above for file in files if imported(file) & above} == {}


def test_the_command_line_starts_without_heavy_libraries():
    code = "import sys, flows.command_line; print(sorted({'torch', 'pandas', 'prefect', 'duckdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert done.stdout.strip() == "[]"
