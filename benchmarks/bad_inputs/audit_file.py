"""Audit files: YAML that explodes or is none, numbers without end, words that YAML reads as something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bad_input import BadInput
from ganaudit.spec import load, parse

START = 'name: a\nparser: {kind: unet, weights: "builtin:village"}\nreal: {name: r, kind: village}\n'
BASE = f"{START}generators: [{{name: g, kind: village}}]\n"
AUDIT: dict[str, Any] = {
    "name": "a", "parser": {"kind": "unet", "weights": "builtin:village"}, "real": {"name": "r", "kind": "village"},
    "generators": [{"name": "g", "kind": "village"}],
}  # fmt: skip


def _file(content: str | bytes) -> Callable[[Path], object]:
    def call(folder: Path) -> object:
        path = folder / "audit.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(path)

    return call


def _special(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def call(folder: Path) -> object:
        made = make(folder / "audit.yaml")
        return load(made if isinstance(made, str) else folder / "audit.yaml")

    return call


def bad(name: str, content: str | bytes, *contains: str) -> BadInput:
    """A file that is refused."""
    return BadInput(name, _file(content), ("audit.yaml", *contains))


def fine(name: str, content: str | bytes) -> BadInput:
    """A file that is odd and right."""
    return BadInput(name, _file(content), code=0)


def value(title: str, /, *contains: str, **changes: Any) -> BadInput:
    """A mapping with values that are refused."""
    return BadInput(title, lambda folder: parse({**AUDIT, "folder": str(folder), **changes}), contains)


def _laughs(kind: str) -> str:
    """Nine anchors, each nine times the one before."""
    lists = {"list": "&a{n} [{of}]", "mapping": "&a{n} {{{of}}}"}[kind]
    lines = []
    for n in range(9):
        names = [f"*a{n - 1}" if n else "lol"] * 9
        of = ", ".join(names if kind == "list" else [f"k{place}: {name}" for place, name in enumerate(names)])
        lines.append(f"x{n}: " + lists.format(n=n, of=of))
    return "\n".join(lines)


_SHARED = (
    "base: &b {kind: village, count: 100}\n" + START.replace("{name: r, kind: village}", "{<<: *b, name: r}")
    + "generators:\n" + "".join(f"- {{<<: *b, name: g{n}}}\n" for n in range(10))
)  # fmt: skip
"""Ten uses of one anchor; the key `base` alone is wrong."""

CASES = [
    # aliases, size, depth
    bad("lists of aliases that explode", _laughs("list"), "more than 200,000 values", "line"),
    bad("mappings of aliases that explode", _laughs("mapping"), "more than 200,000 values"),
    bad(
        "aliases that explode as merge keys",
        "a: &a {x: 1}\n" + "b: &b [" + "*a, " * 50_000 + "]\nc: [" + "*b, " * 9 + "]",
        "values",
    ),
    bad("an alias inside what it names", "a: &a [*a]", "*a stands inside what it names"),
    bad("an alias without an anchor", "a: *b", "undefined alias"),
    bad("lists a thousand deep", "a: " + "[" * 1000 + "]" * 1000, "nesting"),
    bad("lists a hundred thousand deep", "a: " + "[" * 100_000, "not YAML"),
    bad("mappings a hundred deep", "\n".join(" " * n + "a:" for n in range(100)), "more than 50"),
    bad("300,000 keys", "\n".join(f"{n}:" for n in range(300_000)), "more than 200,000 values"),
    bad("a hundred megabytes", b"a: " + b"x" * 100_000_000, "more than 4 MB"),
    bad("an anchor used ten times", _SHARED, "has 1 mistake", "base: unknown key"),
    fine("merge keys", START + "generators:\n- &g {name: g, kind: village}\n- {<<: *g, name: h}\n- {<<: *g, name: i}\n"),
    # what is no mapping, or no text
    bad("a list", "- a\n", "holds no keys"),
    bad("a scalar", "a", "holds no keys"),
    bad("nothing", "", "holds no keys"),
    bad("two documents", BASE + "---\n" + BASE, "single document"),
    bad("tabs", "name:\n\t- a", "not YAML"),
    bad("binary", bytes(range(256)), "not YAML"),
    bad("Latin-1", "name: Größe".encode("latin-1"), "not YAML"),
    bad("half a UTF-16 character", b"\xff\xfe\x00", "not YAML"),
    bad("control characters", "name: \x07", "not YAML"),
    fine("a byte order mark", "\ufeff" + BASE),
    fine("UTF-16", BASE.encode("utf-16")),
    fine("CRLF", BASE.replace("\n", "\r\n")),
    bad("a key that stands twice", BASE + "name: b\n", "'name' stands here twice"),
    bad("a list as a key", "? [a, b]\n: 1\n", "where a key is expected"),
    bad("nothing as a key", BASE + "~: 1\n", "not nothing"),
    bad("a number as a key", BASE + "7: 1\n", "the number 7", "in quotes"),
    bad("yes as a key", BASE + "yes: 1\n", "true", "in quotes"),
    BadInput("a folder", _special(lambda path: path.mkdir()), ("it is a folder",)),
    BadInput("a pipe", _special(lambda path: os.mkfifo(path)), ("it is a pipe",)),
    BadInput("a device", _special(lambda path: "/dev/zero"), ("it is a device",)),
    BadInput("links in a circle", _special(lambda path: path.symlink_to(path)), ("lead in a circle",)),
    BadInput("no file", _special(lambda path: None), ("does not exist",)),
    # tags
    bad("a Python object", "name: !!python/object/apply:os.system ['touch ran']", "tag", "python/object"),
    bad("a Python name", "name: !!python/name:os.system", "tag"),
    bad("a set", "name: !!set {a, b}", "tag !!set"),
    bad("a tag of its own", "name: !mine a", "tag !mine"),
    bad("a float that is none", "name: !!float x", "tag !!float"),
    bad("bytes", "name: !!binary aGk=", "tag !!binary"),
    fine("a text that says so", BASE.replace("name: a", "name: !!str 7", 1)),
    bad("a date that no calendar has", BASE.replace("name: a", "name: 2026-99-99", 1), "month"),
    # words that YAML reads as something else
    bad("a name that is a date", BASE.replace("name: a", "name: 2026-11-01", 1), "the date 2026-11-01", "in quotes"),
    bad("a name that is a time", BASE.replace("name: a", "name: 2026-11-01 12:00:00", 1), "the time", "in quotes"),
    bad("a name that is yes", BASE.replace("name: a", "name: yes", 1), "true", "in quotes"),
    bad("a name that is octal", BASE.replace("name: a", "name: 007", 1), "the number 7", "in quotes"),
    bad("a name that is 60-based", BASE.replace("name: a", "name: 12:30", 1), "the number 750", "in quotes"),
    bad("a name that is null", BASE.replace("name: a", "name: null", 1), "no value", "in quotes"),
    bad("a name that is nothing", BASE.replace("name: a", "name:", 1), "no value"),
    bad("a name that is infinite", BASE.replace("name: a", "name: .inf", 1), "inf", "in quotes"),
    fine("a name that looks like 1e3", BASE.replace("name: a", "name: 1e3", 1)),
    fine("a name with slashes, emoji and marks", BASE.replace("name: a", 'name: "a/b 🏘 \u200fעברית"', 1)),
    value("a name of 300 characters", "name: ", "200", name="x" * 300),
    value("a name with NUL", "U+0000", name="a\0b"),
    value("a name of two lines", "U+000A", name="a\nb"),
    value("a name with half a character", "name: ", name="a\ud800"),
    value("a name of spaces", "spaces alone", name="   "),
    value("a source's name that is a number", "real.name: ", "the number 7", "in quotes", real={"name": 7, "kind": "village"}),
    # numbers
    bad("a number of 5,000 digits", BASE + f"sample: {{count: {'9' * 5000}}}", "a number of 5,000 characters"),
    bad("a hexadecimal number without end", BASE + f"sample: {{seed: 0x{'f' * 100_000}}}", "a number of 100,002 characters"),
    bad("a 60-based number without end", BASE + f"sample: {{seed: {'1' + ':01' * 5000}}}", "a number of"),
    bad("a float without end", BASE + f"decide: {{alpha: 0.{'1' * 5000}}}", "a number of"),
    value("a million million images", "sample.count: ", "134217728", sample={"count": 10**12}),
    value("one image", "sample.count: ", sample={"count": 1}),
    value("a count of yes", "yes, on and true", sample={"count": True}),
    value("half an image", "sample.count: ", "2.5", sample={"count": 2.5}),
    value("a count in words", "sample.count: ", "the text 'many'", sample={"count": "many"}),
    value("a count of nothing", "sample.count: ", "nothing", sample={"count": None}),
    value("a real count without end", "real.count: ", real={"name": "r", "kind": "village", "count": 10**15}),
    value("held-out images without end", "real.heldout: ", real={"name": "r", "kind": "village", "heldout": 10**12}),
    value("a seed of more than 64 bits", "sample.seed: ", sample={"seed": 2**64}),
    value("a seed below 64 bits", "sample.seed: ", sample={"seed": -(2**64)}),
    value("a batch that divides no block", "batch 48", sample={"batch": 48}),
    value("a batch without end", "sample.batch: ", sample={"batch": 10**9}),
    value("workers without end", "run.workers: ", run={"workers": 10**6}),
    value("permutations without end", "decide.permutations: ", decide={"permutations": 10**9}),
    value("no doubt at all", "decide.alpha: ", decide={"alpha": 1e-300}),
    value("a threshold that is no number", "decide.presence: ", decide={"presence": float("nan")}),
    value("an endless threshold", "decide.increased: ", decide={"increased": float("inf")}),
    value("a threshold of 1e308", "decide.increased: ", decide={"increased": 1e308}),
    *(
        value(f"invert.{key} without end", f"invert.{key}: ", heldout={"name": "h", "kind": "village"}, invert={key: 10**12})
        for key in ("images", "own", "masked", "train_images", "steps", "restarts", "batch", "inverter_minutes")
    ),
    value("minutes without end", "invert.inverter_minutes: ", invert={"inverter_minutes": float("inf")}),
    value(
        "a huge resize", "generators[0].resize: ", generators=[{"name": "g", "kind": "folder", "path": "g", "resize": 10**6}]
    ),
    value("a huge label map", "real.size[0]: ", real={"name": "r", "kind": "masks", "path": "r", "size": [10**9, 1]}),
    value("a void value that no PNG holds", "real.void: ", real={"name": "r", "kind": "masks", "path": "r", "void": 10**9}),
    value("a negative step", "generators[0].step: ", generators=[{"name": "g", "kind": "dcgan", "weights": "w", "step": -1}]),
    value(
        "a step of more than 64 bits",
        "generators[0].step: ",
        generators=[{"name": "g", "kind": "dcgan", "weights": "w", "step": 2**64}],
    ),
    # what invert names
    *(
        value(f"perceptual: {name}", "invert.perceptual: ", "'pyramid'", name, invert={"perceptual": name})
        for name in ("lpips", "vgg", "PYRAMID", "")
    ),
    value("weights of no network", "has no weights", invert={"perceptual_weights": "w"}),
    value(
        "perceptual weights that are not there",
        "invert.perceptual_weights: there is no file",
        heldout={"name": "h", "kind": "village"},
        invert={"perceptual": "vgg16", "perceptual_weights": "w.pth"},
    ),
    value("a method that does not exist", "invert.methods[0]: ", "did you mean", invert={"methods": ["layers"]}),
    value("one method twice", "latent", "twice", invert={"methods": ["latent", "latent"]}),
    value("no method", "invert.methods: ", invert={"methods": []}),
    value("a layer without a name", "invert.layer: ", invert={"layer": ""}),
    value("a layer of 5,000 characters", "invert.layer: ", invert={"layer": "x" * 5000}),
    value("a layer that is a number", "invert.layer: ", "in quotes", invert={"layer": 4}),
]
