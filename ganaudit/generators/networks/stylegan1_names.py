"""The layouts that StyleGAN's generators circulate in.

The body has weights as they act. Files keep them without the constant factors of an equalised learning rate; and where
upsampling and convolution are one transposed convolution, the weights of that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from ganaudit.generators.networks.conditional_mapping import SLOW
from ganaudit.generators.networks.published_names import Names, Tensors, check_grown, numbers, scope, turned_weight
from ganaudit.generators.networks.stylegan import GAIN

FUSED = 128
"""Side from which on NVIDIA's upsampling and convolution are one transposed convolution."""
PARTS = ("weight", "bias", "noise_strength", "noise_const", "affine.weight", "affine.bias")


def _styled(blocks: int) -> Iterator[tuple[int, int, str]]:
    """Place of the block, which of its two it is, and a part: of so many blocks."""
    for place in range(blocks):
        for own in (0, 1):
            yield from ((place, own, part) for part in PARTS if (place, own, part) != (0, 0, "weight"))


def _tensorflow(theirs: Tensors) -> Iterator[tuple[str, str]]:
    check_grown(theirs.get("synthesis/lod"))
    for number in range(numbers(r"mapping/Dense(\d{1,3})/", theirs)):
        for part in ("weight", "bias"):
            yield f"mapping/Dense{number}/{part}", f"mapping.linears.{number}.{part}"
    if "mapping/LabelConcat/weight" in theirs:
        yield "mapping/LabelConcat/weight", "mapping.embed.weight"
    yield "synthesis/4x4/Const/const", "b4.const"
    parts = {"noise_strength": "Noise/weight", "affine.weight": "StyleMod/weight", "affine.bias": "StyleMod/bias"}
    for place, own, part in _styled((numbers(r"synthesis/(\d{1,6})x", theirs) - 1).bit_length() - 2):
        side = 4 * 2**place
        its = "4x4/Const" if place == own == 0 else scope(side, f"conv{own}")
        their = f"noise{2 * place + own}" if part == "noise_const" else f"{its}/{parts.get(part, part)}"
        yield f"synthesis/{their}", f"b{side}.conv{own}.{part}"
    for part in ("weight", "bias"):
        yield f"synthesis/ToRGB_lod0/{part}", f"output.torgb.{part}"


def _genforce(theirs: Tensors) -> Iterator[tuple[str, str]]:
    check_grown(theirs.get("synthesis.lod"))
    for number in range(numbers(r"mapping\.dense(\d{1,3})\.", theirs)):
        for part in ("weight", "bias"):
            yield f"mapping.dense{number}.{part}", f"mapping.linears.{number}.{part}"
    if "mapping.label_weight" in theirs:
        yield "mapping.label_weight", "mapping.embed.weight"
    yield "synthesis.layer0.const", "b4.const"
    parts = {
        "noise_strength": "apply_noise.weight", "noise_const": "apply_noise.noise", "affine.weight": "style.weight",
        "affine.bias": "style.bias",
    }  # fmt: skip
    blocks = numbers(r"synthesis\.output(\d{1,2})\.", theirs)
    for place, own, part in _styled(blocks):
        yield f"synthesis.layer{2 * place + own}.{parts.get(part, part)}", f"b{4 * 2**place}.conv{own}.{part}"
    for part in ("weight", "bias"):
        yield f"synthesis.output{blocks - 1}.{part}", f"output.torgb.{part}"


def _rosinality(theirs: Tensors) -> Iterator[tuple[str, str]]:
    for number in range(1, numbers(r"style\.(\d{1,3})\.", theirs), 2):
        for part in ("weight_orig", "bias"):
            yield f"style.{number}.linear.{part}", f"mapping.linears.{number // 2}.{part.removesuffix('_orig')}"
    blocks = _trained(theirs)
    yield from _blocks_of_rosinality(theirs, range(blocks))
    for part in ("weight_orig", "bias"):
        yield f"generator.to_rgb.{blocks - 1}.conv.{part}", f"output.torgb.{part.removesuffix('_orig')}"


def _blocks_of_rosinality(theirs: Tensors, places: range) -> Iterator[tuple[str, str]]:
    for place in places:
        prefix, block = f"generator.progression.{place}", f"b{4 * 2**place}"
        if place == 0:
            yield f"{prefix}.conv1.input", f"{block}.const"
        elif f"{prefix}.conv1.0.weight" in theirs:
            yield from ((f"{prefix}.conv1.0.{part}", f"{block}.conv0.{part}") for part in ("weight", "bias"))
        else:
            yield f"{prefix}.conv1.1.conv.weight_orig", f"{block}.conv0.weight"
            yield f"{prefix}.conv1.1.conv.bias", f"{block}.conv0.bias"
        yield f"{prefix}.conv2.conv.weight_orig", f"{block}.conv1.weight"
        yield f"{prefix}.conv2.conv.bias", f"{block}.conv1.bias"
        for own in (0, 1):
            yield f"{prefix}.noise{own + 1}.weight_orig", f"{block}.conv{own}.noise_strength"
            yield f"{prefix}.adain{own + 1}.style.linear.weight_orig", f"{block}.conv{own}.affine.weight"
            yield f"{prefix}.adain{own + 1}.style.linear.bias", f"{block}.conv{own}.affine.bias"


