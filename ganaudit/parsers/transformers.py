"""Kind `transformers`: its options, and how it is opened."""

from __future__ import annotations

from typing import Literal

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import PathText, Size
from ganaudit.kinds import Kind, Opened
from ganaudit.options import Digest, ParserPart, in_pixels
from ganaudit.parsers.options import ClassNames


class TransformersParser(ParserPart):
    """A segmentation model of Hugging Face's transformers, read through its own processor."""

    weights: PathText
    """The folder that save_pretrained wrote: config.json, preprocessor_config.json, safetensors."""
    sha256: Digest | None = None
    """The folder's files together must have this digest."""
    task: Literal["semantic", "panoptic", "instance"] = "semantic"
    """panoptic: the classes of the segments that the model is sure of; other pixels are void. instance: of things alone, which
    are counted one by one, the surer on top."""
    classes: ClassNames | None = None
    """Names in the order of the labels, or {label: name}; default: id2label of config.json."""
    size: Size | None = None
    """Side, or [height, width], in pixels, of images and label maps; default: what the processor resizes to."""


def open_transformers(options: TransformersParser, context: Context) -> Opened:
    """The model of a folder, in the context's precision. Raises RequestError for one that is incomplete, brings code, holds its
    weights as pickles, or is no segmentation model."""
    from ganaudit.identity import content_digest
    from ganaudit.parsers import transformers_folder

    folder, config = transformers_folder.checked(options.weights, options.sha256, context)
    try:
        from ganaudit.parsers.transformers_segmentation import TransformersSegmenter, opened_folder
    except ImportError:
        raise RequestError(transformers_folder.MISSING.format(kind=options.kind)) from None

    model, processor = opened_folder(folder, config)
    parser = TransformersSegmenter(
        model, processor, options.task, options.classes, in_pixels(options.size), folder, context.device, context.precision
    )
    digest = content_digest(folder)
    recipe = {
        "kind": options.kind, "weights": digest, "task": options.task, "preprocessing": parser.preprocessing,
        "precision": context.precision,
    }  # fmt: skip
    return Opened(parser, recipe, {"weights": digest}, folder)


KIND = Kind(
    "transformers", TransformersParser, open_transformers,
    "SegFormer, UperNet, MaskFormer, Mask2Former, OneFormer, EoMT … from a folder of Hugging Face's transformers",
    offers=frozenset({"precision"}),
)  # fmt: skip
