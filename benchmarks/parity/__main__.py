"""Each family against its official code, on the same random weights: `python -m benchmarks.parity stylegan3 --official PATH`.

PATH is a clone of the family's official repository. In a process of its own its code makes a network on the processor, whose
random weights follow from --seed, saves it as it is published, and keeps what each of its layers gives. Here that file is
opened as an audit opens it, and the same layers are compared, by the largest difference as a share of the layer's largest
number: each alone, given what the official layer before it gave, then in a chain, where rounding grows (in the layer's own
numbers, too). Where the official code computes in float64, too, two more shares are printed: how far its own float32 is from
that, and how far ours is in float64. Images are compared as they are parsed, clamped to [-1, 1].

    git clone https://github.com/NVlabs/stylegan3 && python -m benchmarks.parity stylegan3 --official stylegan3
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

import benchmarks.parity
from benchmarks.parity.parsers import PARSERS, parsed
from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.generators.opening import open_generator

FAMILIES = sorted(each.name for each in pkgutil.iter_modules(benchmarks.parity.__path__))
FAMILIES = [name for name in FAMILIES if name not in ("__main__", "official", "parsers")]
COLUMNS = (
    "case", "layers", "a layer alone", "in a chain", "the official code's own rounding", "in float64", "images, or labels",
)  # fmt: skip
Difference = tuple[str, float, float]
"""A layer, the largest difference, and that as a share of the layer's largest number."""


@torch.no_grad()
def generated(
    options: Any, folder: Path, given: Mapping[str, Tensor], double: bool, alone: Mapping[str, Tensor] | None
) -> dict[str, Tensor]:
    """What each layer of ours gives, and the image. alone: layers' outputs; each is given that of the one before it."""
    generator = open_generator(options, Context(folder)).generator
    if double:
        generator.double()  # type: ignore[attr-defined]
    drawn = generator.latents(1, torch.arange(len(given["z"])))
    state = {
        name: value.double() if double and value.is_floating_point() else value for name, value in {**drawn, **given}.items()
    }
    found, before = {}, None
    for name in generator.layers:
        given_here = state if before is None or alone is None else {**state, before: alone[before]}
        state = dict(generator.run(given_here, after=before, upto=name))
        found[name], before = state[name], name
    return {**found, "result": generator.run(state, after=before)["image"]}


def compared(folder: Path, number: int, said: Mapping[str, Any], dtype: str, alone: bool = False) -> list[Difference]:
    """How ours differs from what the official code left in a folder. alone: each layer is given what the official one before it
    gave. Raises RuntimeError where a layer of ours has none of theirs beside it."""
    tensors = load_file(folder / f"{number}-{dtype}.safetensors")
    given = {name.removeprefix("given "): value for name, value in tensors.items() if name.startswith("given ")}
    theirs = {name: value for name, value in tensors.items() if not name.startswith("given ")}
    registry: kinds.Registry = "parsers" if said["kind"] in PARSERS else "generators"
    kind = kinds.find(registry, said["kind"])
    named = {"kind": said["kind"], "weights": said["weights"], **said["options"]}
    options = kind.options.model_validate(named | ({} if registry == "parsers" else {"name": "g"}))
    if registry == "parsers":
        ours = parsed(options, folder, given)
    else:
        ours = generated(options, folder, given, dtype == "float64", theirs if alone else None)
        theirs["result"] = theirs["result"].clamp(-1, 1)
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"{said['name']}: layers {sorted(ours)} beside {sorted(theirs)}")
    return [difference(name, theirs[name], value) for name, value in ours.items()]


def row(folder: Path, number: int, said: Mapping[str, Any]) -> tuple[str, ...]:
    """What is printed of a case, its layers beside."""
    single, double = (folder / f"{number}-{dtype}.safetensors" for dtype in ("float32", "float64"))
    by_itself = compared(folder, number, said, "float32", alone=True)
    apart = compared(folder, number, said, "float32")
    exact = compared(folder, number, said, "float64") if double.exists() else []
    own: list[Difference] = []
    if exact:
        theirs, exactly = load_file(single), load_file(double)
        own = [difference(name, exactly[name], theirs[name].double()) for name, *_ in exact]
    for place, (name, largest, share) in enumerate(apart):
        further = f"  {own[place][2]:.1e}  {exact[place][2]:.1e}" if exact else ""
        print(f"  {name:<16} {by_itself[place][2]:.1e}  {largest:.1e}  {share:.1e}{further}", flush=True)
    worst = max(by_itself[:-1], key=lambda each: each[2])
    shares = [f"{max(each[2] for each in found[:-1]):.1e}" if found else "" for found in (apart, own, exact)]
    return said["name"], str(len(apart) - 1), f"{worst[2]:.1e} ({worst[0]})", *shares, f"{apart[-1][1]:.1e}"


def difference(name: str, theirs: Tensor, ours: Tensor) -> Difference:
    """Of label maps the share of pixels that differ, of others the largest difference. Raises RuntimeError for other shapes."""
    if theirs.shape != ours.shape:
        raise RuntimeError(f"{name}: ours is {tuple(ours.shape)}, theirs {tuple(theirs.shape)}")
    if not theirs.is_floating_point():
        share = float((theirs != ours).double().mean())
        return name, share, share
    apart = float((theirs - ours).abs().max())
    return name, apart, apart / max(float(theirs.abs().max()), 1e-12)


def commit(clone: Path) -> str:
    """The first digits of a clone's commit."""
    asked = subprocess.run(["git", "-C", str(clone), "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else "no commit"


def main() -> None:
    """Compares, and prints each layer, then a row for each case."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("family", choices=FAMILIES)
    options.add_argument("--official", type=Path, required=True, help="a clone of the official repository")
    options.add_argument("--seed", type=int, default=1, help="of the random weights")
    given = options.parse_args()
    torch.set_num_threads(1)
    clone = given.official.resolve()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        asked = [sys.executable, "-m", "benchmarks.parity.official", given.family, str(clone), temporary, str(given.seed)]
        if subprocess.run(asked).returncode:
            sys.exit(1)
        for number in range(len(list(folder.glob("*.json")))):
            said = json.loads((folder / f"{number}.json").read_text())
            print(f"{said['name']}:", flush=True)
            rows.append(row(folder, number, said))
    print(f"\n{clone.name} at {commit(clone)}, seed {given.seed}, torch {torch.__version__}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for each in rows:
        print(f"| {' | '.join(each)} |")


if __name__ == "__main__":
    main()
