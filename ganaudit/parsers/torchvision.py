"""Kind `torchvision`: its options, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import PathText
from ganaudit.kinds import Kind, Opened
from ganaudit.parsers.options import ClassNames, ScaledParser

Model = Literal[
    "fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101", "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
]  # fmt: skip


class TorchvisionParser(ScaledParser):
    """A segmentation network of torchvision's, with a weights file of your own or as published."""

    weights: PathText
    """A file, such as deeplabv3_resnet50_coco-cd0a2569.pth."""
    model: Model | None = None
    """What torchvision calls the network; default: what the file's name begins with."""
    classes: ClassNames = "voc"
    """voc: the 20 of Pascal VOC after the background, as in torchvision's files; or names in the order of the channels."""


def open_torchvision(options: TorchvisionParser, context: Context) -> Opened:
    """The network of a weights file, in the context's precision. Raises RequestError."""
    from ganaudit import weights
    from ganaudit.parsers.labelling import of_channels
    from ganaudit.parsers.networks.convolutions import folded
    from ganaudit.parsers.networks.torchvision_segmentation import LAST, UNREAD, from_weights
    from ganaudit.parsers.preprocessing import Preprocessing
    from ganaudit.parsers.segmentation import SegmentationParser

    loaded = weights.load(options.weights, context.folder, options.sha256)
    model = options.model or _named(loaded.path)
    tensors = {name: value for name, value in loaded.tensors.items() if not name.startswith(UNREAD)}
    read = weights.Weights(tensors, loaded.metadata, loaded.sha256, loaded.path)
    network = weights.network(read, lambda shapes: from_weights(shapes, model))
    channels = next(int(tensors[name].shape[0]) for name in LAST if name in tensors)
    named = of_channels(options.classes, channels, loaded.path)
    preprocessing = Preprocessing.of(options, options.resolution)
    recipe = {
        "kind": options.kind, "model": model, "weights": loaded.sha256, "preprocessing": preprocessing.recipe(),
        "precision": context.precision,
    }  # fmt: skip
    where = options.resolution, context.device, context.precision
    parser = SegmentationParser(folded(network), named, *where, preprocessing)
    return Opened(parser, recipe, {"weights": loaded.sha256}, loaded.path)


def _named(path: Path) -> str:
    model = next((model for model in get_args(Model) if path.name.startswith(model)), None)
    if model is None:
        known = ", ".join(get_args(Model))
        raise RequestError(f"parser.model: the name of {path.name} does not say which network it is; one of {known}")
    return str(model)


KIND = Kind(
    "torchvision", TorchvisionParser, open_torchvision, "torchvision's FCN, DeepLabV3 and LR-ASPP",
    offers=frozenset({"precision"}),
)  # fmt: skip
