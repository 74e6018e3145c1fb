"""Concepts that overlap, as a parser: each is a head of its own, whose map is the concept where it lies and void elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms

from ganaudit import devices
from ganaudit.errors import RequestError
from ganaudit.images import to_bytes
from ganaudit.parsers.instances import painted
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.parsers.segmentation import DTYPES

Found = tuple[Tensor, Tensor]
"""Of one text in one image: masks (K, H, W) and their scores (K,)."""


def check_texts(model: Any, processor: Any, concepts: Mapping[str, str]) -> None:
    """Raises RequestError for a text that is longer than the model reads."""
    most = min(
        int(model.config.text_config.max_position_embeddings), int(processor.tokenizer.model_max_length),
        int(getattr(model.config, "max_text_len", 1_000)),
    )  # fmt: skip
    for name, text in concepts.items():
        length = len(processor.tokenizer(text)["input_ids"])
        if length > most:
            raise RequestError(
                f"concepts: the text of {name!r} has {length} tokens with the two at its ends, and the model reads {most}; "
                "say it in fewer words"
            )


@dataclass(frozen=True)
class Prompted:
    """A model that finds what texts name; its kind knows how it is asked. score: from which on it counts; apart: of boxes that
    share more (intersection over union) the surest counts alone."""

    model: Any
    processor: Any
    texts: Sequence[str]
    device: str
    dtype: torch.dtype
    score: float
    apart: float

    @classmethod
    def of(
        cls, model: Any, processor: Any, texts: Iterable[str], device: str, precision: str, score: float, apart: float = 1.0
    ) -> Prompted:
        """In a precision, on a device."""
        dtype = DTYPES[precision]
        return cls(model.to(device, dtype), processor, list(texts), device, dtype, score, apart)

    def given(self, **asked: Any) -> dict[str, Tensor]:
        """What the processor makes of texts or images, on the device, in the precision."""
        given = self.processor(**asked, return_tensors="pt").to(self.device)
        return {name: value.to(self.dtype) if value.is_floating_point() else value for name, value in given.items()}

    def answer(self, **given: Any) -> Any:
        """The model's outputs, in float32."""
        outputs = self.model(**given)
        for name, value in list(outputs.items()):
            if isinstance(value, Tensor) and value.is_floating_point():
                outputs[name] = value.float()
        return outputs

    def boxed(self, outputs: Any, size: tuple[int, int], **more: Any) -> list[Found]:
        """Of each image what the processor finds in outputs, as boxes; more: what else its post-processing is told."""
        found = self.processor.post_process_grounded_object_detection(
            outputs, threshold=self.score, target_sizes=[size] * len(outputs.logits), **more
        )
        return [self._filled(each, size) for each in found]

    def _filled(self, found: Mapping[str, Tensor], size: tuple[int, int]) -> Found:
        """Boxes (K, 4) in pixels, left, top, right, bottom, as masks."""
        kept = nms(found["boxes"], found["scores"], self.apart)
        boxes, scores = found["boxes"][kept], found["scores"][kept]
        rows, columns = (torch.arange(side, device=boxes.device) + 0.5 for side in size)
        left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
        return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :], scores


Finding = Callable[[Prompted, Tensor, tuple[int, int]], Iterator[Sequence[Found]]]
"""How a family is asked: of each text what it names in each of images (N, 3, H, W) uint8, which have this size."""


class ConceptParser:
    """Images (N, 3, H, W) in [-1, 1] -> maps (N, concepts, H, W): a concept's id where it is, void elsewhere; confidence is
    the score of the surest box or mask there, instances are the boxes or masks. One thing may be of several concepts."""

    def __init__(self, prompted: Prompted, found: Finding, concepts: Iterable[str], resolution: tuple[int, int]) -> None:
        self.prompted, self.found, self.resolution = prompted, found, resolution
        self.classes = tuple(ClassInfo(place, name, name) for place, name in enumerate(concepts, 1))

    @torch.inference_mode()
    def parse(self, images: Tensor) -> Labels:
        """Maps, scores and numbers of boxes or masks, some images at a time."""
        height, width = (int(side) for side in images.shape[2:])
        device = self.prompted.device
        pixels = to_bytes(images.to(device)).permute(0, 3, 1, 2)
        parts = devices.parts(len(images), height * len(self.classes), width, device, devices.PARSED)
        found = [self._painted(pixels[part], (height, width)) for part in parts]
        return Labels(*(torch.cat(each) for each in zip(*found, strict=True)))

    def _painted(self, pixels: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Maps, scores and numbers, (n, concepts, H, W) each."""
        heads = []
        for place, of_text in enumerate(self.found(self.prompted, pixels, size), 1):
            of_images = [painted(masks, torch.full_like(scores, place), scores) for masks, scores in of_text]
            values, sure, numbers = (torch.stack(each) for each in zip(*of_images, strict=True))
            heads.append((values.clamp(min=0), sure, numbers))
        return tuple(torch.stack(each, dim=1) for each in zip(*heads, strict=True))
