"""The one place that loads weights. A checkpoint is hostile until proven otherwise: no code of it is ever run."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganaudit import paths
from ganaudit.errors import RequestError

BUILTIN = "builtin:"
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Weights:
    """Tensors by name (as stored), the file's own metadata, and the SHA-256 of its bytes."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str
    path: Path


def builtin_names() -> list[str]:
    """The models that ship with the package."""
    folder = importlib.resources.files("ganaudit.village") / "weights"
    return sorted(item.name.removesuffix(".safetensors") for item in folder.iterdir() if item.name.endswith(".safetensors"))


def locate(name: str, folder: Path = Path()) -> Path:
    """The file of `builtin:NAME`, or of a path (from `folder` where it is relative)."""
    if name.startswith(BUILTIN):
        wanted = name.removeprefix(BUILTIN)
        if wanted not in builtin_names():
            raise RequestError(f"there are no built-in weights {wanted!r}; there are {', '.join(builtin_names())}")
        return Path(str(importlib.resources.files("ganaudit.village") / "weights" / f"{wanted}.safetensors"))
    path = paths.resolved(folder / paths.request(name, "weights"), "weights")
    if not path.is_file():
        raise RequestError(f"weights {path} do not exist (or are no file)")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RequestError(f"weights {path} cannot be read: {error.strerror}") from None


def verified(path: Path, sha256: str | None) -> str:
    """The digest of a weights file; raises RequestError where it is not the one that was asked for."""
    found = digest(path)
    if sha256 is not None and found != sha256:
        raise RequestError(
            f"weights {path} have the SHA-256 {found}, the audit file says {sha256}: another file, or a changed one"
        )
    return found


def load(name: str, folder: Path = Path(), sha256: str | None = None) -> Weights:
    """Weights from safetensors, or from a tensor-only PyTorch file (`torch.load(weights_only=True)`).

    Raises RequestError for a missing or torn file, another digest than `sha256`, a pickle of more than tensors.
    """
    path = locate(name, folder)
    found = verified(path, sha256)
    if path.suffix == ".safetensors":
        tensors, metadata = _safetensors(path)
    else:
        tensors, metadata = _tensors_only(path), {}
    return Weights(tensors, metadata, found, path)


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RequestError(f"weights {path} are no usable safetensors file: {error}") from None


def _tensors_only(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle protocols: such a file is read, or refused in one sentence
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch's unpickler fail in any way there is
        raise RequestError(
            f"weights {path} are refused: neither safetensors nor a PyTorch file of tensors alone "
            f"(torch.load(weights_only=True) raised {type(error).__name__}); save the state dict, best as safetensors"
        ) from None
    for key in ("state_dict", "model_state_dict", "params_ema"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(isinstance(v, Tensor) for v in loaded.values()) or not loaded:
        raise RequestError(f"weights {path} hold no state dict (a mapping of names to tensors)")
    return {str(key): value for key, value in loaded.items()}


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
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise RequestError(f"weights {weights.path} are of another architecture: {'; '.join(wrong[:3])}{rest}")
    bad = [name for name, value in weights.tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise RequestError(f"weights {weights.path} hold values that are not finite: {', '.join(bad[:3])}")
    module.to_empty(device="cpu")
    values = {name: value.float() if value.is_floating_point() else value for name, value in weights.tensors.items()}
    module.load_state_dict({name: torch.zeros((), dtype=torch.int64) for name in counters} | values)
    module.eval().requires_grad_(False)
    return module


def card(path: Path) -> dict[str, Any]:
    """The card beside a weights file (`NAME.card.json`), or nothing."""
    beside = path.with_name(path.name.removesuffix(path.suffix) + ".card.json")
    try:
        found: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
