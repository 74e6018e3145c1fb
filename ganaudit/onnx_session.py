"""An ONNX model that runs: inputs by name, batches as its graph takes them, one thread a session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ganaudit.errors import RequestError

TYPES: Mapping[str, Any] = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_,
}  # fmt: skip
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class Session:
    """A model's graph. arguments: values of inputs that are the same for every image, by name.

    inputs: the others, in the graph's order, each with name, type and shape, whose sides are numbers or names.
    Raises RequestError in one sentence for an argument that is no input, and for inputs that are no numbers.
    """

    def __init__(self, path: Path, device: str, arguments: Mapping[str, Any]) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1  # a worker is one thread
        settings.use_deterministic_compute, settings.log_severity_level = True, 3
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=_providers(device), enable_fallback=0)
        self.provider: str = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.outputs: Sequence[Any] = self._session.get_outputs()
        told = {put.name: put for put in self._session.get_inputs()}
        strange = sorted(arguments.keys() - told.keys())
        if strange:
            raise RequestError(f"it has no input {strange[0]!r}; it has {listed(told.values())}")
        odd = next((put for put in told.values() if put.type not in TYPES), None)
        if odd is not None:
            raise RequestError(f"its input {odd.name!r} is of type {odd.type}; numbers are wanted")
        self.inputs: list[Any] = [put for name, put in told.items() if name not in arguments]
        self._constants = [(told[name], value) for name, value in arguments.items()]

    def run(self, output: str, given: Mapping[str, NDArray[Any]], batch: int | None) -> Iterator[NDArray[Any]]:
        """An output for values (N, …) of the inputs, by name; batch: so many at a time, the last ones filled up, or all."""
        puts = {put.name: put for put in self.inputs}
        count = len(next(iter(given.values())))
        size = batch or count
        for first in range(0, count, size):
            part = {name: value[first : first + size] for name, value in given.items()}
            here = min(size, count - first)
            feeds = {name: _fitted(_filled(value, size), puts[name]) for name, value in part.items()}
            feeds |= {put.name: _constant(value, put, size) for put, value in self._constants}
            (made,) = self._session.run([output], feeds)
            made = np.asarray(made)
            if made.ndim == 0 or len(made) != size:
                gave = len(made) if made.ndim else "one number"
                raise RequestError(f"for a batch of {size} it gives {gave}; its batch is fixed in the graph")
            yield made[:here]


def fixed_batch(put: Any) -> int | None:
    """How many an input takes at a time, where the graph says a number."""
    return put.shape[0] if put.shape and isinstance(put.shape[0], int) else None


def named(put: Any) -> str:
    """An input or output, with its shape and type, for a sentence."""
    return f"{put.name!r} ({'×'.join(str(side) for side in put.shape) or 'one number'}, {put.type})"


def listed(puts: Iterable[Any]) -> str:
    """Several of them."""
    return ", ".join(named(put) for put in puts)


def _providers(device: str) -> list[Any]:
    """ONNX Runtime's own for a GPU where it is installed (`onnxruntime-gpu`), else the processor."""
    cuda = "CUDAExecutionProvider"
    if device.startswith("cuda") and cuda in onnxruntime.get_available_providers():
        number = int(device.partition(":")[2] or 0)
        return [(cuda, {"device_id": number, "use_tf32": 0}), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _filled(value: NDArray[Any], size: int) -> NDArray[Any]:
    """(n, …) -> (size, …), the last one repeated."""
    return np.concatenate([value, np.repeat(value[-1:], size - len(value), axis=0)])


def _fitted(value: NDArray[Any], put: Any) -> NDArray[Any]:
    """A value of a batch as an input takes it."""
    wide = value[:, None] if value.ndim == 1 and len(put.shape) == 2 else value
    return np.ascontiguousarray(wide.astype(TYPES[put.type]))


def _constant(value: Any, put: Any, count: int) -> NDArray[Any]:
    """One value, as often as an input takes it."""
    sides = [side if isinstance(side, int) else count if place == 0 else 1 for place, side in enumerate(put.shape)]
    return np.full(sides, value, dtype=TYPES[put.type])
