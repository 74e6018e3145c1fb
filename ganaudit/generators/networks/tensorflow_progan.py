"""ProGAN's generator in NVIDIA's TensorFlow layout (Karras et al., ICLR 2018), by the names of `reference_progan`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.networks import reference_progan
from ganaudit.generators.networks.published_names import Names, Tensors, check_grown, numbers, scope, turned_weight
from ganaudit.generators.protocol import LayeredGenerator


def _names(theirs: Tensors) -> Iterator[tuple[str, str]]:
    check_grown(theirs.get("lod"))
    chain = ["4x4/Dense", "4x4/Conv"]
    for place in range(1, (numbers(r"(\d{1,6})x", theirs) - 1).bit_length() - 2):
        side = 4 * 2**place
        apart = f"{side}x{side}/Conv0"  # where upsampling is not part of the convolution
        chain += [apart if f"{apart}/weight" in theirs else scope(side, "conv0"), scope(side, "conv1")]
    layers = [(their, f"layer{number}") for number, their in enumerate(chain, start=1)]
    for their, own in (*layers, ("ToRGB_lod0", "output")):
        yield f"{their}/weight", f"{own}.conv.weight"
        yield f"{their}/bias", f"{own}.wscale.b"


def _turned(value: Tensor, own: str, their: str) -> Tensor:
    """Weights as (out, in, height, width). The linear layer's are those of a convolution of z, flipped; a transposed
    convolution's are those of one after upsampling, flipped, and have `out` before `in`."""
    if own.endswith("wscale.b"):
        return value
    if their.startswith("4x4/Dense"):
        return value.reshape(value.shape[0], -1, 4, 4).transpose(0, 1).flip(2, 3)
    if their.endswith("Conv0_up/weight"):
        return value.permute(2, 3, 0, 1).flip(2, 3)
    return turned_weight(value)


LAYOUT = Names(
    "ProGAN in TensorFlow", "4x4/Dense/weight", _names, _turned,
    ignored=lambda theirs: ["lod", *(name for name in theirs if name.startswith("ToRGB_lod"))],
    arguments={
        "normalize_latents": True, "use_wscale": True, "use_pixelnorm": True, "pixelnorm_epsilon": 1e-8, "use_leakyrelu": True,
        "tanh_at_end": False, "label_size": 0,
    },
)  # fmt: skip


def body(tensors: Tensors, options: Any) -> LayeredGenerator:
    """The network of `reference_progan`, once the shapes are such a one's. Raises RequestError."""
    if not reference_progan.is_progan(tensors):
        raise RequestError("the shapes of these weights are not those of a ProGAN, each of which follows the one before")
    return reference_progan.body(tensors, options)
