"""Official networks with random weights, run in a process of its own: `python -m benchmarks.parity.official` (see `__main__`).

Nothing of the official code is here: it is imported from a clone of its repository.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ganaudit.random import normals

Given = Mapping[str, Tensor]


@dataclass(frozen=True)
class Official:
    """An official network, its parameters random, in the mode in which images are made.

    kind, options: of the audit file, with which its file is opened. layers: our names, and their module that gives the same.
    shaped: what makes ours of their output, where that is not the same. given: what both are given, as our states have it.
    run: the image, of what is given. save: writes the weights as published below a path, and returns what was written. exact:
    the official code computes in float64, too, where the network is.
    """

    kind: str
    network: nn.Module
    layers: Mapping[str, nn.Module]
    given: Given
    run: Callable[[Given], Tensor]
    save: Callable[[Path], Path]
    options: Mapping[str, Any] = field(default_factory=dict)
    shaped: Mapping[str, Callable[[Any], Tensor]] = field(default_factory=dict)
    exact: bool = False
    first: int = 2
    """So many of the images are compared; all of them are given."""


def latents(length: int, images: int = 2) -> Tensor:
    """z (images, length), as the images 0, 1 and so on of seed 1 have it here."""
    return torch.from_numpy(normals(1, "latent z", np.arange(images), length))


def one_hot(given: Given, classes: int) -> Tensor | None:
    """The classes of what is given as official code takes them; None where there are none."""
    return F.one_hot(given["label"], classes).to(given["z"].dtype) if classes else None


@torch.no_grad()
def filled(network: Any, keep: tuple[str, ...] = ()) -> Any:
    """The network without constants: zeros, behind which much would not be seen, become normal draws, and other constants
    change by up to half. keep: what names that stay end in."""
    for name, value in network.state_dict().items():
        constant = value.is_floating_point() and value.numel() > 0 and bool((value == value.flatten()[0]).all())
        if constant and not name.endswith(keep):
            size = value[0].numel() ** -0.5 if value.ndim > 1 else 1.0
            draws = torch.randn(value.shape) * (0.3 * size)
            value.copy_(value * (0.5 + torch.rand(value.shape)) if bool(value.flatten()[0] > 0) else draws)
    return network.eval()


def saved(network: nn.Module, suffix: str = ".pth", wrapped: str | None = None) -> Callable[[Path], Path]:
    """Writes a state dict, below a key where it is wrapped."""

    def save(path: Path) -> Path:
        state = network.state_dict()
        torch.save(state if wrapped is None else {wrapped: state}, path.with_suffix(suffix))
        return path.with_suffix(suffix)

    return save


@torch.no_grad()
def outputs(case: Official, given: Given) -> dict[str, Tensor]:
    """What each layer gives, and the image."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        shaped = case.shaped[name](first) if name in case.shaped else first
        seen[name] = shaped[: case.first].detach().clone(memory_format=torch.contiguous_format)

    hooks = [
        module.register_forward_hook(lambda _module, _given, output, name=name: keep(name, output))
        for name, module in case.layers.items()
    ]
    keep("result", case.run(given))
    for hook in hooks:
        hook.remove()
    return seen


def versions() -> Any:
    """The one function of `pkg_resources` that official code asks for; the package is no longer installed with Python."""
    module: Any = ModuleType("pkg_resources")
    module.parse_version = lambda text: tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    return module


def main(family: str, clone: str, folder: str, seed: str) -> None:
    """Writes NUMBER.json and NUMBER.safetensors of each case of a family into a folder, beside its weights."""
    sys.path.insert(0, clone)
    sys.modules.setdefault("pkg_resources", versions())
    torch.set_num_threads(1)
    cases: Mapping[str, Callable[[], Official]] = importlib.import_module(f"benchmarks.parity.{family}").cases(Path(clone))
    for number, (name, made) in enumerate(cases.items()):
        torch.manual_seed(int(seed))
        case = made()
        weights = case.save(Path(folder) / f"{number}-weights")
        said = {"name": name, "kind": case.kind, "options": case.options, "weights": str(weights)}
        for dtype in (torch.float32, torch.float64) if case.exact else (torch.float32,):
            given = {each: value.to(dtype) if value.is_floating_point() else value for each, value in case.given.items()}
            case.network.to(dtype)
            tensors = outputs(case, given) | {f"given {each}": value[: case.first] for each, value in given.items()}
            file = Path(folder) / f"{number}-{str(dtype).removeprefix('torch.')}.safetensors"
            save_file({each: value.contiguous() for each, value in tensors.items()}, file)
        (Path(folder) / f"{number}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ImportError, AttributeError) as error:
        traceback.print_exc()
        sys.exit(f"{sys.argv[2]} is no clone that benchmarks/parity/{sys.argv[1]}.py knows: {error}")
