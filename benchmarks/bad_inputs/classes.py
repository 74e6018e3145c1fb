"""Classes of label maps and of parsers: ids that no record holds, names that nobody can read, a class 0 that would vanish."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import ganaudit
from benchmarks.bad_input import BadInput
from benchmarks.bad_inputs.audit_file import AUDIT
from ganaudit.auditing.plan import plan
from ganaudit.spec import parse

PARSER = """
import numpy, torch
from ganaudit import ClassInfo, Labels
class Parser:
    resolution = (8, 8)
    classes = {classes}
    def parse(self, images):
        maps = torch.ones(images.shape[0], 8, 8, dtype=torch.int64)
        return Labels(maps, torch.ones(maps.shape))
make = Parser
"""


def _masks(folder: Path, classes: Any, maps: tuple[int, ...] = (0, 1), **source: Any) -> Any:
    """An audit of label maps whose values are `maps`, on both sides."""
    for side in ("real", "made"):
        (folder / side).mkdir()
        for number in range(4):
            Image.fromarray(np.full((8, 8, 3), 20 * number + len(side), np.uint8)).save(folder / side / f"{number}.png")
            labels = np.resize(np.array(maps, np.uint8), (8, 8))
            Image.fromarray(labels).save(folder / side / f"{number}.labels.png")
    sources = [{"name": side, "kind": "masks", "path": side, **source} for side in ("real", "made")]
    return parse({"name": "m", "folder": str(folder), "store": "s", "parser": {"kind": "masks", "classes": classes},
                  "real": sources[0], "generators": sources[1:]})  # fmt: skip


def masks(title: str, classes: Any, *contains: str) -> BadInput:
    """Classes of kind masks that are refused."""
    return BadInput(title, lambda folder: plan(_masks(folder, classes)), contains)


def factory(title: str, classes: str, *contains: str) -> BadInput:
    """Classes of a parser of one's own that are refused; `classes` is Python."""

    def call(folder: Path) -> object:
        (folder / "mine.py").write_text(textwrap.dedent(PARSER.format(classes=classes)))
        return plan(parse({**AUDIT, "folder": str(folder), "parser": {"kind": "mine:make"}}))

    return BadInput(title, call, contains)


def _shifted(folder: Path) -> None:
    """Label maps that count from 0, shifted by one, void apart: the areas are those of the maps."""
    audit = ganaudit.audit(_masks(folder, ["sky", "road"], maps=(0, 0, 1, 255), offset=1, void=255))
    rows = {row["class"]: row["real_area"] for row in audit.findings["class_stats"].to_pylist()}
    assert {name: rows[name] for name in ("sky", "road")} == {"sky": 50.0, "road": 25.0}, rows


def _void_called(word: str) -> Callable[[Path], object]:
    return lambda folder: plan(_masks(folder, {0: word, 1: "road"}))


CASES = [
    masks("class 0 that is sky", {0: "sky", 1: "road"}, "class 0", "'sky'", "vanish", "offset: 1"),
    *(
        BadInput(f"class 0 that is {word!r}", _void_called(word), code=0)
        for word in ("void", "Background", "UNLABELLED", "unlabeled", "ignore")
    ),
    BadInput("label maps that count from 0, shifted", _shifted, code=0),
    masks("void alone", {0: "void"}, "no class beside void"),
    masks("no classes", [], "parser.classes"),
    masks("classes of nothing", None, "parser.classes"),
    masks("an id of 10¹²", {10**12: "a"}, "1000000000000", "32,767"),
    masks("an id of -1", {-1: "a"}, "-1", "32,767"),
    masks("an id that is a text", {"road": "a"}, "parser.classes", "road"),
    masks("an id that is yes", {True: "a"}, "parser.classes"),
    masks("an id of 1.5", {1.5: "a"}, "parser.classes"),
    masks("40,000 classes", [f"c{n}" for n in range(40_000)], "parser.classes", "4096"),
    masks("5,000 classes by id", {n: f"c{n}" for n in range(1, 5001)}, "parser.classes", "4096"),
    masks("an empty name", [""], "parser.classes"),
    masks("a name of 300 characters", ["x" * 300], "parser.classes", "200"),
    masks("a name with NUL", ["a\0b"], "U+0000"),
    masks("a name of two lines", ["a\nb"], "U+000A"),
    masks("a name with half a character", ["a\ud800"], "parser.classes"),
    masks("a name that is a number", [7], "in quotes"),
    masks("a name that is yes", [True], "in quotes"),
    masks("two classes of one name", ["a", "a"], "'a'", "its own name"),
    factory(
        "a parser whose class 0 is sky",
        "(ClassInfo(0, 'sky'), ClassInfo(1, 'road'))",
        "mine:make",
        "class 0",
        "count ids from 1",
    ),
    factory("a parser's id of NumPy", "(ClassInfo(numpy.int64(1), 'a'),)", "int64", "whole numbers"),
    factory("a parser's id that is True", "(ClassInfo(True, 'a'),)", "bool"),
    factory("a parser's id that is a text", "(ClassInfo('1', 'a'),)", "str"),
    factory("a parser's id that is a float", "(ClassInfo(1.0, 'a'),)", "float"),
    factory("a parser's id of 10¹²", "(ClassInfo(10**12, 'a'),)", "32,767"),
    factory("a parser's name that is nothing", "(ClassInfo(1, None),)", "name of class 1"),
    factory("a parser's name that is bytes", "(ClassInfo(1, b'a'),)", "name of class 1"),
    factory("a parser's empty name", "(ClassInfo(1, ''),)", "name of class 1"),
    factory("a parser's name of 5,000 characters", "(ClassInfo(1, 'x' * 5000),)", "name of class 1", "200"),
    factory("a parser's name with half a character", "(ClassInfo(1, 'a\\ud800'),)", "U+D800"),
    factory("a parser's name of two lines", "(ClassInfo(1, 'a\\nb'),)", "U+000A"),
    factory("a parser's head that is a number", "(ClassInfo(1, 'a', 3),)", "head of class 1"),
    factory("a parser's classes of one id", "(ClassInfo(1, 'a'), ClassInfo(1, 'b'))", "unique"),
    factory("a parser's classes of one name", "(ClassInfo(1, 'a'), ClassInfo(2, 'a'))", "its own name"),
    factory("a parser of 5,000 classes", "tuple(ClassInfo(n, f'c{n}') for n in range(1, 5001))", "5,000", "4,096"),
    factory("a parser of a mapping", "{1: ClassInfo(1, 'a')}", "non-empty tuple"),
    factory("a parser of void alone", "(ClassInfo(0, 'void'),)", "no class beside void"),
]
