"""The one place that loads weights. A checkpoint is hostile until proven otherwise: no code of it is ever run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaudit.checkpoints import read_bytes, safetensors, unpickled
from ganaudit.errors import RequestError
from ganaudit.located import BUILTIN as BUILTIN
from ganaudit.located import builtin_names as builtin_names
from ganaudit.located import locate as locate
from ganaudit.located import located as located
from ganaudit.names import first_few
from ganaudit.pickled.answer import SHARED

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Weights:
    """Tensors by name (as stored), the file's own metadata, and the SHA-256 of its bytes."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str
    path: Path


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


def verified(path: Path, sha256: str | None) -> str:
    """The digest of a weights file; raises RequestError where it is not the one that was asked for."""
    return insisted(path, digest(path), sha256)


def insisted(path: Path, found: str, sha256: str | None) -> str:
    """The digest `found`; raises RequestError where another one was asked for."""
    if sha256 is not None and found != sha256:
        raise RequestError(
            f"weights {path} have the SHA-256 {found}, not {sha256} as was asked for: another file, or a changed one"
        )
    return found


_PUBLISHED = re.compile(r"-(?=[0-9a-f]*[a-f])([0-9a-f]{8,64})\.\w+$")
"""How torch.hub's files end: the first digits of their SHA-256. Digits alone are a date or a step."""


def misnamed(path: Path, found: str) -> str | None:
    """What a person should know of a file whose name ends in another digest than it has, in a sentence; None for any other."""
    said = _PUBLISHED.search(path.name)
    if said is None or found.startswith(said[1]):
        return None
    return (
        f"{path.name} has a SHA-256 that begins with {found[: len(said[1])]}, not with the {said[1]} of its name: it is "
        "damaged or another file, unless the name means something else; sha256 in the audit file settles which file is wanted"
    )


@dataclass(frozen=True)
class File:
    """A weights file, read once: what it holds, nested as stored; its own metadata, what was left out, its SHA-256, bytes."""

    content: Any
    metadata: Mapping[str, str]
    left_out: tuple[str, ...]
    sha256: str
    path: Path
    size: int


def opened(name: str, folder: Path = Path(), sha256: str | None = None) -> File:
    """What a weights file holds, of safetensors or a pickled checkpoint (`checkpoints`).

    The file is read once: what is digested is what is loaded. Raises RequestError for a missing or torn file, another digest
    than `sha256`, a pickle of more than tensors and plain values.
    """
    path = locate(name, folder)
    held = _HELD.get()
    if held is not None and held.path == path:
        insisted(path, held.sha256, sha256)
        return held
    content = read_bytes(path)
    found = insisted(path, hashlib.sha256(content).hexdigest(), sha256)
    if path.suffix == ".safetensors":
        tensors, metadata = safetensors(path, content)
        return File(tensors, metadata, (), found, path, len(content))
    read = unpickled(path, content)
    return File(read.content, {}, read.left_out, found, path, len(content))


_HELD: ContextVar[File | None] = ContextVar("a file that was read already", default=None)


@contextmanager
def held(file: File) -> Iterator[None]:
    """Meanwhile `opened` gives this file for its path, and does not read it again."""
    before = _HELD.set(file)
    try:
        yield
    finally:
        _HELD.reset(before)


def load(name: str, folder: Path = Path(), sha256: str | None = None) -> Weights:
    """The weights of a file that is one state dict, or has it under a usual key.

    Raises RequestError where `opened` does, and for tensors that are no plain numbers or larger than the file.
    """
    file = opened(name, folder, sha256)
    tensors = _state_dict(file.path, file.content)
    check_plain(file.path, tensors, file.size)
    return Weights(tensors, file.metadata, file.sha256, file.path)


