"""Kind `grounding_dino`: concepts that a text names, found by a detector that reads the text beside the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ganaudit.context import Context
from ganaudit.fields import Probability
from ganaudit.kinds import Kind, Opened
from ganaudit.parsers.prompted import OFFERS, BoxParser, open_prompted

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.parsers.concepts import Found, Prompted


class GroundingDinoParser(BoxParser):
    """Grounding DINO or MM Grounding DINO of Hugging Face's transformers: boxes of what a text names, each text read alone.
    Concepts overlap, so it stands as second_parser."""

    score: Probability = 0.25
    """From which score of its surest token on a box counts."""


def found(prompted: Prompted, pixels: Tensor, size: tuple[int, int]) -> Iterator[Sequence[Found]]:
    """Each text by itself; a box has the score of the surest of its tokens."""
    seen = prompted.given(images=list(pixels))
    for text in prompted.texts:
        given = prompted.given(text=[[text]] * len(pixels))
        outputs = prompted.answer(**seen, **given)
        yield prompted.boxed(outputs, size, input_ids=given["input_ids"], text_threshold=prompted.score)


def open_grounding_dino(options: GroundingDinoParser, context: Context) -> Opened:
    """The model of a folder, whose image network sees each image once, however many texts follow."""
    opened = open_prompted(options, context, ("grounding-dino", "mm-grounding-dino"), found)
    backbone = opened.model.prompted.model.model.backbone
    backbone.forward = _once(backbone.forward)
    return opened


def _once(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A backbone's answer stays with the pixels that it was given, and goes with them. The model adds to the second list."""

    def remembered(pixels: Any, mask: Tensor) -> Any:
        if not hasattr(pixels, "seen"):
            pixels.seen = forward(pixels, mask)
        features, positions = pixels.seen
        return features, list(positions)

    return remembered


KIND = Kind(
    "grounding_dino", GroundingDinoParser, open_grounding_dino,
    "Grounding DINO: what a text names, concept by concept; as second_parser alone", offers=OFFERS,
)  # fmt: skip
