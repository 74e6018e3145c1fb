"""Kind `sam3`: concepts that a text names, segmented by SAM 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ganaudit.fields import Probability
from ganaudit.kinds import Kind
from ganaudit.parsers.prompted import OFFERS, PromptedParser, open_prompted

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.parsers.concepts import Found, Prompted


class Sam3Parser(PromptedParser):
    """SAM 3 of Hugging Face's transformers: masks of what a text names, each text read alone. Concepts overlap, so it stands as
    second_parser."""

    score: Probability = 0.3
    """From which score on a mask counts: that of the mask times that of the concept's presence."""


def found(prompted: Prompted, pixels: Tensor, size: tuple[int, int]) -> Iterator[Sequence[Found]]:
    """The image network sees each image once; what comes after it, each text by itself."""
    seen = prompted.model.get_vision_features(prompted.given(images=list(pixels))["pixel_values"])
    for text in prompted.texts:
        outputs = prompted.answer(vision_embeds=seen, **prompted.given(text=[text] * len(pixels)))
        made = prompted.processor.post_process_instance_segmentation(
            outputs, threshold=prompted.score, target_sizes=[size] * len(pixels)
        )
        # where it finds nothing the library leaves no masks in the size of its network
        masks = [each["masks"].bool() if len(each["scores"]) else each["masks"].new_zeros((0, *size)).bool() for each in made]
        yield [(mask, each["scores"]) for mask, each in zip(masks, made, strict=True)]


KIND = Kind(
    "sam3", Sam3Parser, partial(open_prompted, families=("sam3",), found=found, automatic="AutoModel"),
    "SAM 3: masks of what a text names, concept by concept; as second_parser alone", offers=OFFERS,
)  # fmt: skip
