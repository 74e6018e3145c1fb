"""What a generator gave for a batch, judged in one sentence: before work begins for all of them, later image by image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

IMAGES = "run(latents)['image'] is a tensor (N, 3, H, W) of floating-point numbers in [-1, 1]"
SLACK = 1e-3
"""By which values may lie outside [-1, 1]: they are clamped."""


def wrong_latents(state: Any) -> str | None:
    """Why what `latents` gave is no mapping of tensors, in one sentence; None where it is one."""
    if not isinstance(state, Mapping):
        return f"latents(seed, indices) gives a mapping of tensors, such as {{'z': z}}, not {_called(state)}"
    for name, value in state.items():
        if not isinstance(value, Tensor):
            return f"latents(seed, indices) gives a mapping of tensors, and its entry {name!r} is {_called(value)}"
    return None


def wrong_images(state: Any, n: int, size: tuple[int, int]) -> str | None:
    """Why what `run` gave holds no `n` images of `size` (height, width), in one sentence; None where it does."""
    if not isinstance(state, Mapping):
        return f"run(latents) gives a mapping that holds 'image', not {_called(state)}"
    if "image" not in state:
        names = ", ".join(map(repr, state)) or "nothing"
        return f"run(latents) gives a mapping that holds 'image'; this one holds {names}"
    image = state["image"]
    if not isinstance(image, Tensor):
        return f"{IMAGES}, not {_called(image)}"
    if image.layout != torch.strided or image.is_quantized or image.is_meta:
        kind = "meta" if image.is_meta else "quantized" if image.is_quantized else "sparse"
        return f"{IMAGES}, and this one is {kind}"
    if not image.is_floating_point():
        advice = "; divide bytes: image.float() / 127.5 - 1" if image.dtype == torch.uint8 else ""
        return f"{IMAGES}, and this one is of {str(image.dtype).removeprefix('torch.')}{advice}"
    wanted = (n, 3, *size)
    if tuple(image.shape) == wanted:
        return None
    gave = "×".join(map(str, image.shape)) or "one number, no"
    return f"the generator gave {gave} values for a batch of {n}, not {'×'.join(map(str, wanted))} as its resolution says" + (
        _advice(tuple(image.shape), wanted)
    )


def _advice(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    n, _, *size = wanted
    if shape == (n, *size, 3):
        return "; its channels come last: image.permute(0, 3, 1, 2)"
    if shape in ((n, 1, *size), (n, *size)):
        return "; it is grey: give its one channel three times"
    if shape in ((n, 4, *size), (n, *size, 4)):
        return "; it is RGBA: leave the fourth channel out"
    return ""


def faults(image: Tensor) -> list[str | None]:
    """Why each image (N, 3, H, W) is no picture in [-1, 1], or None. A little overshoot is clamped, not refused."""
    flat = image.flatten(1)
    ends = torch.stack(flat.aminmax(dim=1), dim=1).tolist()  # of values that are not finite one end at least is none
    return [_fault(low, high, flat[place]) for place, (low, high) in enumerate(ends)]


def _fault(low: float, high: float, values: Tensor) -> str | None:
    """The same of one image, of whose values these are the least and the greatest."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "the generator gave values that are not finite"
    if max(-low, high) > 1.0 + SLACK and (values.float().abs() > 1.0 + SLACK).float().mean() > 0.5:
        return f"the generator gave values from {low:.3g} to {high:.3g}; images are in [-1, 1]"
    return None


def looks_unit(image: Tensor) -> bool:
    """Whether images (N, 3, H, W) have no value below 0: they look like [0, 1]."""
    return bool((image >= 0.0).all())


def _called(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
