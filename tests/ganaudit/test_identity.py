"""What a user's part is made of and what it holds enters its key; where it lies and what it is only for a moment does not."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import functools
import os
import threading
import types
from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ganaudit import factory, identity
from ganaudit.errors import RequestError
from ganaudit.identity import content_digest, object_digest
from ganaudit.options import FactoryParser

# what an object holds


class Holder:
    def __init__(self, **parts) -> None:
        self.__dict__.update(parts)


class Slots:
    __slots__ = ("net", "size")

    def __init__(self, net=None, size=0) -> None:
        self.net, self.size = net, size


class Net(nn.Module):
    def __init__(self, truncation=1.0, extra=None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Linear(2, 2)
        self.truncation, self.extra = truncation, extra


class Colour(enum.Enum):
    RED, BLUE = 1, 2


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 3


def held(**parts):
    return object_digest(Holder(**parts), [Path("/a/folder/somewhere")])


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(2, 2)


def test_an_object_of_tensors_and_networks_alone_keeps_the_key_it_had():
    assert held() is None
    assert held(net=linear(), mean=torch.zeros(2), nets=[]) is None
    assert object_digest(nn.Sequential(linear(), nn.BatchNorm1d(2)).train(), []) is None
    assert held(classes=("a",), resolution=4, layers=()) is None  # they are in the key by themselves


DIFFERENT = {
    "a number": (1, 2), "a large number": (10**5000, 10**5000 + 1),
    "a type": (1, True), "an int and a float": (1, 1.0), "a sign": (0.0, -0.0), "a text": ("a", "b"),
    "nothing and zero": (None, 0), "bytes": (b"a", b"b"), "a complex": (1j, 2j), "an enum": (Colour.RED, Colour.BLUE),
    "an array": (np.zeros(2), np.ones(2)), "an array's type": (np.zeros(2, "f4"), np.zeros(2, "f8")),
    "an array's shape": (np.zeros((2, 1)), np.zeros((1, 2))), "a scalar of numpy": (np.float32(1), np.float32(2)),
    "an array of objects": (np.array([1, "a"], object), np.array([1, "b"], object)),
    "a list": ([1, 2], [2, 1]), "how lists are nested": ([[1], 2], [[1, 2]]), "a mapping": ({"a": 1}, {"a": 2}),
    "a mapping's keys": ({"a": 1}, {"b": 1}),
    "the type of keys": ({1: 1}, {"1": 1}), "keys of pairs": ({(1, 2): 1}, {(1, 3): 1}),
    "a set": ({1, 2}, {1, 3}), "an object": (Holder(x=1), Holder(x=2)), "a dataclass": (Config(3), Config(4)),
    "slots": (Slots(size=1), Slots(size=2)), "a namespace": (argparse.Namespace(a=1), argparse.Namespace(a=2)),
    "a plain namespace": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)), "a deque": (deque([1]), deque([2])),
    "a partial": (functools.partial(max, 1), functools.partial(max, 2)), "a range": (range(2), range(3)),
    "networks in a list": ([linear()], [linear(1)]), "networks in a mapping": ({"a": [linear()]}, {"a": [linear(1)]}),
    "tensors in a list": ([torch.zeros(1)], [torch.ones(1)]),
    "a network in an object": (Holder(net=linear()), Holder(net=linear(1))),
    "a network in slots": (Slots(linear()), Slots(linear(1))), "a network's own number": (Net(0.7), Net(0.8)),
    "a list in a network": (Net(extra=[linear()]), Net(extra=[linear(1)])), "a tensor that is no buffer": (
        Net(extra=torch.zeros(1)), Net(extra=torch.ones(1))),
    "a network's number deep down": (nn.Sequential(nn.Sequential(Net(0.7))), nn.Sequential(nn.Sequential(Net(0.8)))),
}  # fmt: skip


@pytest.mark.parametrize("what", list(DIFFERENT))
def test_other_content_has_another_digest_and_the_same_content_the_same(what):
    import copy

    result, other = DIFFERENT[what]
    assert held(x=result) is not None
    assert held(x=result) != held(x=other)
    assert held(x=result) == held(x=copy.deepcopy(result))


@pytest.mark.parametrize("one, other", [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (OrderedDict(a=1), {"a": 1}), ({"a", "b", "c"}, {"c", "b", "a"}),
    ("/a/folder/somewhere/x.onnx", "/another/y.onnx"), (Path("x"), Path("y")), ("~/x", "/b"),
    ("loaded from /a/folder/somewhere", "/x"), (threading.Lock(), threading.Lock()), (max, min), (linear, held),
    (torch.device("cpu"), torch.device("meta")), (np.random.default_rng(1), np.random.default_rng(2)), (Config, Holder),
])  # fmt: skip
def test_order_place_and_what_is_only_of_this_process_do_not_count(one, other):
    assert held(x=one, n=1) == held(x=other, n=1)


def test_circles_end_and_what_is_deep_is_reached():
    result, other = Holder(x=1), Holder(x=2)
    result.me, other.me = [result], [other]
    assert object_digest(result, []) != object_digest(other, [])
    deep, deeper = [1], [2]
    for _ in range(5_000):
        deep, deeper = [deep], [deeper]
    assert held(x=deep) != held(x=deeper)


def test_too_many_values_are_refused(monkeypatch):
    monkeypatch.setattr(identity, "MOST_VALUES", 10)
    assert held(x=list(range(9)))
    with pytest.raises(RequestError, match="more than 10 numbers"):
        held(x=list(range(20)))


# files and folders


def tree(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(content)
    return folder


def test_a_folder_is_its_names_and_bytes_and_not_its_place(tmp_path):
    result = content_digest(tree(tmp_path / "a", x="1", sub__y="2"))
    assert result == content_digest(tree(tmp_path / "b" / "c", sub__y="2", x="1", __pycache____z="3"))
    others = [{"x": "2", "sub__y": "2"}, {"x": "1", "sub__z": "2"}, {"x": "1", "y": "2"}, {"x": "1"}, {"x": "12", "sub__y": ""},
              {"x": "1", "sub__y": "2", "z": ""}, {"x": "", "sub__y": "12"}]  # fmt: skip
    digests = [content_digest(tree(tmp_path / str(k), **files)) for k, files in enumerate(others)]
    assert len({result, *digests}) == len(others) + 1


def test_links_count_as_what_they_lead_to_and_a_circle_of_them_ends(tmp_path):
    plain = tree(tmp_path / "plain", x="1", sub__y="2")
    linked = tree(tmp_path / "linked", x="1")
    (linked / "sub").symlink_to(plain / "sub")
    assert content_digest(linked) == content_digest(plain)
    (plain / "sub" / "back").symlink_to(plain)
    assert len(content_digest(plain)) == 64


def test_a_file_is_the_digest_of_its_bytes(tmp_path):
    import hashlib

    (tmp_path / "x").write_bytes(b"abc")
    assert content_digest(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_folders_without_files_with_too_many_and_pipes_are_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="without a file"):
        content_digest(tmp_path / "empty")
    os.mkfifo(tmp_path / "empty" / "pipe")
    with pytest.raises(RequestError, match="neither a file nor a folder"):
        content_digest(tmp_path / "empty")
    (tmp_path / "empty" / "pipe").unlink()
    (tmp_path / "empty" / "broken").symlink_to("nothing")
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        content_digest(tmp_path / "empty")
    monkeypatch.setattr(identity, "MOST_FILES", 3)
    with pytest.raises(RequestError, match="more than 3 files"):
        content_digest(tree(tmp_path / "many", **dict.fromkeys("abcde", "x")))


# through the factory

CODE = """
import json, pathlib
class Mine:
    classes = ()
    def __init__(self, weights=None, files=(), **options):
        self.given = [weights, *files]
        paths = [pathlib.Path(path) for path in self.given if path]
        self.text = [(path / "x" if path.is_dir() else path).read_text() for path in paths]
