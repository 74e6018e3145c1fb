"""An ONNX model as a generator: inputs told apart by their types."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.generators.protocol import Space, State
from ganaudit.onnx_session import FLOATS, Session, fixed_batch, listed, named


class OnnxGenerator:
    """A generator without layers. Raises RequestError in one sentence for a graph that is not from z to images."""

    layers: tuple[str, ...] = ()
    not_inverted = "an ONNX model has no gradients, which a search needs; where it came from PyTorch, name that network instead"

    def __init__(self, path: Path, options: FunctionSource, device: str) -> None:
        self._session = Session(path, device, options.arguments)
        self.provider = self._session.provider
        self._device = device
        self._z, self._class = _told_apart(self._session.inputs, options)
        latent = options.shape or tuple(self._z.shape[1:])
        if not all(isinstance(side, int) for side in latent) or not _agrees(self._z.shape[1:], latent):
            raise RequestError(
                f"its input {named(self._z)} leaves the shape of one z open, or has another; say it: `latent: 128` or "
                "`latent: [512, 1, 1]`"
            )
        self.inputs = options.inputs(latent, **_classes(self._class, options))
        self.batch = fixed_batch(self._z)
        images = [put for put in self._session.outputs if len(put.shape) == 4] or self._session.outputs
        self._output = images[0].name
        image = self.run(self.inputs.latents(0, torch.arange(1)))["image"]
        self.resolution = (int(image.shape[2]), int(image.shape[3]))

    @property
    def spaces(self) -> tuple[Space, ...]:
        """z alone."""
        return (self.inputs.space,)

    def latents(self, seed: int, indices: Tensor) -> State:
        """`z` (N, L) float32, and `label` (N,) where it has classes, on the processor."""
        return self.inputs.latents(seed, indices)

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """Images of latents. Raises RequestError for any layer: it has none."""
        if after is not None or upto is not None:
            raise RequestError(f"layer {after or upto!r} does not exist; an ONNX model has no named layers")
        puts = (self._z, self._class)
        given = {
            put.name: value.cpu().numpy() for put, value in zip(puts, self.inputs.given(state), strict=False) if put is not None
        }
        images = [self.inputs.images(torch.from_numpy(made)) for made in self._session.run(self._output, given, self.batch)]
        return MappingProxyType({**state, "image": torch.cat(images).to(self._device)})


def _told_apart(puts: list[Any], options: FunctionSource) -> tuple[Any, Any]:
    """The inputs for z and for the class: floating-point numbers of more than one axis, of z's shape where that is said; and
    whole numbers, or the next floating-point ones."""
    floats = [put for put in puts if put.type in FLOATS and len(put.shape) > 1]
    z = next((put for put in floats if options.shape is None or _agrees(put.shape[1:], options.shape)), None)
    if z is None:
        wanted = f" of shape {options.shape}" if options.shape else ""
        raise RequestError(f"none of its inputs is a batch of latents z{wanted}: {listed(puts) or 'it has none'}")
    rest = [put for put in puts if put is not z]
    if len(rest) > 1:
        raise RequestError(
            f"it takes {listed(puts)}; beside z and a class, say what the others are: `arguments: {{{rest[-1].name}: …}}`"
        )
    return z, rest[0] if rest else None


def _classes(put: Any, options: FunctionSource) -> dict[str, Any]:
    """How many classes the input for them takes, and how."""
    if put is None:
        if options.classes:
            raise RequestError(f"classes is {options.classes}, and it takes no input beside z; leave classes out")
        return {"classes": 0}
    one_hot = put.type in FLOATS
    classes = put.shape[-1] if one_hot and len(put.shape) == 2 and isinstance(put.shape[-1], int) else options.classes
    if not classes:
        raise RequestError(
            f"it also takes {named(put)}: say how many classes there are (`classes: 1000`), or its value under `arguments`"
        )
    if options.classes not in (None, classes):
        raise RequestError(f"classes is {options.classes}, and its input {put.name!r} takes {classes}")
    return {"classes": int(classes), "one_hot": one_hot}


def _agrees(shape: Any, latent: tuple[int, ...]) -> bool:
    """Whether sides that a graph says are those of `latent`; names stand for any."""
    pairs = list(zip(shape, latent, strict=False))
    return len(shape) == len(latent) and all(not isinstance(side, int) or side == wanted for side, wanted in pairs)
