"""Generators, parsers and factories of one's own that give something else than they should, end the process, or never end."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ganaudit
from benchmarks.bad_input import BadInput
from ganaudit import limits
from ganaudit.auditing.plan import plan
from ganaudit.spec import AuditSpec, parse

MODELS = """
import os, sys, threading, time
import numpy as np
import torch
from torch import nn
from ganaudit import ClassInfo, Image, Labels
from ganaudit.random import normals

class Photos:
    def __len__(self): return 64
    def image(self, index): return Image(np.random.default_rng(index).integers(0, 256, (8, 8, 3)).astype(np.uint8), str(index))
    def recipe(self): return {}

class Parser:
    classes = (ClassInfo(1, "dark"), ClassInfo(2, "bright"))
    resolution = 8
    def parse(self, images):
        sure = torch.ones_like(images[:, 0])
        maps = 1 + (images.mean(1) > 0).long()
        return self.given(maps, sure, len(images) > 2)
    def given(self, maps, sure, later): return Labels(maps, sure)

class Generator:
    resolution, layers = 8, ()
    def latents(self, seed, indices):
        return {"z": torch.from_numpy(normals(seed, "z", indices.numpy(), 192)), "index": indices}
    def run(self, state, after=None, upto=None):
        image = torch.tanh(state["z"]).reshape(-1, 3, 8, 8)
        return {**state, "image": self.made(image, len(image) > 8)}
    def made(self, image, later): return image
