"""The village is a floor that others stand on: it imports nothing above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ganaudit.village

FILES = sorted(Path(ganaudit.village.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_village_imports_nothing_above_it(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganaudit"):
            assert node.module in ("ganaudit.errors", "ganaudit.random") or node.module.startswith("ganaudit.village.")
