"""Models of transformers that find what a text names: what the audit file says of any of them, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.fields import Name, PathText, Probability, Size
from ganaudit.kinds import Opened
from ganaudit.options import Digest, ParserPart, in_pixels

if TYPE_CHECKING:
    from ganaudit.parsers.concepts import Finding

Prompts = dict[Name, Name] | Annotated[list[Name], AfterValidator(lambda names: list(dict.fromkeys(names)))]
OFFERS = frozenset({"precision", "overlaps"})


class PromptedParser(ParserPart):
    """What a text names, concept by concept. Concepts overlap: a pixel may be of several, or of none, so it stands as
    second_parser."""

    weights: PathText
    """The folder that save_pretrained wrote: config.json, the processor's files, safetensors."""
    sha256: Digest | None = None
    """The folder's files together must have this digest."""
    concepts: Annotated[Prompts, Field(min_length=1, max_length=256)]
    """{name: text}, such as {glasses: a person with glasses}, or names that are the texts."""
    size: Size = 512
    """Side, or [height, width], in pixels, of images and of the maps."""
    score: Probability
    """From which score on a box, or a mask, counts."""


class BoxParser(PromptedParser):
    """The same, found as boxes."""

    apart: Probability = 0.5
    """Of boxes of one concept that share more than this (intersection over union) the surest counts alone."""


def open_prompted(
    options: PromptedParser, context: Context, families: tuple[str, ...], found: Finding,
    automatic: str = "AutoModelForZeroShotObjectDetection",
) -> Opened:  # fmt: skip
    """The model of a folder, in the context's precision. found: how it is asked; automatic: transformers' class that opens it.

    Raises RequestError for one that is incomplete, brings code, holds its weights as pickles, or is of no such family, and for
    a text that it cannot read whole.
    """
    from ganaudit.identity import content_digest
    from ganaudit.parsers import transformers_folder

    folder, config = transformers_folder.checked(options.weights, options.sha256, context)
    if config["model_type"] not in families:
        raise RequestError(
            f"{folder} is of the model {config['model_type']!r}; kind {options.kind} reads {' and '.join(families)}"
        )
    try:
        import transformers

        from ganaudit.parsers.concepts import ConceptParser, Prompted, check_texts
        from ganaudit.parsers.transformers_segmentation import loaded
    except ImportError:
        raise RequestError(transformers_folder.MISSING.format(kind=options.kind)) from None

    said = options.concepts
    concepts = said if isinstance(said, dict) else {name: name for name in said}
    model, processor = loaded(folder, getattr(transformers, automatic), transformers.AutoProcessor.from_pretrained)
    check_texts(model, processor, concepts)
    seen = {"score": options.score, **({"apart": options.apart} if isinstance(options, BoxParser) else {})}
    asked = Prompted.of(model, processor, concepts.values(), context.device, context.precision, **seen)
    parser = ConceptParser(asked, found, concepts, in_pixels(options.size) or (0, 0))
    digest = content_digest(folder)
    recipe = {"kind": options.kind, "weights": digest, "precision": context.precision, "concepts": concepts, **seen}
    return Opened(parser, recipe, {"weights": digest}, folder)