"""


def audit_of(folder: Path, code: str, **changes: Any) -> AuditSpec:
    (folder / "mine.py").write_text(MODELS + textwrap.dedent(code))
    return parse({
        "name": "a", "folder": str(folder), "store": "s", "parser": {"kind": "mine:Parser"}, "sample": {"count": 64},
        "real": {"name": "r", "kind": "mine:Photos"}, "generators": [{"name": "g", "kind": "mine:Generator"}], **changes,
    })  # fmt: skip


def nothing_run(folder: Path, code: str, **changes: Any) -> None:
    """Plans an audit; what is wrong is told before a store is made."""
    try:
        plan(audit_of(folder, code, **changes))
    finally:
        assert not (folder / "s" / "records").exists(), "something was run"


def _at_work(folder: Path, code: str, run: dict[str, Any]) -> None:
    """Runs an audit whose fault comes at work; what is written of a block is whole or is not there."""
    try:
        if "megabytes" in run:
            run = {**run, "memory": (limits.resident() + 1e6 * run["megabytes"]) / limits.available()}
        ganaudit.audit(audit_of(folder, code, run={name: value for name, value in run.items() if name != "megabytes"}))
    finally:
        written = {path.parts[-3]: 0 for path in (folder / "s").rglob("shard-*.parquet")}
        assert written in ({}, {"images": 0, "class_pixels": 0}), f"half a block is written: {written}"


def _classed(base: str, body: str) -> str:
    name = {"made": "Generator", "run": "Generator", "given": "Parser"}[base]
    arguments = {"made": "image, later", "run": "state, after=None, upto=None", "given": "maps, sure, later"}[base]
    return f"class {name}({name}):\n    def {base}(self, {arguments}):\n        " + body.replace("\n", "\n        ") + "\n"


def gives(title: str, body: str, *contains: str, base: str = "made") -> BadInput:
    """A generator's images, or a parser's label maps, that are refused before work begins."""
    who = "a parser that gives " if base == "given" else "a generator that gives "
    return BadInput(who + title, lambda folder: nothing_run(folder, _classed(base, body)), contains)


def parses(title: str, body: str, *contains: str) -> BadInput:
    return gives(title, body, *contains, base="given")


def later(title: str, base: str, body: str, *contains: str, **run: Any) -> BadInput:
    """What goes wrong at work alone: the audit fails in a sentence. run: limits; what they give up is at work still, so such a
    case needs a process of its own."""
    code = _classed(base, body)
    return BadInput(
        f"at work, {title}", lambda folder: _at_work(folder, code, run={"workers": 1, **run}), contains, 1, quick=not run
    )


def factory(title: str, code: str, *contains: str, kind: str = "mine:make", ok: bool = False, **source: Any) -> BadInput:
    """A factory in the place of the generator."""

    def call(folder: Path) -> None:
        (folder / "notes.txt").write_text("a file")
        (folder / "data").mkdir()
        nothing_run(folder, code, generators=[{"name": "g", "kind": kind, **source}])

    return BadInput(f"a factory {title}", call, contains, code=0 if ok else 2)


def hanging(title: str, place: str, value: Any) -> BadInput:
    """An opening that never ends, within run.block_minutes; it is at work still, so such a case needs a process of its own."""
    code = "def make(): time.sleep(9999)\nclass Slow(Photos):\n    def __len__(self): time.sleep(9999)\n"
    return BadInput(
        f"an opening hangs: {title}",
        lambda folder: plan(audit_of(folder, code, run={"block_minutes": 0.02}, **{place: value})),
        ("the opening of", "block_minutes"), 1, quick=False,
    )  # fmt: skip


def making(title: str, body: str, *contains: str, **more: Any) -> BadInput:
    body = body.replace("\n", "\n    ")
    return factory(title, f"def make(**options):\n    {body}\n    return Generator()\n", *contains, **more)


GENERATED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "None": ("return None", ("not None",)), "a list": ("return list(image)", ("type list",)),
    "a tuple": ("return (image,)", ("type tuple",)), "an array": ("return image.numpy()", ("type ndarray",)),
    "a text": ("return 'image.png'", ("type str",)), "complex numbers": ("return image.to(torch.complex64)", ("complex64",)),
    "a sparse tensor": ("return image.to_sparse()", ("sparse",)), "bools": ("return image > 0", ("of bool",)),
    "bytes of colour": ("return (image * 127 + 128).byte()", ("uint8", "image.float() / 127.5 - 1")),
    "whole numbers": ("return image.long()", ("int64",)), "nothing but a shape": ("return image.to('meta')", ("meta",)),
    "grey": ("return image[:, :1]", ("grey",)), "grey without channels": ("return image[:, 0]", ("grey",)),
    "RGBA": ("return torch.cat([image, image[:, :1]], 1)", ("RGBA",)),
    "channels last": ("return image.permute(0, 2, 3, 1)", ("image.permute(0, 3, 1, 2)",)),
    "one image for two": ("return image[:1]", ("for a batch of 2",)), "one number": ("return image.mean()", ("one number",)),
    "another resolution": ("return image.repeat(1, 1, 2, 2)", ("as its resolution says",)),
    "NaN": ("return image * float('nan')", ("none of its first 8", "not finite")),
    "infinity": ("return image / 0", ("none of its first 8", "not finite")),
    "0 to 255": ("return (image + 1) * 127.5", ("none of its first 8", "[-1, 1]")),
    "fresh noise": ("return (image + 0.3 * torch.randn_like(image)).clamp(-1, 1)", ("the second time",)),
    "what the batch says": ("return image - image.mean()", ("in another batch",)),
    "dropout": ("return nn.functional.dropout(image, 0.5, True) / 2", ("the second time",)),
    "what it remembers": ("self.n = getattr(self, 'n', 0) + 1\nreturn image * (self.n % 2)", ("the second time",)),
    "an exception": ("raise KeyError('w_avg')", ("KeyError", "w_avg")),
    "an exit": ("sys.exit(0)", ("sys.exit(0)",)), "an end of its own kind": ("raise GeneratorExit", ("GeneratorExit",)),
}  # fmt: skip
PARSED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "None": ("return None", ("not None",)), "a tuple": ("return maps, sure", ("not tuple",)),
    "a tensor": ("return maps", ("not Tensor",)), "a mapping": ("return {'out': maps}", ("not dict",)),
    "bool maps": ("return Labels(maps > 1, sure)", ("bool", ".long()")),
    "float maps": ("return Labels(maps.float(), sure)", ("float32",)),
    "logits as maps": ("return Labels(torch.stack([sure, sure], 1), sure)", ("float32",)),
    "arrays": ("return Labels(maps.numpy(), sure.numpy())", ("ndarray",)),
    "sparse maps": ("return Labels(maps.to_sparse(), sure)", ("sparse",)),
    "flat maps": ("return Labels(maps.flatten(1), sure.flatten(1))", ("their shape is",)),
    "one map for all": ("return Labels(maps[0], sure[0])", ("their shape is",)),
    "a map too few": ("return Labels(maps[1:], sure[1:])", ("their shape is",)),
    "heads that it has not": ("return Labels(maps[:, None].repeat(1, 2, 1, 1), sure[:, None])", ("2 heads",)),
    "an id that is no class": ("return Labels(maps + 1, sure)", ("class id 3",)),
    "an id of 255": ("maps[:, 0] = 255\nreturn Labels(maps, sure)", ("class id 255",)),
    "an id of -1": ("maps[:, 0] = -1\nreturn Labels(maps, sure)", ("class id -1",)),
    "confidences of NaN": ("return Labels(maps, sure * float('nan'))", ("nan",)),
    "confidences of 7": ("return Labels(maps, sure * 7)", ("one of them is 7",)),
    "confidences below 0": ("return Labels(maps, -sure)", ("one of them is -1",)),
    "confidences of an image": ("return Labels(maps, sure[:, 0, 0])", ("the shape of its label maps",)),
    "no confidences": ("return Labels(maps, None)", ("Labels",)),
    "bool confidences": ("return Labels(maps, sure > 0)", ("bool",)),
    "what the batch says": ("return Labels(torch.where(maps > 1, 1 + len(maps) % 2, maps), sure)", ("in another batch",)),
    "other labels each time": ("return Labels(1 + (torch.rand_like(sure) > 0.5).long(), sure)", ("the second time",)),
    "an exception": ("raise RuntimeError('CUDA error')", ("RuntimeError",)),
    "an exit": ("os.abort if 0 else sys.exit(3)", ("exit(3)",)),
}  # fmt: skip
_TRAIN = """
class Generator(Generator):
    def __init__(self):
        torch.manual_seed(0)
        self.net = nn.BatchNorm2d(3).eval() if {} else nn.BatchNorm2d(3)
    def made(self, image, later):
        self.net.train({})
        return torch.tanh(self.net(image)).detach()
