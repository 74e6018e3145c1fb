"""Kind `transformers`: its options, and how it is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import PathText, Size
from ganaudit.kinds import Kind, Opened
from ganaudit.options import Digest, ParserPart, in_pixels
from ganaudit.parsers.options import ClassNames

MISSING = "kind transformers needs a package that is not installed here; pip install 'ganaudit[hf]'"
MOST_BYTES = 10_000_000
"""A config.json is a page."""


class TransformersParser(ParserPart):
    """A segmentation model of Hugging Face's transformers, read through its own processor."""

    weights: PathText
    """The folder that save_pretrained wrote: config.json, preprocessor_config.json, safetensors."""
    sha256: Digest | None = None
    """The folder's files together must have this digest."""
    task: Literal["semantic", "panoptic"] = "semantic"
    """panoptic: the classes of the segments that the model is sure of; other pixels are void."""
    classes: ClassNames | None = None
    """Names in the order of the labels, or {label: name}; default: id2label of config.json."""
    size: Size | None = None
    """Side, or [height, width], in pixels, of images and label maps; default: what the processor resizes to."""


def open_transformers(options: TransformersParser, context: Context) -> Opened:
    """The model of a folder, in the context's precision. Raises RequestError for one that is incomplete, brings code, holds its
    weights as pickles, or is no segmentation model."""
    from ganaudit.identity import content_digest
    from ganaudit.parsers import folders

    folder = folders.folder(options.weights, options.sha256, context, "config.json and safetensors")
    config = _config(folder)
    if not any(folder.glob("*.safetensors")):
        others = sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".h5", ".msgpack", ".pt", ".pth"))
        held = f"holds its weights as {others[0]}" if others else "has no weights"
        raise RequestError(f"weights {folder}: the folder {held}; safetensors alone are read (save_pretrained writes them)")
    try:
        from ganaudit.parsers.transformers_segmentation import TransformersSegmenter, opened_folder
    except ImportError:
        raise RequestError(MISSING) from None

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


def _config(folder: Path) -> dict[str, Any]:
    """What config.json says. Raises RequestError."""
    file = folder / "config.json"
    try:
        with file.open("rb") as opened:
            config = json.loads(opened.read(MOST_BYTES))
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {error.strerror}; save_pretrained writes it beside the weights") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{file} is no JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise RequestError(f"{file} has no model_type; it is not the configuration of a model of transformers")
    return config


KIND = Kind(
    "transformers", TransformersParser, open_transformers,
    "SegFormer, UperNet, MaskFormer, Mask2Former, OneFormer, EoMT … from a folder of Hugging Face's transformers",
    offers=frozenset({"precision"}),
)  # fmt: skip
