"""Kind `owl`: concepts that a text names, found by an open-vocabulary detector of transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ganaudit.fields import Probability
from ganaudit.kinds import Kind
from ganaudit.parsers.prompted import OFFERS, BoxParser, open_prompted

if TYPE_CHECKING:
    from torch import Tensor

    from ganaudit.parsers.concepts import Found, Prompted


class OwlParser(BoxParser):
    """OWL-ViT or OWLv2 of Hugging Face's transformers: boxes of what a text names. Concepts overlap: a pixel may be of several,
    or of none, so it stands as second_parser."""

    score: Probability = 0.2
    """From which score on a box counts."""


def found(prompted: Prompted, pixels: Tensor, size: tuple[int, int]) -> Iterator[Sequence[Found]]:
    """Every box is held against every text by itself: the library takes the best of the texts that it is given."""
    outputs = prompted.answer(**prompted.given(text=[prompted.texts] * len(pixels), images=list(pixels)))
    logits = outputs.logits
    for place in range(len(prompted.texts)):
        outputs.logits = logits[..., place : place + 1]
        yield prompted.boxed(outputs, size)


KIND = Kind(
    "owl", OwlParser, partial(open_prompted, families=("owlvit", "owlv2"), found=found),
    "OWL-ViT and OWLv2: what a text names, concept by concept; as second_parser alone", offers=OFFERS,
)  # fmt: skip
