"""An ONNX model as a generator: inputs told apart by their types, batches as its graph takes them, one thread a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.generators.protocol import Space, State

TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}  # fmt: skip
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class OnnxGenerator:
    """A generator without layers. Raises RequestError in one sentence for a graph that is not from z to images."""

    layers: tuple[str, ...] = ()
    not_inverted = "an ONNX model has no gradients, which a search needs; where it came from PyTorch, name that network instead"

    def __init__(self, path: Path, options: FunctionSource, device: str) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1  # a worker is one thread
        settings.use_deterministic_compute, settings.log_severity_level = True, 3
        providers = _providers(device)
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)
        self.provider: str = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self._device = device
        told = {put.name: put for put in self._session.get_inputs()}
        strange = sorted(options.arguments.keys() - told.keys())
        if strange:
            raise RequestError(f"it has no input {strange[0]!r}; it has {_listed(told.values())}")
        odd = next((put for put in told.values() if put.type not in TYPES), None)
        if odd is not None:
            raise RequestError(f"its input {odd.name!r} is of type {odd.type}; numbers are wanted")
        open_inputs = [put for name, put in told.items() if name not in options.arguments]
        self._z, self._class = _told_apart(open_inputs, options)
        latent = options.shape or tuple(self._z.shape[1:])
        if not all(isinstance(side, int) for side in latent) or not _agrees(self._z.shape[1:], latent):
            raise RequestError(
                f"its input {_named(self._z)} leaves the shape of one z open, or has another; say it: `latent: 128` or "
                "`latent: [512, 1, 1]`"
            )
        self.inputs = options.inputs(latent, **_classes(self._class, options))
        self.batch: int | None = self._z.shape[0] if isinstance(self._z.shape[0], int) else None
        self._constants = {name: (told[name], value) for name, value in options.arguments.items()}
        images = [put for put in self._session.get_outputs() if len(put.shape) == 4] or self._session.get_outputs()
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
        given = [value.cpu().numpy() for value in self.inputs.given(state)]
        size = self.batch or len(given[0])
        parts = [[value[first : first + size] for value in given] for first in range(0, len(given[0]), size)]
        images = [self._images(part, size) for part in parts]
        return MappingProxyType({**state, "image": torch.cat(images).to(self._device)})

    def _images(self, given: list[np.ndarray[Any, Any]], size: int) -> Tensor:
        """Images of `size` latents or fewer, which the last one fills up."""
        count = len(given[0])
        filled = [np.concatenate([value, np.repeat(value[-1:], size - count, axis=0)]) for value in given]
        feeds = {
            put.name: _fitted(value, put)
            for put, value in zip((self._z, self._class), filled, strict=False) if put is not None
        }  # fmt: skip
        feeds |= {name: _constant(value, put, size) for name, (put, value) in self._constants.items()}
        (output,) = self._session.run([self._output], feeds)
        images = self.inputs.images(torch.from_numpy(np.asarray(output)))
        if len(images) != size:
            raise RequestError(f"of {size} latents it makes {len(images)} images; its batch is fixed in the graph")
        return images[:count]


def _providers(device: str) -> list[Any]:
    """ONNX Runtime's own for a GPU where it is installed (`onnxruntime-gpu`), else the processor."""
    cuda = "CUDAExecutionProvider"
    if device.startswith("cuda") and cuda in onnxruntime.get_available_providers():
        number = int(device.partition(":")[2] or 0)
        return [(cuda, {"device_id": number, "use_tf32": 0}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _told_apart(puts: list[Any], options: FunctionSource) -> tuple[Any, Any]:
    """The inputs for z and for the class: floating-point numbers of more than one axis, of z's shape where that is said; and
    whole numbers, or the next floating-point ones."""
    floats = [put for put in puts if put.type in FLOATS and len(put.shape) > 1]
    z = next((put for put in floats if options.shape is None or _agrees(put.shape[1:], options.shape)), None)
    if z is None:
        wanted = f" of shape {options.shape}" if options.shape else ""
        raise RequestError(f"none of its inputs is a batch of latents z{wanted}: {_listed(puts) or 'it has none'}")
    rest = [put for put in puts if put is not z]
    if len(rest) > 1:
        raise RequestError(
            f"it takes {_listed(puts)}; beside z and a class, say what the others are: `arguments: {{{rest[-1].name}: …}}`"
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
            f"it also takes {_named(put)}: say how many classes there are (`classes: 1000`), or its value under `arguments`"
        )
    if options.classes not in (None, classes):
        raise RequestError(f"classes is {options.classes}, and its input {put.name!r} takes {classes}")
    return {"classes": int(classes), "one_hot": one_hot}


def _agrees(shape: Any, latent: tuple[int, ...]) -> bool:
    """Whether sides that a graph says are those of `latent`; names stand for any."""
    pairs = list(zip(shape, latent, strict=False))
    return len(shape) == len(latent) and all(not isinstance(side, int) or side == wanted for side, wanted in pairs)


def _fitted(value: np.ndarray[Any, Any], put: Any) -> np.ndarray[Any, Any]:
    """A value of a batch as an input takes it."""
    wide = value[:, None] if value.ndim == 1 and len(put.shape) == 2 else value
    return np.ascontiguousarray(wide.astype(TYPES[put.type]))


def _constant(value: Any, put: Any, count: int) -> np.ndarray[Any, Any]:
    """One value, as often as an input takes it."""
    sides = [side if isinstance(side, int) else count if place == 0 else 1 for place, side in enumerate(put.shape)]
    return np.full(sides, value, dtype=TYPES[put.type])


def _named(put: Any) -> str:
    return f"{put.name!r} ({'×'.join(str(side) for side in put.shape) or 'one number'}, {put.type})"


def _listed(puts: Any) -> str:
    return ", ".join(_named(put) for put in puts)
