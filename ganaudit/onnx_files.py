"""ONNX models as files: what belongs to one, and how it is known. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ganaudit import weights
from ganaudit.checkpoints import read_bytes
from ganaudit.errors import RequestError
from ganaudit.identity import content_digest

MISSING = "kind onnx needs ONNX and its runtime, which are not installed here; pip install 'ganaudit[onnx]'"
MODEL_BYTES = 2**31
"""What a protobuf can hold: larger models have their tensors in files beside them."""


def digests(path: Path, sha256: str | None) -> dict[str, str]:
    """Those of a model and of the files that hold tensors of it. Raises RequestError where `sha256` is another's."""
    found = {"weights": weights.verified(path, sha256)}
    for file in external_files(path):
        found[f"weights {file.relative_to(path.parent.resolve())}"] = content_digest(file)
    return found


def external_files(path: Path) -> list[Path]:
    """The files beside a model that hold tensors of it, sorted. Raises RequestError for one that lies outside its folder, is
    missing, or for a file that is no model."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise RequestError(MISSING) from None
    if path.stat().st_size > MODEL_BYTES:
        raise RequestError(f"{path} is larger than an ONNX model can be; its tensors belong into files beside it")
    try:
        model = onnx.load_model_from_string(read_bytes(path))
    except DecodeError:
        raise RequestError(f"{path} is no ONNX model; torch.onnx.export writes one") from None
    if not model.graph.node:
        raise RequestError(f"{path} is no ONNX model, or one without operators")
    names = {entry.value for tensor in _external(model, onnx.TensorProto) for entry in tensor if entry.key == "location"}
    folder, files = path.parent.resolve(), []
    for name in sorted(names):
        file = (folder / name).resolve()
        if PurePosixPath(name).is_absolute() or not file.is_relative_to(folder):
            raise RequestError(f"{path} keeps tensors in {name!r}, outside its folder; its files lie beside it")
        if not file.is_file():
            raise RequestError(f"{path} keeps tensors in {name}, which is not beside it; put it there")
        files.append(file)
    return files


def _external(message: Any, tensor: Any) -> Iterator[Any]:
    """Where tensors lie that are in other files: of initializers, attributes and subgraphs at any depth."""
    if isinstance(message, tensor) and message.data_location == tensor.EXTERNAL:
        yield message.external_data
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _external(part, tensor)
