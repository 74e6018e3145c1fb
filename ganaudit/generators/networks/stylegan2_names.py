"""The layouts that StyleGAN2's generators circulate in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.networks.published_names import Names, Tensors, numbers, scope, turned_weight
from ganaudit.names import first_few

PARTS = {"weight": 4, "bias": 1, "noise_strength": 0, "noise_const": 2, "affine.weight": 2, "affine.bias": 1}
"""What a convolution has, and how many dimensions each has here; a ToRGB has no noise."""


def _nvidia(theirs: Tensors) -> Iterator[tuple[str, str]]:
    for number in range(numbers(r"mapping\.fc(\d{1,3})\.", theirs)):
        for part in ("weight", "bias"):
            yield f"mapping.fc{number}.{part}", f"mapping.linears.{number}.{part}"
    if "mapping.embed.weight" in theirs:
        for part in ("weight", "bias"):
            yield f"mapping.embed.{part}", f"mapping.embed.{part}"
    yield "synthesis.b4.const", "b4.const"
    side = numbers(r"synthesis\.b(\d{1,6})\.", theirs) - 1
    for name, part in _convolutions(side.bit_length() - 2):
        yield f"synthesis.{name}.{part}", f"{name}.{part}"


def _tensorflow(theirs: Tensors) -> Iterator[tuple[str, str]]:
    for number in range(numbers(r"mapping/Dense(\d{1,3})/", theirs)):
        for part in ("weight", "bias"):
            yield f"mapping/Dense{number}/{part}", f"mapping.linears.{number}.{part}"
    if "mapping/LabelConcat/weight" in theirs:
        yield "mapping/LabelConcat/weight", "mapping.embed.weight"
    elif "mapping/LabelEmbed/weight" in theirs:
        for part in ("weight", "bias"):
            yield f"mapping/LabelEmbed/{part}", f"mapping.embed.{part}"
    yield "synthesis/4x4/Const/const", "b4.const"
    parts = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}
    for name, part in _convolutions((numbers(r"synthesis/(\d{1,6})x", theirs) - 1).bit_length() - 2):
        side, own = int(name[1 : name.index(".")]), name[name.index(".") + 1 :]
        if part == "noise_const":
            yield f"synthesis/noise{_number(side, own)}", f"{name}.{part}"
        else:
            its = f"{side}x{side}/ToRGB" if own == "torgb" else scope(side, own)
            yield f"synthesis/{its}/{parts.get(part, part)}", f"{name}.{part}"


def _rosinality(theirs: Tensors) -> Iterator[tuple[str, str]]:
    for number in range(1, numbers(r"style\.(\d{1,3})\.", theirs)):
        for part in ("weight", "bias"):
            yield f"style.{number}.{part}", f"mapping.linears.{number - 1}.{part}"
    yield "input.input", "b4.const"
    convolution = {
        "weight": "conv.weight", "bias": "activate.bias", "noise_strength": "noise.weight",
        "affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias",
    }  # fmt: skip
    for name, part in _convolutions(numbers(r"to_rgbs\.(\d{1,3})\.", theirs) + 1):
        side, own = int(name[1 : name.index(".")]), name[name.index(".") + 1 :]
        if own == "torgb":
            prefix = "to_rgb1" if side == 4 else f"to_rgbs.{side.bit_length() - 4}"
            yield f"{prefix}.{'bias' if part == 'bias' else convolution[part]}", f"{name}.{part}"
            continue
        number = _number(side, own)
        if part == "noise_const":
            yield f"noises.noise_{number}", f"{name}.{part}"
        else:
            yield f"{'conv1' if number == 0 else f'convs.{number - 1}'}.{convolution[part]}", f"{name}.{part}"


def _convolutions(blocks: int) -> Iterator[tuple[str, str]]:
    """("b8.conv0", "weight") and so on, of so many blocks."""
    for place in range(blocks):
        for own in ("conv1", "torgb") if place == 0 else ("conv0", "conv1", "torgb"):
            for part in PARTS:
                if own != "torgb" or not part.startswith("noise"):
                    yield f"b{4 * 2**place}.{own}", part


def _number(side: int, own: str) -> int:
    """Which convolution it is, that of 4x4 being the first."""
    return 2 * (side.bit_length() - 3) - (own == "conv0")


def _reshaped(value: Tensor, own: str, their: str) -> Tensor:
    """Without the dimensions of 1 that a layout has more: before the others, and after them."""
    part = own.split(".", 2)[-1] if own.startswith("b") else ""
    dimensions = 3 if own == "b4.const" else PARTS.get(part, value.ndim)
    while value.ndim > dimensions and value.shape[0] == 1:
        value = value[0]
    while value.ndim > dimensions and value.shape[-1] == 1:
        value = value[..., 0]
    return value


def _turned(value: Tensor, own: str, their: str) -> Tensor:
    """TensorFlow's: upsampling convolutions are flipped, and styles are kept without the 1 around which they are."""
    if own.endswith("affine.bias"):
        return value + 1.0
    if own.endswith(".weight") and not their.endswith("LabelConcat/weight"):
        return turned_weight(value.flip(0, 1) if own.endswith("conv0.weight") else value)
    return _reshaped(value, own, their)


FILTER = (1.0, 3.0, 3.0, 1.0)
LAYOUTS = (
    Names("StyleGAN2-ADA in PyTorch", "synthesis.b4.const", _nvidia, _reshaped, "mapping.w_avg", (".resample_filter",), FILTER),
    Names("rosinality's", "input.input", _rosinality, _reshaped, "latent_avg", (".blur.kernel", ".upsample.kernel"), FILTER),
    Names("StyleGAN2 in TensorFlow", "synthesis/4x4/Conv/mod_weight", _tensorflow, _turned, "dlatent_avg",
          ignored=lambda _: ("lod", "synthesis/lod"),
          arguments={
              "mapping_nonlinearity": "lrelu", "mapping_lrmul": 0.01, "normalize_latents": True, "nonlinearity": "lrelu",
              "architecture": "skip", "resample_kernel": [1, 3, 3, 1],
          }),
)  # fmt: skip


def named(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A generator's tensors under our names, from a file of a known layout, or ours. Raises RequestError for what is of no
    known layout, and as `Names.renamed` does."""
    if "b4.const" in tensors:
        return tensors
    for layout in LAYOUTS:
        if layout.fits(tensors):
            return layout.renamed(tensors)
    marks = ", ".join(f"{layout.mark} ({layout.title})" for layout in LAYOUTS)
    raise RequestError(
        f"these are not the weights of a stylegan2 generator: there is neither b4.const nor {marks}, but "
        f"{first_few(sorted(tensors), 3)}"
    )