"""


def made(folder: Path, **asked):
    (folder / "mine.py").write_text(CODE)
    return factory.make(FactoryParser.model_construct(kind="mine:Mine", **asked), folder)


def test_weights_may_be_a_folder_and_files_may_be_both_and_all_reach_the_factory_and_the_key(tmp_path):
    asked = {"weights": "weights", "files": ["config", "scheduler"]}
    seen = []
    for content in ("1", "2"):
        where = tree(tmp_path / content / "here", weights__x=content, config="c", scheduler__x="s")
        result = made(where, **asked)
        assert result.object.text == [content, "c", "s"] and all(os.path.isabs(path) for path in result.object.given)
        seen.append(result.content)
    assert seen[0]["files"] == seen[1]["files"] and seen[0]["weights"] != seen[1]["weights"]
    again = made(tree(tmp_path / "3", weights__x="1", config="c", scheduler__x="s"), **asked)
    assert again.content == seen[0]
    changed = made(tree(tmp_path / "4", weights__x="1", config="C", scheduler__x="s"), **asked)
    assert changed.content["files"] != seen[0]["files"]


def test_a_folder_of_weights_may_be_insisted_on(tmp_path):
    tree(tmp_path, weights__x="1")
    digest = content_digest(tmp_path / "weights")
    assert made(tmp_path, weights="weights", sha256=digest).content["weights"] == digest
    with pytest.raises(RequestError, match=f"SHA-256 {digest}"):
        made(tmp_path, weights="weights", sha256="0" * 64)


def test_without_files_and_held_values_the_key_is_what_it_was(tmp_path):
    (tmp_path / "mine.py").write_text("import torch\nclass Mine:\n    def __init__(self): self.mean = torch.zeros(2)\n")
    result = factory.make(FactoryParser.model_construct(kind="mine:Mine"), tmp_path)
    assert set(result.content) == {"state"} and set(result.recipe) == {"kind", "factory", "options", "source"}


def test_a_collection_is_known_by_its_recipe_and_not_by_what_it_holds(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    def __init__(self): self.names = ['a', 'b']\n")
    assert "held" in factory.make(FactoryParser.model_construct(kind="mine:Mine"), tmp_path).content
    assert "held" not in factory.make(FactoryParser.model_construct(kind="mine:Mine"), tmp_path, by_what_it_holds=False).content


@pytest.mark.parametrize("options, place", [
    ({"path": "net.onnx"}, "path"), ({"path": "./net.onnx"}, "path"),
    ({"config": {"deep": [0, "folder"]}}, r"config\.deep\[1\]"), ({"path": "folder/../net.onnx"}, "path"),
    ({"path": "file://{here}/net.onnx"}, "path"), ({"path": "{here}/folder/"}, "path"),
    ({"path": "~/net.onnx"}, "path"), ({"path": "$HOME/net.onnx"}, "path"), ({"path": " net.onnx"}, "path"),
    ({"path": "/dev/null"}, "path"), ({"path": "link"}, "path"),
])  # fmt: skip
def test_an_option_that_names_a_file_is_refused_with_what_to_do(tmp_path, monkeypatch, options, place):
    tree(tmp_path, **{"net.onnx": "1", "folder__x": "2"})
    (tmp_path / "link").symlink_to("folder")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {key: value.replace("{here}", str(tmp_path)) if key == "path" else value for key, value in options.items()}
    with pytest.raises(RequestError, match=rf"options\.{place} names .*`files:`.*`weights:`"):
        made(tmp_path, options=options)


@pytest.mark.parametrize("text", [
    "", ".", "..", "/", "~", "\0", "x" * 5000, "~nosuchuser/x", "nothing.onnx", "a/b", "bilinear", "\ud800",
])  # fmt: skip
def test_other_texts_are_options(tmp_path, text):
    assert made(tmp_path, options={"x": text, "n": 1, "deep": [None, {"y": text}]})


def test_an_option_may_name_what_is_in_the_key(tmp_path):
    tree(tmp_path, folder__x="2")
    assert made(tmp_path, options={"path": "folder/x"}, files=["folder"]).content["files"]


@pytest.mark.parametrize("name, reason", [
    ("nothing", "do not exist"), ("a\0b", "NUL"), ("~nosuchuser/x", "no home folder"), ("x" * 5000, "too long"),
    (".", "do not exist"), ("pipe", "do not exist"), ("/dev/zero", "do not exist"),
])  # fmt: skip
@pytest.mark.parametrize("key", ["weights", "files"])
def test_files_that_are_none_are_refused(tmp_path, key, name, reason):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match=f"{key} .*{reason}"):
        made(tmp_path, **{key: name if key == "weights" else [name]})


def test_a_file_that_is_written_to_while_the_factory_reads_it_is_told(tmp_path):
    tree(tmp_path, weights__x="1")
    (tmp_path / "mine.py").write_text("def make(weights):\n    open(weights + '/x', 'w').write('22')\n    return 1\n")
    with pytest.raises(RequestError, match="changed while it was read"):
        factory.make(FactoryParser.model_construct(kind="mine:make", weights="weights"), tmp_path)
