"""The layouts that StyleGAN2's generators circulate in, read as one: names, and a dimension of 1 here and there, differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.names import first_few

PARTS = {"weight": 4, "bias": 1, "noise_strength": 0, "noise_const": 2, "affine.weight": 2, "affine.bias": 1}
"""What a convolution has, and how many dimensions each has here; a ToRGB has no noise."""


def _nvidia(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    for number in range(_count(r"mapping\.fc(\d{1,3})\.", theirs)):
        for part in ("weight", "bias"):
            yield f"mapping.fc{number}.{part}", f"mapping.linears.{number}.{part}"
    yield "synthesis.b4.const", "b4.const"
    side = _count(r"synthesis\.b(\d{1,6})\.", theirs) - 1
    for name, part in _convolutions(side.bit_length() - 2):
        yield f"synthesis.{name}.{part}", f"{name}.{part}"


def _rosinality(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    for number in range(1, _count(r"style\.(\d{1,3})\.", theirs)):
        for part in ("weight", "bias"):
            yield f"style.{number}.{part}", f"mapping.linears.{number - 1}.{part}"
    yield "input.input", "b4.const"
    convolution = {
        "weight": "conv.weight", "bias": "activate.bias", "noise_strength": "noise.weight",
        "affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias",
    }  # fmt: skip
    for name, part in _convolutions(_count(r"to_rgbs\.(\d{1,3})\.", theirs) + 1):
        side, own = name.split(".")
        place = int(side[1:]).bit_length() - 3
        number = 2 * place - (own == "conv0")  # of the convolution, the first being that of b4
        if own == "torgb":
            prefix = "to_rgb1" if place == 0 else f"to_rgbs.{place - 1}"
            yield f"{prefix}.{'bias' if part == 'bias' else convolution[part]}", f"{name}.{part}"
        elif part == "noise_const":
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


def _count(pattern: str, names: Mapping[str, Tensor]) -> int:
    """One more than the largest number that the pattern finds in names."""
    return 1 + max((int(found[1]) for name in names if (found := re.match(pattern, name))), default=-1)


@dataclass(frozen=True)
class Layout:
    """One layout. mark: a name that it alone has. names: pairs of their name and ours, for a network of the size that theirs
    show. average: the name of the average style. filters: what the names of the filters end in."""

    title: str
    mark: str
    names: Callable[[Mapping[str, Tensor]], Iterator[tuple[str, str]]]
    average: str
    filters: tuple[str, ...]

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether tensors by name have it, below a name of their own or not."""
        return any(f".{name}".endswith(f".{self.mark}") for name in tensors)


LAYOUTS = (
    Layout("StyleGAN2-ADA in PyTorch", "synthesis.b4.const", _nvidia, "mapping.w_avg", (".resample_filter",)),
    Layout("rosinality's", "input.input", _rosinality, "latent_avg", (".blur.kernel", ".upsample.kernel")),
)


def named(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A generator's tensors under our names, from a file of a known layout, or ours.

    A checkpoint may hold other networks beside it, each below a name of its own; of several generators the one whose name says
    that it is an average (`G_ema.`, `g_ema.`) is taken. Raises RequestError for what is of no known layout, for names that are
    missing or not known, and for a filter that is not StyleGAN2's.
    """
    if "b4.const" in tensors:
        return tensors
    for layout in LAYOUTS:
        if layout.fits(tensors):
            prefixes = [name.removesuffix(layout.mark) for name in tensors if f".{name}".endswith(f".{layout.mark}")]
            return _renamed(layout, _prefix(prefixes), tensors)
    marks = ", ".join(f"{layout.mark} ({layout.title})" for layout in LAYOUTS)
    raise RequestError(
        f"these are not the weights of a stylegan2 generator: there is neither b4.const nor {marks}, but "
        f"{first_few(sorted(tensors), 3)}"
    )


def _prefix(prefixes: list[str]) -> str:
    averages = [prefix for prefix in prefixes if "ema" in prefix.lower()]
    for found in (averages, prefixes):
        if len(found) == 1:
            return found[0]
    raise RequestError(f"there are several stylegan2 generators, {', '.join(prefixes)}; save the state dict of one alone")


def _renamed(layout: Layout, prefix: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    theirs = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    if any(name.startswith("mapping.embed.") for name in theirs):
        raise RequestError("this stylegan2 generator is conditional (mapping.embed.weight); those without classes are known")
    names = dict(layout.names(theirs))
    filters = [name for name in theirs if name.endswith(layout.filters)]
    missing = [f"{prefix}{name} is missing" for name in names if name not in theirs]
    extra = theirs.keys() - names.keys() - {*filters, layout.average}
    wrong = missing + [f"{prefix}{name} is unknown" for name in sorted(extra)]
    if wrong:
        raise RequestError(f"this is of another architecture than {layout.title}: {first_few(wrong, 3, '; ')}")
    for name in filters:
        _check_filter(prefix + name, theirs[name])
    own = {name: _reshaped(theirs[their], name) for their, name in names.items()}
    beside = [value for name, value in tensors.items() if f".{name}".endswith(f".{layout.average}")]
    average = theirs.get(layout.average, beside[0] if beside else None)
    return own if average is None else {**own, "w_avg": average.reshape(-1)}


def _check_filter(name: str, value: Tensor) -> None:
    """Raises RequestError for a filter other than [1, 3, 3, 1] in both directions, whatever its sum."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8.0
    value = value.double()
    if value.shape != (4, 4) or not torch.allclose(value / value.sum(), torch.outer(taps, taps), atol=1e-4):
        raise RequestError(f"{name} is another filter than [1, 3, 3, 1] in both directions, which is the one that is known")


def _reshaped(value: Tensor, own: str) -> Tensor:
    """Without the dimensions of 1 that this layout has more: before the others, and after them."""
    part = own.split(".", 2)[-1] if own.startswith("b") else ""
    dimensions = 3 if own == "b4.const" else PARTS.get(part, value.ndim)
    while value.ndim > dimensions and value.shape[0] == 1:
        value = value[0]
    while value.ndim > dimensions and value.shape[-1] == 1:
        value = value[..., 0]
    return value
