"""Imports run downward only: flows, tasks, ganaudit. The ground floor needs no Prefect."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(file: Path) -> set[str]:
    """Packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(("floor", "above"), [("ganaudit", {"tasks", "flows", "prefect"}), ("tasks", {"flows"})])
def test_no_floor_imports_one_above(floor, above):
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files
    assert {str(file): imported(file) & above for file in files if imported(file) & above} == {}


def python(code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=200)


def test_an_audit_runs_where_prefect_cannot_be_imported(toy):
    audit = toy(sample={"count": 64, "batch": 512})
    code = f"""
import sys
sys.modules["prefect"] = None
import ganaudit
spec = ganaudit.load({str(audit)!r})
assert ganaudit.audit(spec).parsed == 2124
assert ganaudit.audit(spec).parsed == 0
"""
    done = python(code, cwd=audit.parent)
    assert done.returncode == 0, done.stderr


def test_the_command_line_starts_without_heavy_libraries():
    code = "import sys, flows.command_line; print(sorted({'torch', 'pandas', 'prefect', 'duckdb'} & set(sys.modules)))"
    assert python(code).stdout.strip() == "[]"
