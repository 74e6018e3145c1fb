"""Kind `onnx`: a segmentation network as a graph of known operators, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.kinds import Kind, Opened
from ganaudit.options import in_pixels
from ganaudit.parsers.options import ExportedParser

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.onnx_session import Session


class OnnxParser(ExportedParser):
    """A segmentation network as an ONNX model; shapes and types are read from its graph."""


def further(options: OnnxParser, context: Context) -> Sequence[Path]:
    """The files that a model keeps tensors in."""
    from ganaudit import onnx_files, weights

    return onnx_files.external_files(weights.locate(options.weights, context.folder))


def open_onnx(options: OnnxParser, context: Context) -> Opened:
    """The model of a file. Raises RequestError for what is no model, or no segmentation network."""
    from ganaudit import onnx_files, weights
    from ganaudit.foreign_code import naming
    from ganaudit.parsers.exported import ExportedSegmenter, said_names

    path = weights.locate(options.weights, context.folder)
    digests = onnx_files.digests(path, options.sha256)
    try:
        from ganaudit.onnx_session import Session
    except ImportError:
        raise RequestError(onnx_files.MISSING) from None
    with naming(path):
        graph = _Graph(Session(path, context.device, options.arguments), options, context.device)
        names = options.classes or said_names(graph.session.metadata.get("classes"))
        parser = ExportedSegmenter(graph, names, options, graph.size, path, context.device)
    recipe = {"kind": options.kind, **digests, "preprocessing": parser.preprocessing.recipe()}
    return Opened(parser, recipe, digests, path)


class _Graph:
    """(N, 3, h, w) -> what an output of a graph is, channels first. size: (height, width) of images, as the graph or the audit
    file says. Raises RequestError for a graph that does not take one batch of images."""

    def __init__(self, session: Session, options: OnnxParser, device: str) -> None:
        from ganaudit.onnx_session import fixed_batch, listed, named

        self.session, self.device = session, device
        images = [put for put in session.inputs if len(put.shape) == 4 and 3 in put.shape[1:]]
        if len(images) != 1 or len(session.inputs) != 1:
            raise RequestError(
                f"it takes {listed(session.inputs) or 'nothing'}, and one batch of images is wanted, N×3×H×W or N×H×W×3; what "
                "else it takes gets its value under parser.arguments"
            )
        self.put = images[0]
        self.batch = fixed_batch(self.put)
        self.last = self.put.shape[1] != 3
        self.size = self._size(options, self.put.shape[1:3] if self.last else self.put.shape[2:])
        outputs = {put.name: put for put in session.outputs}
        self.output = options.output or next(iter(outputs))
        if self.output not in outputs:
            raise RequestError(f"it has no output {self.output!r}; it has {', '.join(map(named, outputs.values()))}")

    def _size(self, options: OnnxParser, sides: Sequence[Any]) -> tuple[int, int]:
        said = in_pixels(options.size)
        fixed = [side if isinstance(side, int) else None for side in sides]
        size = said or ((fixed[0], fixed[1]) if fixed[0] is not None and fixed[1] is not None else None)
        if size is None:
            raise RequestError("its graph leaves the size of images open; say it: `size: 512`, or [height, width]")
        tile = options.tiling[0] if options.tiling else None
        for whole in options.seen_at(size):
            seen = whole if tile is None else (min(tile[0], whole[0]), min(tile[1], whole[1]))
            if any(side is not None and side != wanted for side, wanted in zip(fixed, seen, strict=True)):
                takes = f"[{sides[0]}, {sides[1]}]"
                raise RequestError(
                    f"its graph takes images of {takes} pixels and none of [{seen[0]}, {seen[1]}]; `scales: [{takes}]` resizes "
                    "them"
                )
        return size

    def __call__(self, x: Tensor) -> Tensor:
        import torch

        from ganaudit.onnx_session import FLOATS

        x = x if self.put.type in FLOATS else x.round()
        given = (x.movedim(1, 3) if self.last else x).cpu().numpy()
        made = torch.cat([torch.from_numpy(part) for part in self.session.run(self.output, {self.put.name: given}, self.batch)])
        return (made.movedim(3, 1) if self.last and made.ndim == 4 else made).to(self.device)


KIND = Kind(
    "onnx", OnnxParser, open_onnx, "a segmentation network as an ONNX model, run by ONNX Runtime",
    files=further, offers=frozenset({"trial"}),
)  # fmt: skip