def _trained(theirs: Tensors) -> int:
    """Blocks of rosinality's network, which always has those of 1024 px, without the last ones that training has not reached:
    their noise still has no strength, and their colours no bias."""
    blocks = numbers(r"generator\.progression\.(\d{1,2})\.", theirs)
    while blocks > 1:
        its = [f"generator.progression.{blocks - 1}.noise{own}.weight_orig" for own in (1, 2)]
        its.append(f"generator.to_rgb.{blocks - 1}.conv.bias")
        if any(name not in theirs or bool(theirs[name].any()) for name in its):
            break
        blocks -= 1
    return blocks


def _untrained(theirs: Tensors) -> set[str]:
    """What rosinality's files have more: blocks that training has not reached, and colours of other sizes."""
    places = range(_trained(theirs), numbers(r"generator\.progression\.(\d{1,2})\.", theirs))
    colours = {name for name in theirs if name.startswith("generator.to_rgb.")}
    return colours | {their for their, _ in _blocks_of_rosinality(theirs, places)}


def _nvidia(value: Tensor, own: str, their: str) -> Tensor:
    """NVIDIA's tensors in PyTorch's order of dimensions, as they act: of the mapping network, whose leaky ReLUs are followed by
    √2 here, the weights have that factor and the biases have not."""
    value = value.float()
    if own == "b4.const":
        return value[0]
    if own.endswith("noise_const"):
        return value[0, 0]
    if own.startswith("mapping.linears.") and own.endswith("bias"):
        return value / GAIN
    if own.endswith("affine.bias"):  # a scale, around 1, and a shift
        return value + (torch.arange(len(value)) < len(value) // 2)
    if own == "output.torgb.weight":
        return value / math.sqrt(max(1, value.shape[1]))
    if own.endswith((".conv0.weight", ".conv1.weight")):
        fused = own.endswith(".conv0.weight") and int(own[1 : own.index(".")]) >= FUSED
        return _equalised(value.flip(2, 3) if fused else value)
    return value


def _turned(value: Tensor, own: str, their: str) -> Tensor:
    weight = own.endswith(".weight") and own != "mapping.embed.weight"
    return _nvidia(turned_weight(value) if weight else value, own, their)


def _equalised(weight: Tensor) -> Tensor:
    """A convolution's weight (out, in, k, k) times √2 / √(k² · in)."""
    return weight * (GAIN / math.sqrt(max(1, weight[0].numel())))


def _equal_rate(value: Tensor, own: str, their: str) -> Tensor:
    """rosinality's tensors as they act: every weight has the factor √2 / √inputs, the strength of noise too."""
    value = value.float()
    if own == "b4.const":
        return value[0]
    if own.endswith("noise_strength"):
        return value.flatten() * (GAIN / math.sqrt(max(1, value.numel())))
    if own.startswith("mapping.linears."):
        return value / (SLOW * (GAIN if own.endswith("bias") else 1.0))
    if own.endswith("affine.weight"):
        return value * GAIN
    if their.endswith("conv1.0.weight"):  # of a transposed convolution, (in, out, 3, 3), whose four shifts are averaged
        return _equalised(value.transpose(0, 1).flip(2, 3)) / 4.0
    return _equalised(value) if own.endswith(".weight") else value


FILTER = (1.0, 2.0, 1.0)
NVIDIA = (
    Names("StyleGAN in TensorFlow", "synthesis/4x4/Const/StyleMod/weight", _tensorflow, _turned, "dlatent_avg",
          ignored=lambda theirs: [name for name in theirs if re.fullmatch(r"(synthesis/)?(lod|ToRGB_lod\d+/\w+)", name)],
          arguments={
              "mapping_nonlinearity": "lrelu", "mapping_lrmul": 0.01, "normalize_latents": True, "use_wscale": True,
              "use_styles": True, "const_input_layer": True, "use_noise": True, "nonlinearity": "lrelu",
              "use_pixel_norm": False, "use_instance_norm": True, "fused_scale": "auto", "blur_filter": [1, 2, 1],
          }),
    Names("StyleGAN by genforce's names", "synthesis.layer0.const", _genforce, _nvidia, "truncation.w_avg", (".blur.kernel",),
          FILTER, lambda theirs: [name for name in theirs if re.fullmatch(r"synthesis\.(lod|output\d+\.\w+)", name)]),
)  # fmt: skip
ROSINALITY = Names(
    "rosinality's StyleGAN", "generator.progression.0.conv1.input", _rosinality, _equal_rate, "",
    (".conv1.1.weight", ".conv1.1.weight_flip", ".conv1.2.weight", ".conv1.2.weight_flip"), FILTER, _untrained,
)  # fmt: skip
