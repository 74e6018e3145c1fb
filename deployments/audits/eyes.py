"""What eyes.yaml needs: a parser that names the colour of every pixel, and the generator's own images as the real side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit import ClassInfo, Image, Labels
from ganaudit.context import Context
from ganaudit.generators.dcgan import DcganSource
from ganaudit.generators.opening import open_generator
from ganaudit.images import to_bytes

PROTOTYPES = {
    "black": (15, 15, 15), "white": (245, 245, 245), "grey": (128, 128, 128), "red": (200, 25, 30), "green": (30, 130, 60),
    "yellow": (235, 205, 50), "blue": (40, 80, 190), "brown": (110, 65, 35), "orange": (235, 125, 30), "pink": (245, 165, 175),
    "purple": (120, 50, 140),
}  # fmt: skip
"""The eleven basic colour terms (Berlin and Kay, 1969), each as one colour, sRGB."""
CLASSES = 8
"""Of the generator: amber, blue, brown, grey, grayscale, green, hazel and red eyes."""


def lab(colours: Tensor) -> Tensor:
    """sRGB (…, 3) in [0, 1] → CIELAB under D65 (…, 3), in which equal distances look about equally large."""
    linear = torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.to(linear).T / torch.tensor([0.9505, 1.0, 1.089]).to(linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-12) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


class ColourNames(torch.nn.Module):
    """Images (N, 3, H, W) in [-1, 1] in; each pixel is called after the nearest of the eleven prototypes."""

    resolution = 64
    classes = tuple(ClassInfo(number, name) for number, name in enumerate(PROTOTYPES, start=1))

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("prototypes", lab(torch.tensor(list(PROTOTYPES.values())) / 255))

    def parse(self, images: Tensor) -> Labels:
        pixels = lab((images.float().permute(0, 2, 3, 1) + 1) / 2)
        nearness = -torch.cdist(pixels.flatten(1, 2), self.prototypes[None].expand(len(images), -1, -1)) / 10
        confidence, labels = nearness.softmax(-1).max(-1)
        return Labels((labels + 1).view(pixels.shape[:3]), confidence.view(pixels.shape[:3]))


class OwnImages:
    """The generator's images as a collection: image i is that of latent i of a seed that no generator of the audit has."""

    resolution = 128

    def __init__(self, weights: str, images: int, seed: int) -> None:
        path = Path(weights)
        options = DcganSource(name="whole", kind="dcgan", weights=path.name, classes=CLASSES)
        self.generator = open_generator(options, Context(path.parent)).generator
        self.images, self.seed = images, seed

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        with torch.inference_mode():
            made = self.generator.run(self.generator.latents(self.seed, torch.tensor([index])))["image"]
        return Image(np.asarray(to_bytes(made.clamp(-1, 1)))[0], f"eye {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"images": self.images, "seed": self.seed}


def make_parser() -> ColourNames:
    return ColourNames()


def own_images(weights: str, images: int, seed: int) -> OwnImages:
    return OwnImages(weights, images, seed)
