"""The rooms' imports: none goes in a circle, not even one for a type checker alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import ganaudit

ROOT = Path(ganaudit.__file__).parent
MODULES = {".".join(("ganaudit", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
           for path in ROOT.rglob("*.py")}  # fmt: skip


def imported(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The modules that statements at the top of a file import, those below `if` included."""
    for node in body:
        if isinstance(node, ast.If):
            yield from imported([*node.body, *node.orelse])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in inside)


def test_no_imports_go_in_a_circle():
    graph = {name: set(imported(ast.parse(path.read_text()).body)) & MODULES.keys() - {name} for name, path in MODULES.items()}
    assert graph["ganaudit.kinds"] >= {"ganaudit.context", "ganaudit.options"}
    TopologicalSorter(graph).prepare()  # CycleError names the circle
