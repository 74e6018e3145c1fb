"""Kind `unet`: its options, and how it is opened."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.fields import PathText
from ganaudit.kinds import Kind, Opened
from ganaudit.options import Origin, ParserPart


class UnetParser(Origin, ParserPart):
    """The UNet family; its classes are in the weights file."""

    weights: PathText
    """A file, or builtin:NAME."""


def open_unet(options: UnetParser, context: Context) -> Opened:
    """The network of a weights file, in the context's precision."""
    from ganaudit import weights
    from ganaudit.parsers.segmentation import unet_parser

    loaded = weights.load(options.weights, context.folder, options.sha256)
    recipe = {"kind": options.kind, "weights": loaded.sha256, "precision": context.precision}
    return Opened(unet_parser(loaded, context.device, context.precision), recipe, {"weights": loaded.sha256}, loaded.path)


KIND = Kind(
    "unet", UnetParser, open_unet, "UNet; builtin:village reads the built-in world", offers=frozenset({"precision"})
)  # fmt: skip
