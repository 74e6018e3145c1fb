"""The alias-free style-based body (Karras et al., NeurIPS 2021), t and r: Fourier features moved by a style, convolutions
scaled by the mean square of their inputs, leaky ReLUs at twice the sampling rate between low-pass filters.

The filters are those in the weights. As in `stylegan`, activations are scaled instead of weights. Signals are wider than the
image by a margin, which the last convolution crops.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.networks.conditional_mapping import mapping_of
from ganaudit.generators.networks.half import CLAMP, resolutions
from ganaudit.generators.networks.output import Clamped
from ganaudit.generators.networks.stylegan import GAIN, MappingNetwork, SlowLinear, StyleGenerator
from ganaudit.generators.protocol import State

FINER = 2
"""Sampling rate of a leaky ReLU, relative to that of what it gives."""
CONTRAST = 0.25
"""Of the last convolution's output, that of the image."""
Taps = Sequence[int]
"""A filter's shape: (taps,) of one that is applied to columns and to rows, (taps, taps) of a radial one."""


def upsampled(x: Tensor, taps: Tensor, factor: int, before: int, after: int) -> Tensor:
    """(N, C, h, w) -> (N, C, factor·h + before + after - taps + 1, …): zeros between pixels and around them (less of them where
    negative), filtered, and kept at its size."""
    length = taps.shape[-1]
    taps = (taps * float(factor) ** taps.ndim).to(x.dtype)
    for kernel, along in _kernels(x, taps):
        stride = (factor if along[0] else 1, factor if along[1] else 1)
        x = F.conv_transpose2d(x, kernel, stride=stride, groups=x.shape[1])
    low, high = before - length + 1, after - length + factor
    return F.pad(x, (low, high, low, high))


def downsampled(x: Tensor, taps: Tensor, factor: int) -> Tensor:
    """(N, C, h, w) -> (N, C, (h - taps) // factor + 1, …): filtered, and one of `factor` pixels kept."""
    for kernel, along in _kernels(x, taps.flip(tuple(range(taps.ndim))).to(x.dtype)):
        x = F.conv2d(x, kernel, stride=(factor if along[0] else 1, factor if along[1] else 1), groups=x.shape[1])
    return x


def _kernels(x: Tensor, taps: Tensor) -> list[tuple[Tensor, tuple[bool, bool]]]:
    """A filter for each channel of x, one after another, and whether each is along columns and along rows."""
    if taps.ndim == 2:
        return [(taps.expand(x.shape[1], 1, -1, -1), (True, True))]
    return [
        (taps[:, None].expand(x.shape[1], 1, -1, 1), (True, False)), (taps.expand(x.shape[1], 1, 1, -1), (False, True))
    ]  # fmt: skip


