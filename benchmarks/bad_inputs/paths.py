"""Paths that no system can look for, at every key of the audit file and every option that takes one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bad_input import BadInput, command
from benchmarks.bad_inputs.audit_file import AUDIT
from ganaudit.auditing.plan import plan
from ganaudit.records.store import Store
from ganaudit.spec import parse

PATHS: dict[str, tuple[Any, str]] = {
    "NUL": ("a\0b", "NUL"), "the home of nobody": ("~nosuchuser/x", "no home folder"),
    "5,000 characters": ("x/" * 2500, "too long"), "a name of 300 characters": ("x" * 300, "too long"),
    "half a character": ("a\ud800", ""), "a number": (7, "in quotes"), "nothing": ("", "names nothing"),
    "a list": (["a"], ""),
}  # fmt: skip
KEYS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "store": lambda path: {"store": path}, "folder": lambda path: {"folder": path},
    "real.path": lambda path: {"real": {"name": "r", "kind": "folder", "path": path}},
    "heldout.path": lambda path: {"heldout": {"name": "h", "kind": "folder", "path": path}},
    "real.labels": lambda path: {"real": {"name": "r", "kind": "masks", "path": "p", "labels": path}},
    "truth.path": lambda path: {"truth": {"name": "t", "kind": "masks", "path": path}},
    "generators[0].path": lambda path: {"generators": [{"name": "g", "kind": "folder", "path": path}]},
    "generators[0].weights": lambda path: {"generators": [{"name": "g", "kind": "dcgan", "weights": path}]},
    "parser.weights": lambda path: {"parser": {"kind": "unet", "weights": path}},
    "invert.perceptual_weights": lambda path: {
        "heldout": {"name": "h", "kind": "village"}, "invert": {"perceptual": "vgg16", "perceptual_weights": path},
    },
}  # fmt: skip
OPTIONS: dict[str, tuple[str, ...]] = {
    "runs --store": ("runs", "--store"), "report --out": ("report", "--out"), "report --figures": ("report", "--figures"),
    "sql --store": ("sql", "SELECT 1", "--store"), "train --out": ("train", "village", "--out"),
    "invert --inverter": ("invert", "builtin:village-progan", "p", "--inverter"), "run": ("run",), "check": ("check",),
    "run --store": ("run", "none.yaml", "--store"), "verify --store": ("verify", "--store"),
    "calibrate --out": ("calibrate", "--out"), "invert --out": ("invert", "builtin:village-progan", "p", "--out"),
}  # fmt: skip
ODD = ("spaces and 'quotes\"", "per%cent?", "st*r[s]", "漢字 🏘", "a;b--c", "new\nline", "$HOME", "-dash")
"""Names of folders that are odd and right."""


def _key(change: Callable[[Any], dict[str, Any]], path: Any) -> Callable[[Path], object]:
    return lambda folder: parse({**AUDIT, "folder": str(folder), **change(path)})


def _each_key() -> Iterator[BadInput]:
    for key, change in KEYS.items():
        for what, (path, words) in PATHS.items():
            yield BadInput(f"{key}: {what}", _key(change, path), (key, words))


def _each_option() -> Iterator[BadInput]:
    for name, arguments in OPTIONS.items():
        for what in ("the home of nobody", "5,000 characters", "a name of 300 characters"):
            path, words = PATHS[what]
            yield BadInput(f"{name} {what}", lambda _, to=(*arguments, path): command(*to), (words,))  # type: ignore[misc]


def _store_of(written: dict[str, Any]) -> Store:
    spec = parse(written)
    return Store(spec.path(spec.store)).open_for_writing()


def _store(name: str, make: Callable[[Path], object] = lambda path: None) -> Callable[[Path], object]:
    """A store called `name` is made, written to and read by SQL."""

    def call(folder: Path) -> object:
        make(folder / name)
        from ganaudit.records import catalog

        store = _store_of({**AUDIT, "folder": str(folder), "store": name})
        rows = catalog.query(Store(store.path), "SELECT count(*) AS n FROM images").to_pylist()
        assert rows == [{"n": 0}], rows
        return None

    return call


def _file_in_the_way(path: Path) -> None:
    path.parent.write_text("")


def _photo_pipe(folder: Path) -> object:
    os.mkfifo(folder / "p")
    return command("invert", "builtin:village-progan", folder / "p")


def _weights_in_a_circle(folder: Path) -> object:
    (folder / "w").symlink_to(folder / "w")
    return plan(parse({**AUDIT, "folder": str(folder), "parser": {"kind": "unet", "weights": "w"}}))


CASES = [
    *_each_key(),
    *_each_option(),
    BadInput(
        "a photo that is a device", lambda _: command("invert", "builtin:village-progan", "/dev/zero"), ("it is a device",)
    ),
    BadInput(
        "a photo that is a pipe",
        _photo_pipe,
        ("it is a pipe",),
    ),
    BadInput(
        "a photo that is not there",
        lambda folder: command("invert", "builtin:village-progan", folder / "p"),
        ("does not exist",),
    ),
    BadInput("a store inside a file", _store("file/store", _file_in_the_way), ("a file is in the way",)),
    BadInput("a store that is a file", _store("store", lambda path: path.write_text("")), ("a file is in the way",)),
    BadInput("a store with a backslash", _store("back\\slash"), ("backslash",)),
    BadInput(
        "a store in a circle of links", _store("loop/store", lambda path: path.parent.symlink_to(path.parent)), ("in a circle",)
    ),
    BadInput("a store that is a circle of links", _store("loop", lambda path: path.symlink_to(path)), ("in a circle",)),
    BadInput(
        "a store where nothing can be written",
        lambda _: _store_of({**AUDIT, "store": "/proc/store"}),
        ("cannot be written",),
    ),
    BadInput("a store on /dev/null", lambda _: _store_of({**AUDIT, "store": "/dev/null"}), ("a file is in the way",)),
    *(BadInput(f"a store called {name!r}", _store(name), code=0) for name in ODD),
    BadInput(
        "weights that are a folder",
        lambda folder: plan(parse({**AUDIT, "folder": str(folder), "parser": {"kind": "unet", "weights": "."}})),
        ("do not exist (or are no file)",),
    ),
    BadInput(
        "weights in a circle of links",
        _weights_in_a_circle,
        ("in a circle",),
    ),
]
