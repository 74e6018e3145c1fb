"""Kind `torchscript`: a segmentation network that torch.jit.save wrote, which is run only where the audit file trusts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganaudit import torchscript
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.kinds import Kind, Opened
from ganaudit.options import in_pixels
from ganaudit.parsers.options import ExportedParser

if TYPE_CHECKING:
    from torch import Tensor, nn


class TorchscriptParser(ExportedParser):
    """A segmentation network as a TorchScript program."""

    trust: bool = False
    """true: you trust who made it. It is a program, and runs with your rights as your own code does."""


def open_torchscript(options: TorchscriptParser, context: Context) -> Opened:
    """The program of a file. Raises RequestError where it is not trusted, not of TorchScript, or no segmentation network."""
    from ganaudit import weights
    from ganaudit.foreign_code import naming
    from ganaudit.parsers.exported import ExportedSegmenter, said_names

    path = weights.locate(options.weights, context.folder)
    content, sha256 = torchscript.trusted(path, options.sha256, options.trust, "name the family that its tensors are of")
    size = in_pixels(options.size)
    if size is None:
        raise RequestError(f"{path} does not say the size of images; say it beside its kind: `size: 512`, or [height, width]")
    with naming(path):
        extra: dict[str, Any] = {"classes": ""}
        network = torchscript.loaded(content, context.device, extra).eval()
        said = extra["classes"].decode(errors="replace") if isinstance(extra["classes"], bytes) else extra["classes"]
        names = options.classes or said_names(said)
        parser = ExportedSegmenter(_Program(network, options), names, options, size, path, context.device)
    recipe = {"kind": options.kind, "weights": sha256, "preprocessing": parser.preprocessing.recipe()}
    note = f"{path.name} is a TorchScript program, run because the audit file trusts it"
    return Opened(parser, recipe, {"weights": sha256}, path, (note,))


class _Program:
    """(N, 3, h, w) -> the output of a program that is read: the first tensor, or the entry that `output` names."""

    def __init__(self, network: nn.Module, options: TorchscriptParser) -> None:
        self.network, self.arguments, self.output = network, dict(options.arguments), options.output

    def __call__(self, x: Tensor) -> Tensor:
        import torch

        made: Any = self.network(x, **self.arguments)
        if self.output is not None:
            if not isinstance(made, dict) or self.output not in made:
                has = ", ".join(made) if isinstance(made, dict) else f"one of type {type(made).__name__}"
                raise RequestError(f"it has no output {self.output!r}; it has {has}")
            made = made[self.output]
        while isinstance(made, list | tuple | dict) and made:
            made = next(iter(made.values())) if isinstance(made, dict) else made[0]
        if not isinstance(made, torch.Tensor):
            raise RequestError(f"it gives {type(made).__name__}, and a tensor is wanted: logits (N, classes, height, width)")
        return made


KIND = Kind(
    "torchscript", TorchscriptParser, open_torchscript,
    "a segmentation network that torch.jit.save wrote, run where it is trusted", offers=frozenset({"trial"}),
)  # fmt: skip
