"""Parsers as the audit file names them: what enters their key, what is refused, and the parser that is only names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.parsers.masks import MaskClasses
from ganaudit.parsers.opening import open_parser
from ganaudit.spec import parse

BODY = """
import torch
from ganaudit import ClassInfo, Labels

class P:
    classes = {classes}
    resolution = {resolution}
    def __init__(self, depth=1):
        self.weight = torch.full((2,), float(depth))
    def parse(self, images):
        shape = (images.shape[0], len(set(info.head for info in self.classes)), 2, 2)
        return Labels(torch.full(shape, self.classes[-1].id), torch.ones(shape))

def make(depth=1):
    return P(depth)
"""
GOOD = "(ClassInfo(1, 'a'), ClassInfo(2, 'b', 'material'))"


def opened(folder: Path, parser, precision="float32"):
    data = {"name": "n", "folder": str(folder), "parser": parser, "real": {"name": "r", "kind": "village"},
            "generators": [{"name": "g", "kind": "village"}]}  # fmt: skip
    return open_parser(parse(data).parser, Context(folder, precision=precision))


def own(folder: Path, classes=GOOD, resolution="8", **asked):
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(BODY.format(classes=classes, resolution=resolution))
    return opened(folder, {"kind": "mine:make", **asked})


def test_a_parser_s_heads_and_size_are_read_from_it(tmp_path):
    parser = own(tmp_path)
    assert parser.heads == ("object", "material") and parser.class_count == 3 and parser.resolution == (8, 8)
    assert own(tmp_path / "x", resolution="(4, 6)").resolution == (4, 6)
    assert own(tmp_path / "y", resolution="None").resolution is None


def test_the_key_is_of_source_options_state_classes_and_size_and_not_of_the_folder(tmp_path):
    key = own(tmp_path / "a").key
    assert own(tmp_path / "b").key == key
    others = [
        own(tmp_path / "c", options={"depth": 2}), own(tmp_path / "d", resolution="16"),
        own(tmp_path / "e", classes=GOOD.replace("'a'", "'A'")), own(tmp_path / "f", classes=GOOD.replace("material", "part")),
    ]  # fmt: skip
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "mine.py").write_text(BODY.format(classes=GOOD, resolution="8") + "# changed\n")
    others.append(opened(tmp_path / "g", {"kind": "mine:make"}))
    assert len({key, *(other.key for other in others)}) == 6


def test_precision_is_part_of_a_network_s_key():
    keys = {opened(Path(), {"kind": "unet", "weights": "builtin:village"}, p).key for p in ("float32", "bfloat16")}
    assert len(keys) == 2


@pytest.mark.parametrize("classes, reason", [
    ("()", "non-empty tuple"), ("None", "non-empty tuple"), ("('a', 'b')", "non-empty tuple of ganaudit.ClassInfo"),
    ("(ClassInfo(1, 'a'), ClassInfo(1, 'b'))", "unique"), ("(ClassInfo(-1, 'a'),)", "between 0"),
    ("(ClassInfo(40000, 'a'),)", "32,767"),
])  # fmt: skip
def test_classes_that_cannot_be_counted_are_refused(tmp_path, classes, reason):
    with pytest.raises(RequestError, match=f"mine:make: .*{reason}"):
        own(tmp_path, classes=classes)


def test_what_has_no_parse_is_no_parser(tmp_path):
    (tmp_path / "mine.py").write_text("def make(): return 3")
    with pytest.raises(RequestError, match="this one has no parse"):
        opened(tmp_path, {"kind": "mine:make"})


@pytest.mark.parametrize("classes", [["sky", "tree"], {1: "sky", 2: "tree"}, {0: "void", 2: "tree", 1: "sky"}])
def test_classes_of_masks_are_names_in_order_or_by_id(classes):
    assert [(c.id, c.name) for c in MaskClasses(classes).classes] == [(1, "sky"), (2, "tree")]


@pytest.mark.parametrize("classes", [[], {}, {0: "void"}, {-1: "x"}, {32768: "x"}])
def test_masks_without_usable_classes_are_refused(classes):
    with pytest.raises(RequestError, match=r"parser\.classes"):
        MaskClasses(classes)


def test_masks_read_no_images():
    with pytest.raises(RequestError, match="give every source the kind 'masks'"):
        MaskClasses(["a"]).parse(torch.zeros(1, 3, 2, 2))
