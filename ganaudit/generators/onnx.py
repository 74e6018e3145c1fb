"""Kind `onnx`: a graph of known operators, sampled by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from ganaudit.generators.networks.onnx_session import OnnxGenerator

MISSING = "kind onnx needs ONNX and its runtime, which are not installed here; pip install 'ganaudit[onnx]'"
MODEL_BYTES = 2**31
"""What a protobuf can hold: larger models have their tensors in files beside them."""


class OnnxSource(FunctionSource):
    """An ONNX model from z, and perhaps a class, to images; shapes are read from its graph."""


def holds(path: Path) -> bool:
    """Whether a file is named as ONNX models are: they have no other mark."""
    return path.is_file() and path.suffix == ".onnx"


def external_files(path: Path) -> list[Path]:
    """The files beside a model that hold tensors of it, sorted. Raises RequestError for one that lies outside its folder, is
    missing, or for a file that is no model."""
    from ganaudit.checkpoints import read_bytes

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


def further(options: OnnxSource, context: Context) -> Sequence[Path]:
    """The files that a model keeps tensors in."""
    from ganaudit import weights

    return external_files(weights.locate(options.weights, context.folder))


def open_onnx(options: OnnxSource, context: Context) -> Opened:
    """The model of a file, tried once. Raises RequestError for what is no model, or no generator."""
    from ganaudit import weights
    from ganaudit.foreign_code import naming
    from ganaudit.identity import content_digest
    from ganaudit.random import VERSION as DRAWS_VERSION

    path = weights.locate(options.weights, context.folder)
    digests = {"weights": weights.verified(path, options.sha256)}
    for file in external_files(path):
        digests[f"weights {file.relative_to(path.parent.resolve())}"] = content_digest(file)
    try:
        from ganaudit.generators.networks.onnx_session import OnnxGenerator
    except ImportError:
        raise RequestError(MISSING) from None
    with naming(path):
        generator = OnnxGenerator(path, options, context.device)
    recipe = {"kind": "onnx", **digests, "draws": DRAWS_VERSION}
    return Opened(generator, recipe, digests, path, (f"{path.name} is an ONNX model: {_sentence(generator)}",))


def _sentence(generator: OnnxGenerator) -> str:
    height, width = generator.resolution
    latent = "×".join(map(str, generator.inputs.latent))
    fixed = "" if generator.batch is None else f"; it takes {generator.batch} at a time"
    classes = f", {generator.inputs.classes} classes" if generator.inputs.classes else ""
    return f"z of {latent}{classes}, {height}×{width} pixels, by {generator.provider}{fixed}"


KIND = Kind(
    "onnx", OnnxSource, open_onnx, "an ONNX model, sampled by ONNX Runtime; without gradients, so it is not inverted",
    holds=holds, files=further,
)  # fmt: skip