def check_plain(path: Path, tensors: Mapping[str, Tensor], size: int) -> None:
    """Raises RequestError for tensors that are no plain numbers, or that ask for more memory than the file has bytes."""
    total = 0
    for name, tensor in tensors.items():
        kinds = {
            "on the device meta": tensor.is_meta, "nested": tensor.is_nested, "sparse": tensor.layout != torch.strided,
            "quantised": tensor.is_quantized, "complex": tensor.is_complex(),
        }  # fmt: skip
        odd = next((kind for kind, true in kinds.items() if true), None)
        if odd is not None:
            raise RequestError(
                f"weights {path} hold tensors that are no plain numbers: {name} is {odd}; save it dense and real"
            )
        own = tensor.numel() * tensor.element_size()
        total += own
        if own > size or total > SHARED * size:
            raise RequestError(f"weights {path} hold a tensor that is larger than the file: {name}, {tuple(tensor.shape)}")


def _state_dict(path: Path, loaded: Any) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return dict(loaded)
    for key in ("state_dict", "model_state_dict", "params_ema"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(v, Tensor) for v in loaded.values()) or not loaded:
        raise RequestError(f"weights {path} hold no state dict (a mapping of names to tensors)")
    return dict(loaded)


def first_saying(folders: Iterable[Path], said: Mapping[str, str]) -> Path | None:
    """The first safetensors file in folders whose metadata say all of that; what cannot be read is passed over."""
    from safetensors import SafetensorError, safe_open

    for path in (file for folder in folders for file in sorted(folder.glob("*.safetensors"))):
        try:
            with safe_open(path, framework="pt") as opened:
                metadata = opened.metadata() or {}
        except (SafetensorError, OSError):
            continue
        if said.items() <= metadata.items():
            return path
    return None


def network(weights: Weights, from_weights: Callable[[Mapping[str, Tensor]], M]) -> M:
    """The network that `from_weights` shapes after `weights`, filled in float32, frozen, in eval mode.

    Raises RequestError naming what does not fit. The network takes memory only after every shape was found to fit, so that a
    hostile file cannot ask for more than it holds.
    """
    try:
        with torch.device("meta"):
            module = from_weights(weights.tensors)
    except RequestError as error:
        raise RequestError(f"weights {weights.path}: {error}") from None
    own = module.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - weights.tensors.keys() - counters)
    extra = sorted(weights.tensors.keys() - own.keys())
    shapes = [
        f"{name} is {tuple(weights.tensors[name].shape)}, not {tuple(own[name].shape)}"
        for name in sorted(own.keys() & weights.tensors.keys())
        if weights.tensors[name].shape != own[name].shape
    ]
    wrong = [f"{name} is missing" for name in missing] + [f"{name} is unknown" for name in extra] + shapes
    if wrong:
        raise RequestError(f"weights {weights.path} are of another architecture: {first_few(wrong, 3, '; ')}")
    bad = [name for name, value in weights.tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise RequestError(f"weights {weights.path} hold values that are not finite: {first_few(bad, 3)}")
    bad = [name for name, value in weights.tensors.items() if name.endswith(SQUARES) and bool((value < 0).any())]
    if bad:
        raise RequestError(f"weights {weights.path} hold mean squares below 0: {first_few(bad, 3)}; they are damaged")
    module.to_empty(device="cpu")
    values = {name: value.float() if value.is_floating_point() else value for name, value in weights.tensors.items()}
    module.load_state_dict({name: torch.zeros((), dtype=torch.int64) for name in counters} | values)
    module.eval().requires_grad_(False)
    return module


SQUARES = ("running_var", ".variance", "magnitude_ema")
"""How the names of variances and of other mean squares end, whose roots are taken."""
CARD_BYTES = 1_000_000
"""A card is a page, no book."""


def card(path: Path) -> dict[str, Any]:
    """The card beside a weights file (`NAME.card.json`), or nothing where there is none that can be read."""
    beside = path.with_name(path.name.removesuffix(path.suffix) + ".card.json")
    try:
        if not beside.is_file() or beside.stat().st_size > CARD_BYTES:
            return {}
        values = json.loads(beside.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
