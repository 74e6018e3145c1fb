"""Kind `onnx`: a graph of known operators, sampled by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.generators.inputs import FunctionSource
from ganaudit.kinds import Kind, Opened

if TYPE_CHECKING:
    from ganaudit.generators.networks.onnx import OnnxGenerator


class OnnxSource(FunctionSource):
    """An ONNX model from z, and perhaps a class, to images; shapes are read from its graph."""


def holds(path: Path) -> bool:
    """Whether a file is named as ONNX models are: they have no other mark."""
    return path.is_file() and path.suffix == ".onnx"


def further(options: OnnxSource, context: Context) -> Sequence[Path]:
    """The files that a model keeps tensors in."""
    from ganaudit import onnx_files, weights

    return onnx_files.external_files(weights.locate(options.weights, context.folder))


def open_onnx(options: OnnxSource, context: Context) -> Opened:
    """The model of a file, tried once. Raises RequestError for what is no model, or no generator."""
    from ganaudit import onnx_files, weights
    from ganaudit.foreign_code import naming
    from ganaudit.random import VERSION as DRAWS_VERSION

    path = weights.locate(options.weights, context.folder)
    digests = onnx_files.digests(path, options.sha256)
    try:
        from ganaudit.generators.networks.onnx import OnnxGenerator
    except ImportError:
        raise RequestError(onnx_files.MISSING) from None
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
