"""Kind `torchvision_instances`: its options, and how it is opened."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import PathText, Probability, Side, Size
from ganaudit.kinds import Kind, Opened
from ganaudit.options import Origin, ParserPart, in_pixels
from ganaudit.parsers.options import ClassNames

Model = Literal["maskrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn"]


class TorchvisionInstancesParser(Origin, ParserPart):
    """Mask R-CNN of torchvision's, its instances painted by score."""

    weights: PathText
    """A file, such as maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth."""
    model: Model | None = None
    """What torchvision calls the network; default: what the file's name begins with."""
    classes: ClassNames | None = None
    """Names in the order of the labels, from none on; default: the 80 things of COCO."""
    size: Size = 512
    """Side, or [height, width], in pixels, of images and label maps."""
    short_side: Side = 800
    """Pixels that the network makes an image's short side before it looks."""
    score: Probability = 0.5
    """From which score on an instance counts."""
    most: Annotated[int, Field(gt=0, le=1000)] = 100
    """Instances of an image at most, the surest ones."""


def open_torchvision_instances(options: TorchvisionInstancesParser, context: Context) -> Opened:
    """The network of a weights file, in float32. Raises RequestError."""
    from torchvision.models import get_model_weights

    from ganaudit import weights
    from ganaudit.parsers.instances import InstanceParser
    from ganaudit.parsers.labelling import of_channels
    from ganaudit.parsers.networks.torchvision_instances import LAST, complete, from_weights

    loaded = weights.load(options.weights, context.folder, options.sha256)
    model = options.model or next((model for model in get_args(Model) if loaded.path.name.startswith(model)), None)
    if model is None:
        known = ", ".join(get_args(Model))
        raise RequestError(f"parser.model: the name of {loaded.path.name} does not say which network it is; one of {known}")
    network = weights.network(
        loaded, lambda shapes: from_weights(shapes, model, options.short_side, options.score, options.most)
    )
    network = complete(network, frozen=not any(name.endswith("num_batches_tracked") for name in loaded.tensors))
    names: Any = options.classes
    if names is None:
        coco = get_model_weights(model).DEFAULT.meta["categories"]
        names = {label: name for label, name in enumerate(coco) if label and name != "N/A"}
    labelling = of_channels(names, int(loaded.tensors[LAST].shape[0]), loaded.path)
    parser = InstanceParser(network, labelling, in_pixels(options.size), context.device)
    seen = {"short_side": options.short_side, "score": options.score, "most": options.most}
    recipe = {"kind": options.kind, "model": model, "weights": loaded.sha256, "precision": "float32", **seen}
    return Opened(parser, recipe, {"weights": loaded.sha256}, loaded.path)


KIND = Kind(
    "torchvision_instances", TorchvisionInstancesParser, open_torchvision_instances,
    "torchvision's Mask R-CNN: things of COCO, counted one by one",
)  # fmt: skip