class FourierFeatures(nn.Module):
    """Waves of fixed frequencies and phases on a plane that style w (N, L) turns and shifts, mixed: (N, channels, size, size).

    rate: pixels of them in the image's height."""

    def __init__(self, width: int, channels: int, size: int, rate: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = SlowLinear(width, 4, 1.0)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.randn(channels, 2))
        self.register_buffer("phases", torch.rand(channels))
        self.size, self.rate = size, rate

    def forward(self, w: Tensor) -> Tensor:
        frequencies, phases, transform = (self.get_buffer(name) for name in ("freqs", "phases", "transform"))
        turned = self.affine(w).float()
        cosine, sine, right, down = (turned / turned[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        turn = torch.stack([torch.stack([cosine, -sine], dim=1), torch.stack([sine, cosine], dim=1)], dim=1)
        shift = turn @ (transform[:2, 2] - torch.stack([right, down], dim=1))[:, :, None]
        frequencies, phases = frequencies @ (turn @ transform[:2, :2]), phases + (frequencies @ shift)[:, :, 0]
        place = (torch.arange(self.size, device=w.device) + 0.5 - self.size / 2) / self.rate
        across, along = (place[:, None] * frequencies[:, None, :, axis] for axis in (0, 1))  # (N, size, channels)
        waves = torch.sin(2 * math.pi * (along[:, :, None] + across[:, None] + phases[:, None, None]))
        mixed: Tensor = waves @ (self.weight.T * self.weight.shape[1] ** -0.5)
        return mixed.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Shape:
    """What a convolution is like. weight: (after, before, k, k). size, before: of a side of what it gives and gets, in pixels.
    up_filter, down_filter: around its leaky ReLU; those of the last convolution, which has neither, are None."""

    weight: Sequence[int]
    size: int
    before: int
    up_filter: Taps | None = None
    down_filter: Taps | None = None

    @property
    def factor(self) -> int:
        """How many times finer than its input its leaky ReLU is sampled."""
        if self.up_filter is None or self.down_filter is None:
            return 1
        return FINER * self.up_filter[-1] // self.down_filter[-1]

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros before and after what is upsampled, so that both ends lose the same (the paper's Appendix C.3)."""
        taps = 0 if self.up_filter is None or self.down_filter is None else self.up_filter[-1] + self.down_filter[-1] - 2
        finer = 1 if self.down_filter is None else FINER
        total = (self.size - 1) * finer + 1 - (self.before + self.weight[-1] - 1) * self.factor + taps
        low = (total + self.factor) // 2
        return low, total - low


class Filtered(nn.Module):
    """x (N, before, h, h) under style w (N, L) -> (N, after, size, size): convolved, demodulated, a leaky ReLU between filters.

    The last convolution has no filters, and is linear and not demodulated."""

    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        after, before, *_ = shape.weight
        self.affine = SlowLinear(width, before, 1.0)
        nn.init.ones_(self.affine.bias)
        self.weight = nn.Parameter(torch.randn(*shape.weight))
        self.bias = nn.Parameter(torch.zeros(after))
        self.register_buffer("magnitude_ema", torch.ones(()))
        for name in ("up_filter", "down_filter"):
            taps = getattr(shape, name)
            self.register_buffer(name, None if taps is None else torch.zeros(*taps))
        self.factor, self.padding = shape.factor, shape.padding

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, gain = self.affine(w).float(), self.get_buffer("magnitude_ema").rsqrt()
        if self.up_filter is None or self.down_filter is None:
            x = self._convolved(x, style * (gain * x.shape[1] ** -0.5), self.weight)
            low, high = self.padding
            return F.pad(x + self.bias[:, None, None].to(x.dtype), (low, high, low, high)).clamp(-CLAMP, CLAMP)
        style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
        weight = self.weight.float() * self.weight.float().square().sum(dim=(1, 2, 3), keepdim=True).rsqrt()
        size = torch.rsqrt(style.square() @ weight.square().sum(dim=(2, 3)).T)
        x = self._convolved(x, style * gain, weight) * size[:, :, None, None].to(x.dtype)
        x = (x + self.bias[:, None, None].to(x.dtype)) * GAIN  # a leaky ReLU keeps a factor: here there are fewer pixels of it
        x = upsampled(x, self.up_filter, self.factor, *self.padding)
        return downsampled(F.leaky_relu(x, 0.2).clamp(-CLAMP, CLAMP), self.down_filter, FINER)

    def _convolved(self, x: Tensor, style: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype), padding=weight.shape[-1] - 1)


class Stylegan3(StyleGenerator):
    """StyleGAN3, its layers named as published: `input`, the Fourier features, and `L0_36_512` and so on, activations of so
    many pixels and channels. Its last convolution, to colours, is the output.

    Its latents hold `z`, and `label` where it has classes; `w` in a state as in `StyleGenerator`, (N, L) or (N, styles, L): a
    style for each layer, and one for the colours.
    """

    w_avg: Tensor

    def __init__(
        self, latent: int, mapping: MappingNetwork, rate: int, shapes: Mapping[str, Shape], output: Shape
    ) -> None:  # fmt: skip
        first, width = next(iter(shapes.values())), len(mapping.linears[-1].get_parameter("bias"))
        layers: list[tuple[str, nn.Module]] = [("input", FourierFeatures(width, first.weight[1], first.before, rate))]
        layers += [(name, Filtered(width, shape)) for name, shape in shapes.items()]
        super().__init__(latent, mapping, layers, Filtered(width, output), (output.size, output.size))
        self.styles = len(layers) + 1
        self.register_buffer("w_avg", torch.zeros(width))
        self.clamped = Clamped()

    def halved(self, said: Mapping[str, Any]) -> Mapping[str, torch.dtype]:
        """The convolutions whose sampling rates are among the highest, and with the last one that to colours."""
        layers: dict[str, Any] = {name: self.get_submodule(name) for name in self.layers}
        rate, names = layers["input"].rate, []
        for name in self.layers[1:]:
            rate = rate * layers[name].factor // FINER
            if rate * 2 ** resolutions(said) > self.resolution[0]:
                names.append(name)
        return dict.fromkeys(names, torch.float16)

    def center(self) -> Tensor:
        """The average style that was kept in training."""
        return self.w_avg

    def latents(self, seed: int, indices: Tensor) -> State:
        """Standard normal `z`, float32 on the generator's device, and `label` where it has classes."""
        return MappingProxyType(self._drawn(seed, indices))

    def start(self, state: State) -> Tensor:
        """The style of the Fourier features."""
        return self._style(state, 0)

    def layer(self, name: str, x: Tensor, state: State) -> Tensor:
        place, module = self.layers.index(name), self.get_submodule(name)
        output: Tensor = module(x) if place == 0 else module(x, self._style(state, place))
        return output

    def finish(self, x: Tensor, beside: Tensor | None, state: State) -> Tensor:
        image: Tensor = self.clamped(self.unclamped(x, state))
        return image

    def unclamped(self, x: Tensor, state: State) -> Tensor:
        """The image (N, 3, H, W) of the last layer's activations, whose values may be out of [-1, 1]. state: with `w`."""
        colours: Tensor = self.output(self.as_in(self.layers[-1], x), self._style(state, self.styles - 1)).float()
        return (CONTRAST * colours).expand(-1, 3, -1, -1)

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [-1, 1] of latents (N, latent)."""
        return self.run({"z": z})["image"]

    def _style(self, state: State, number: int) -> Tensor:
        w = state["w"]
        return w[:, number] if w.ndim == 3 else w


LAYER = re.compile(r"L(\d{1,3})_(\d{1,5})_\d{1,5}")
"""A convolution's name: its number, and the side of what it gives in pixels."""


def from_weights(tensors: Mapping[str, Tensor]) -> Stylegan3:
    """The body whose sizes are those of `tensors`, named as `translated` gives them (its parameters are not filled yet)."""
    named = sorted({(int(found[1]), int(found[2]), found[0]) for name in tensors if (found := LAYER.match(name))})
    shapes: dict[str, Shape] = {}
    try:
        latent, mapping = mapping_of(tensors)
        before = named[0][1]
        for _, size, name in named:
            filters = (tensors[f"{name}.{each}_filter"].shape for each in ("up", "down"))
            shapes[name] = Shape(tensors[f"{name}.weight"].shape, size, before, *filters)
            before = size
        output = Shape(tensors["output.weight"].shape, before, before)
        channels = tensors["input.weight"].shape[0]
    except (KeyError, IndexError) as missing:
        raise RequestError(f"these are not the weights of a stylegan3 generator (no usable {missing})") from None
    convolutions = (*shapes.values(), output)
    if not all(len(each.weight) == 4 and each.weight[2] == each.weight[3] for each in convolutions):
        raise RequestError("these are not the weights of a stylegan3 generator (a convolution that is not square)")
    if not all((channels, *(side for each in convolutions for side in (*each.weight, each.size, each.before)))):
        raise RequestError("these are not the weights of a stylegan3 generator (sizes of 0)")
    if output.weight[0] not in (1, 3):
        raise RequestError(f"these are the weights of a generator of {output.weight[0]} channels; images have 1 or 3")
    return Stylegan3(latent, mapping, _rate(shapes), shapes, output)


def _rate(shapes: Mapping[str, Shape]) -> int:
    """Pixels of the Fourier features in the image's height: those of the image, as often halved as filters double them.
    Raises RequestError for filters that do not, and for sizes other than the sampling rate and one margin, or the image."""
    backwards = list(shapes.items())[::-1]
    rate = resolution = backwards[0][1].size
    margins: set[int] = set()
    for name, shape in backwards:
        up, down = (tuple(each or ()) for each in (shape.up_filter, shape.down_filter))
        if not all(len(taps) in (1, 2) and taps[0] == taps[-1] for taps in (up, down)):
            raise RequestError(f"{name}: a filter is (taps,) or (taps, taps), and these are {up} and {down}")
        if not (up[0] and down[0]) or up[0] * FINER % down[0] or rate * FINER % shape.factor:
            raise RequestError(
                f"{name}: filters of {up[0]} and {down[0]} taps do not change a rate of {rate} pixels by a whole number"
            )
        if shape.size != resolution:
            margins.add(shape.size - rate)
        rate = rate * FINER // shape.factor
        margins |= {shape.before - rate} - {resolution - rate}
    if len(margins) > 1 or min(margins, default=0) < 0:
        raise RequestError(
            f"its layers are wider than their sampling rates by {sorted(margins)} pixels; one margin is expected"
        )
    return rate


def translated(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Tensors named as NVIDIA's are, or as here, by the names of `Stylegan3`: the convolution with the highest number is its
    output. Raises RequestError for leaky ReLUs that are sampled at another rate than those of the paper."""
    names = {
        name: re.sub(r"^mapping\.fc(\d{1,3})\.", r"mapping.linears.\1.", name.removeprefix("synthesis.")) for name in tensors
    }
    numbered = sorted({(int(found[1]), found[0]) for name in names.values() if (found := LAYER.match(name))})
    if "output.weight" not in tensors and numbered:
        last = numbered.pop()[1]
        names = {name: re.sub(rf"^{last}\.", "output.", own) for name, own in names.items()}
    own = {names[name].replace("mapping.w_avg", "w_avg"): value for name, value in tensors.items()}
    if "input.transform" in own:
        _check_transform(own["input.transform"].double())
    last = f"{numbered[-1][1]}.down_filter" if numbered else ""
    if last in own and not _halves(own[last]):
        raise RequestError(
            f"{last} is no filter for half of its rate; known are leaky ReLUs at {FINER} times the rate of what a layer gives"
        )
    return own


def _check_transform(transform: Tensor) -> None:
    """Raises RequestError for one that stretches the plane of the Fourier features, which damps some of them."""
    turn = transform[:2, :2] if transform.shape == (3, 3) else torch.zeros(2, 2, dtype=torch.float64)
    if not torch.allclose(turn @ turn.T, torch.eye(2, dtype=torch.float64), atol=1e-3):
        raise RequestError("input.transform is known as turn and shift, (3, 3); this one is something else")


def _halves(taps: Tensor) -> bool:
    """Whether a filter, (taps,) or (taps, taps), passes an eighth of the rate it is applied at, and not a quarter."""
    taps = taps.double().sum(dim=0) if taps.ndim == 2 else taps.double()
    turns = 2j * math.pi * torch.arange(len(taps), dtype=torch.float64)
    eighth, quarter = (float((taps * torch.exp(turns * rate)).sum().abs() / taps.sum().abs()) for rate in (0.125, 0.25))
    return eighth > 0.6 > quarter
