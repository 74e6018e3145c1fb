"""What a generator computes in: float32, and in half precision what its official code does so, where a GPU is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ganaudit.options import IN_RECIPE, WeightsSource

if TYPE_CHECKING:
    import torch

    from ganaudit.generators.protocol import LayeredGenerator

Precision = Literal["auto", "float32", "half"]


class HalvedSource(WeightsSource):
    """A generator of a family whose official code computes in half precision on a GPU, with its weights."""

    precision: Annotated[Precision, IN_RECIPE] = "auto"
    """auto: on a GPU of NVIDIA's the layers that the official code computes in half precision, by what the file says of its
    making (`num_fp16_res`, `FP16Stages`); else float32. half: those layers anywhere, the highest four resolutions where it says
    nothing."""


def halves(generator: LayeredGenerator, asked: Precision, device: str, said: Mapping[str, Any]) -> Mapping[str, torch.dtype]:
    """The layers in half precision of a network. said: the arguments with which NVIDIA's code made it."""
    wanted = asked == "half" or (asked == "auto" and device.startswith("cuda") and bool(said))
    return generator.halved(said) if wanted else {}


def said(layers: Mapping[str, torch.dtype]) -> dict[str, list[str]]:
    """Layers by their precision, as a key knows them."""
    each = sorted(set(layers.values()), key=str)
    return {str(dtype).removeprefix("torch."): [name for name, own in layers.items() if own == dtype] for dtype in each}


def notes(layers: Mapping[str, torch.dtype]) -> tuple[str, ...]:
    """Which layers those are, in a sentence."""
    return tuple(f"{', '.join(names)} compute in {name}" for name, names in said(layers).items())