make = Generator
"""

CASES = [
    *(gives(title, body, *words) for title, (body, words) in GENERATED.items()),
    gives("a list instead of a state", "return [state]", "type list", base="run"),
    gives("a state without an image", "return dict(state)", "holds 'z', 'index'", base="run"),
    gives("an image instead of a state", "return state['z']", "type Tensor", base="run"),
    *(parses(title, body, *words) for title, (body, words) in PARSED.items()),
    # at work alone
    later("a generator raises", "made", "if later: raise ValueError('no more')\nreturn image", "ValueError", "images 0-63"),
    later("a generator leaves", "made", "if later: sys.exit(0)\nreturn image", "sys.exit(0)"),
    later("a generator stops like Ctrl-C", "made", "if later: raise KeyboardInterrupt\nreturn image", "KeyboardInterrupt"),
    later("a parser raises", "given", "if later: [][7]\nreturn Labels(maps, sure)", "the parser raised IndexError"),
    later("a parser gives NaN", "given", "if later: sure[3, 0, 0] = float('nan')\nreturn Labels(maps, sure)", "mine:Parser",
        "nan"),
    later("a parser gives an unknown id", "given", "if later: maps[5] = 9\nreturn Labels(maps, sure)", "mine:Parser", "image '",
        "9"),
    later("a parser gives floats", "given", "return Labels(maps.float() if later else maps, sure)", "mine:Parser", "float32"),
    later("a parser gives one map less", "given", "return Labels(maps[later:], sure[later:])", "mine:Parser", "shape is"),
    later("a parser gives None", "given", "return None if later else Labels(maps, sure)", "mine:Parser", "not None"),
    later("a parser gives confidences of 2", "given", "return Labels(maps, sure * (1 + later))", "one of them is 2"),
    later("a generator hangs", "made", "if later: time.sleep(9999)\nreturn image", "g 0-63", "block_minutes",
        block_minutes=0.02),
    hanging("a generator's factory", "generators", [{"name": "g", "kind": "mine:make"}]),
    hanging("a parser's factory", "parser", {"kind": "mine:make"}),
    hanging("a dataset's length", "real", {"name": "r", "kind": "mine:Slow"}),
    later("a parser hangs", "given", "while later: pass\nreturn Labels(maps, sure)", "block_minutes", block_minutes=0.02),
    later(
        "a generator leaks", "made",
            "kept = []\nwhile later: kept.append(bytearray(b'x') * 10_000_000); time.sleep(0.05)\nreturn image",
        "run.memory", megabytes=300,
    ),
    # factories
    making("that calls sys.exit(0)", "sys.exit(0)", "sys.exit(0)"), making("that calls exit()", "exit()", "SystemExit"),
    making("that raises KeyboardInterrupt's like", "class E(BaseException): pass\nraise E('x')", "E"),
    making("that raises an error that cannot be printed", "class E(Exception):\n  def __str__(self): raise KeyError\nraise E",
        "E"),
    making("that prints", "print('hello')", ok=True),
    making("that writes to stdout's buffer", "sys.stdout.write('x')", ok=True),
    making("whose thread dies", "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "thread",
        "ZeroDivisionError"),
    making("that changes the folder", "os.chdir('/')", ok=True),
    making("that recurses", "def f(): return f()\nf()", "RecursionError"),
    making("that takes an option naming a file", "", "files", options={"weights": "notes.txt"}),
    making("that takes an option naming a folder", "", "files", options={"a": {"b": ["data"]}}),
    factory("that is __main__", "", "__main__", kind="__main__:make"), factory("that is sys:exit", "", "sys", kind="sys:exit"),
    factory("that is os:getcwd", "", "os", kind="os:getcwd"),
    factory("that is builtins:exit", "", "builtins", kind="builtins:exit"),
    factory("that is antigravity:fly", "", "antigravity", kind="antigravity:fly"),
    factory("that is subprocess:run", "", "subprocess", kind="subprocess:run"),
    factory("that is not there", "", "make", kind="mine:make"), factory("of no module", "", "yours", kind="yours:make"),
    factory("whose module does not read", "def (", "SyntaxError"), factory("whose module exits", "sys.exit(0)", "sys.exit(0)"),
    factory("that is a number", "make = 7", "make"), factory("without a name", "", kind="mine:"),
    factory("of a path", "", kind="../mine:make"),
    making("of None", "return None", "latents"), making("of a class", "return Generator", "mine:make"),
    factory("with a network in train mode", _TRAIN.format(0, True), "mine:make"),
]  # fmt: skip
