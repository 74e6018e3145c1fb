"""What inversion has to know about a generator, read from the generator itself: latent, layers, which of them to free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import Generator, size_of, with_z
from ganaudit.keys import digest
from ganaudit.state import state_digest

SHARE = 0.25
"""Free numbers per pixel value up to which a residual search is evidence: 49,152 of 196,608 in Bau et al., ICCV 2019."""

LARGEST_DIFFERENCE = 1e-3
"""Change of an image, in [-1, 1], below which twice the latent counts as the same latent."""


@dataclass(frozen=True)
class LayerShape:
    """One layer's output for one image."""

    name: str
    channels: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.channels * self.height * self.width


@dataclass(frozen=True)
class GeneratorShape:
    """A generator's sizes. direction_only: the length of z does not matter, only its direction (as behind a pixel norm)."""

    resolution: int
    latent: int
    layers: tuple[LayerShape, ...]
    direction_only: bool

    @property
    def pixel_values(self) -> int:
        return 3 * self.resolution * self.resolution

    def upto(self, name: str) -> tuple[LayerShape, ...]:
        """The layers from the first to `name`. Raises RequestError naming the layers that exist."""
        names = [layer.name for layer in self.layers]
        if name not in names:
            raise RequestError(f"layer {name!r} does not exist; this generator has {', '.join(names)}")
        return self.layers[: names.index(name) + 1]


@dataclass(frozen=True)
class LayerChoice:
    """Which layers get free residuals, the layer r after them, and how many numbers are free per pixel value."""

    residuals: tuple[str, ...]
    feature: str
    ratio: float

    @property
    def evidential(self) -> bool:
        """Whether what is found this way says something about the generator, or is an upper bound only."""
        return self.ratio <= SHARE


@torch.no_grad()
def read_shape(generator: Generator) -> GeneratorShape:
    """The shape of any generator with named layers. Raises RequestError where it has none, no latent z (N, L), or images that
    are not square."""
    why: str | None = getattr(generator, "not_inverted", None)
    if why is not None:
        raise RequestError(why)
    height, width = size_of(generator)
    if height != width:
        raise RequestError(f"inversion is of square images, and this generator makes images of {height}×{width} pixels")
    if not generator.layers:
        raise RequestError("this generator has no named layers, so there is nothing between its latent and its image to free")
    state = generator.latents(0, torch.arange(4))
    z = state.get("z")
    if z is None or z.ndim != 2:
        sides = "none" if z is None else "×".join(str(side) for side in z.shape)
        raise RequestError(f"inversion needs a latent z of shape (N, L) in the generator's state; this one has {sides}")
    layers: list[LayerShape] = []
    current: Mapping[str, Tensor] = state
    for name, before in zip(generator.layers, (None, *generator.layers), strict=False):
        current = generator.run(current, after=before, upto=name)
        shape = tuple(current[name].shape)
        if len(shape) != 4:
            raise RequestError(f"layer {name!r} gives {'×'.join(map(str, shape))} values; inversion needs (N, C, h, w)")
        layers.append(LayerShape(name, *shape[1:]))
    once, twice = generator.run(state)["image"], generator.run(with_z(state, 2.0 * z))["image"]
    direction_only = bool((once - twice).abs().max() < LARGEST_DIFFERENCE)
    return GeneratorShape(height, int(z.shape[1]), tuple(layers), direction_only)


def choose_layers(shape: GeneratorShape, layer: str = "auto") -> LayerChoice:
    """`auto`: residuals on the first layers while together they number at most SHARE of the pixel values; r is the next one.

    Any other name is r itself, and every layer before it gets residuals: beyond SHARE that is an upper bound, no evidence.
    Raises RequestError for a layer that does not exist.
    """
    names = [layer.name for layer in shape.layers]
    if layer == "auto":
        free, count = 0, 0
        while count < len(names) - 1 and free + shape.layers[count].size <= SHARE * shape.pixel_values:
            free += shape.layers[count].size
            count += 1
    else:
        before = shape.upto(layer)[:-1]
        free, count = sum(layer.size for layer in before), len(before)
    return LayerChoice(tuple(names[:count]), names[count], free / shape.pixel_values)


def generator_digest(generator: Generator) -> str:
    """What an inverter belongs to: the generator's tensors to the bit, but for those of an encoder of its own, its layers,
    resolution and sampling. 24 hexadecimal digits.

    Raises RequestError for a generator whose tensors cannot be read.
    """
    state = state_digest(generator, "encoder." if hasattr(generator, "encodes") else None)
    if state is None:
        raise RequestError("this generator has no tensors to know it by; an inverter cannot be tied to it")
    height, width = size_of(generator)
    sampling = getattr(generator, "sampling", None)
    said = {"sampling": dict(sampling)} if sampling else {}
    size = height if height == width else [height, width]
    return digest({"state": state, "layers": list(generator.layers), "resolution": size, **said})
