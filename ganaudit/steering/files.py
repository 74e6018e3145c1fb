"""Walks as files: safetensors that name the generator they belong to by content."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit.checkpoints import read_bytes
from ganaudit.errors import RequestError
from ganaudit.keys import canonical, digest
from ganaudit.state import state_digest
from ganaudit.steering.walks import LinearWalk, Walk, WalkShape, new_walk
from ganaudit.weights import Weights, first_saying, load, network


@dataclass(frozen=True)
class OpenWalk:
    """A walk ready to use: the generator's digest that it belongs to, the key of how it was made, and its file's SHA-256."""

    walk: Walk
    generator: str
    key: str
    sha256: str
    path: Path

    @property
    def digest(self) -> str:
        """SHA-256 of its tensors, to the bit: the bytes of two files of one walk differ in the order of their metadata."""
        return str(state_digest(self.walk))


def walk_key(generator: str, belongs: Mapping[str, Any], budget: Mapping[str, float]) -> str:
    """Key of a walk: the generator's digest, what the training belongs to, and how long it is trained."""
    return "w" + digest({"generator": generator, **belongs, "budget": dict(budget)})


def save_walk(shape: WalkShape, weights: Mapping[str, Tensor], generator: str, key: str, path: Path) -> None:
    """Writes safetensors."""
    from safetensors.torch import save_file

    metadata = {"walk": canonical(asdict(shape)), "generator": generator, "key": key}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in weights.items()}, path, metadata)


def open_walk(path: Path, generator: str | None = None, sha256: str | None = None) -> OpenWalk:
    """The walk of a file. Raises RequestError where it is none, or belongs to another generator than `generator`."""
    loaded = load(str(path), sha256=sha256)
    belongs = loaded.metadata.get("generator", "")
    shape = _shape(loaded)
    if generator is not None and belongs != generator:
        raise RequestError(
            f"the walk {loaded.path} belongs to the generator {belongs}, this one is {generator}: a direction means nothing in "
            "another generator; train one for it with ganaudit train walk"
        )
    walk: Walk = network(loaded, lambda _: new_walk(shape))
    return OpenWalk(walk, belongs, loaded.metadata.get("key", ""), loaded.sha256, loaded.path)


def _shape(weights: Weights) -> WalkShape:
    try:
        said: dict[str, Any] = json.loads(weights.metadata["walk"])
        plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
        shape = WalkShape(**plain)
        if not all(isinstance(side, int) and side > 0 for side in (*shape.shape, *shape.size, shape.steps)):
            raise ValueError("sizes that are no numbers above 0")
        shape.opened()
    except (AttributeError, KeyError, TypeError, ValueError, RequestError) as error:
        raise RequestError(f"{weights.path} is no walk of ganaudit (its metadata are not usable: {error})") from None
    return shape


def published_walk(path: Path, shape: WalkShape) -> Walk:
    """A linear walk as the published code saves it: the numbers (D, K) of all sliders, float32, nothing else (`….ckpt.data-…`).

    Of a StyleGAN, D goes layer by layer. Raises RequestError where they are not as many as the space and the edits have.
    """
    content = read_bytes(path)
    numbers = torch.from_numpy(np.frombuffer(content, dtype="<f4").copy()) if len(content) % 4 == 0 else None
    wanted = len(shape.edits) * math.prod(shape.shape)
    if shape.kind != "linear" or numbers is None or numbers.numel() != wanted or not bool(numbers.isfinite().all()):
        raise RequestError(
            f"{path} is no published walk of {len(shape.edits)} sliders in {shape.space}: {wanted:,} finite numbers of 4 bytes "
            f"are wanted, and it has {len(content):,} bytes"
        )
    return LinearWalk(shape, numbers.view(-1, len(shape.edits)).T).eval().requires_grad_(False)


def find_walk(key: str, folders: Iterable[Path]) -> Path | None:
    """The first file in `folders` that is the walk of that key."""
    return first_saying(folders, {"key": key})
