"""Factories that audits of the tests name as `tiny_models:…`: models whose records can be counted by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganaudit.datasets.protocol import Image
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.random import normals
from ganaudit.village.classes import NAMES
from ganaudit.village.render import render
from ganaudit.village.scene import Prevalence

SIDE = 8


class Brightness:
    """Dark, middle or bright (classes 1, 2, 3), pixel by pixel; faults that a parser may have."""

    classes = (ClassInfo(1, "dark"), ClassInfo(2, "middle"), ClassInfo(3, "bright"))
    resolution = SIDE

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def parse(self, images: Tensor) -> Labels:
        grey = (images.mean(dim=1) + 1.0) / 2.0
        maps = 1 + (grey > 0.4).long() + (grey > 0.6).long()
        confidence = (0.5 + (grey - 0.5).abs()).clamp(0.0, 1.0)
        faults: Mapping[str, Any] = {
            "floats": lambda: (maps.float(), confidence),
            "flat": lambda: (maps.flatten(1), confidence.flatten(1)),
            "one image less": lambda: (maps[1:], confidence[1:]),
            "unlike shapes": lambda: (maps, confidence[:, 1:]),
            "an id too high": lambda: (maps + 1, confidence),
            "a negative id": lambda: (maps - 2, confidence),
            "two heads": lambda: (torch.stack([maps, maps], 1), torch.stack([confidence, confidence], 1)),
            "not sure": lambda: (maps, confidence / 0.0 - confidence / 0.0),
            "half precision": lambda: (maps, confidence.half()),
        }
        if self.fault == "raises":
            raise ValueError("no such luck")
        if len(images) <= 2:  # it is tried on one or two
            return Labels(maps, confidence)
        return Labels(*faults.get(self.fault, lambda: (maps, confidence))())


class Slow(Brightness):
    """Takes its time over every batch."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.pause = pause

    def parse(self, images: Tensor) -> Labels:
        time.sleep(self.pause)
        return super().parse(images)


class Gaps(Brightness):
    """Says 1 to 3, declares 1 and 3 alone."""

    classes = (ClassInfo(1, "dark"), ClassInfo(3, "bright"))


class Eager(Brightness):
    """Sees bright pixels where Brightness still sees middle ones, and calls classes by other numbers."""

    classes = (ClassInfo(2, "Bright"), ClassInfo(4, "dark"), ClassInfo(7, "glow"))

    def __init__(self, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution = resolution

    def parse(self, images: Tensor) -> Labels:
        grey = (images.mean(dim=1) + 1.0) / 2.0
        maps = torch.where(grey > 0.9, 7, torch.where(grey > 0.5, 2, 4))
        return Labels(maps, torch.full(maps.shape, 0.75))


class Concepts:
    """Each concept a head of its own, by how bright it is from where to where; they overlap."""

    resolution = SIDE

    def __init__(self, concepts: Sequence[tuple[str, float, float]]) -> None:
        self.concepts = concepts
        self.classes = tuple(ClassInfo(place, name, name) for place, (name, _, _) in enumerate(concepts, 1))

    def parse(self, images: Tensor) -> Labels:
        grey = (images.mean(dim=1) + 1.0) / 2.0
        seen = [
            place * ((grey > low) & (grey <= high)) for place, (_, low, high) in enumerate(self.concepts, 1)
        ]  # fmt: skip
        maps = torch.stack(seen, dim=1).long()
        return Labels(maps, torch.full(maps.shape, 0.75))


class Noise:
    """Grey levels of their own for every pixel; faults that a generator may have, from image `since` on."""

    resolution = SIDE
    layers = ()

    def __init__(self, light: float = 0.0, fault: str = "", since: int = 0, resolution: int = SIDE) -> None:
        self.light, self.fault, self.since, self.resolution = light, fault, since, resolution

    def latents(self, seed: int, indices: Tensor) -> Mapping[str, Tensor]:
        z = normals(seed, "latent z", indices.numpy(), 3 * self.resolution**2)
        return {"z": torch.from_numpy(z), "index": indices}

    def run(self, state: Mapping[str, Tensor], after: str | None = None, upto: str | None = None) -> Mapping[str, Tensor]:
        image = torch.tanh(0.5 * state["z"] + self.light).reshape(-1, 3, self.resolution, self.resolution)
        if len(image) > 2:  # the check of the protocol samples two images
            image = self._spoiled(image, state["index"] >= self.since)
        return {**state, "image": image}

    def _spoiled(self, image: Tensor, which: Tensor) -> Tensor:
        if self.fault == "raises" and bool(which.any()):
            raise ZeroDivisionError("the generator divides by zero")
        if self.fault == "nan":
            image[which, 0, 0, 0] = float("nan")
        if self.fault == "infinite":
            image[which, 2, 3, 3] = float("inf")
        if self.fault == "bytes":
            image[which] = (image[which] + 1.0) * 127.5
        if self.fault == "overshoot":
            image[which] = image[which] * 1.0005
        if self.fault == "size" and bool(which.any()):
            return image[..., 1:]
        return image


class Prompted(Noise):
    """Four images to a prompt; image 7 has none."""

    def clusters(self, seed: int, indices: Tensor) -> list[str | None]:
        if self.fault == "too few":
            return ["a"]
        return [None if index == 7 else f"prompt {index // 4}" for index in indices.tolist()]


class Encoded:
    """The village with its exact label map written into the red channel: sixteen grey levels a class."""

    resolution = 64
    layers = ()

    def __init__(self, prevalence: Mapping[str, float]) -> None:
        self.prevalence = replace(Prevalence(), **prevalence)

    def latents(self, seed: int, indices: Tensor) -> Mapping[str, Tensor]:
        return {"index": indices, "seed": torch.full_like(indices, seed)}

    def run(self, state: Mapping[str, Tensor], after: str | None = None, upto: str | None = None) -> Mapping[str, Tensor]:
        if not len(state["index"]):
            return {**state, "image": torch.zeros(0, 3, 64, 64)}
        labels = render(self.prevalence, int(state["seed"][0]), state["index"].numpy())[1]
        grey = torch.from_numpy(labels).float() * 16.0 / 127.5 - 1.0
        return {**state, "image": grey[:, None].expand(-1, 3, -1, -1)}


class EncodedScenes:
    """The real side of `Encoded`."""

    def __init__(self, seed: int, images: int) -> None:
        self.seed, self.images = seed, images

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        labels = render(Prevalence(), self.seed, [index])[1][0]
        return Image(np.repeat(labels[..., None] * np.uint8(16), 3, axis=2), f"scene {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "encoded scenes", "seed": self.seed, "images": self.images}


class Decoder:
    """Reads what `Encoded` wrote, without a single mistake."""

    classes = tuple(ClassInfo(number, name) for number, name in enumerate(NAMES, start=1))
    resolution = 64

    def parse(self, images: Tensor) -> Labels:
        maps = torch.round((images[:, 0] + 1.0) * 127.5 / 16.0).long().clamp(max=len(NAMES))
        return Labels(maps, torch.ones_like(images[:, 0]))


class Ramp:
    """Real images: every image one grey level, `images` of them, some of which cannot be read."""

    def __init__(self, images: int, unreadable: int = 0, fault: str = "") -> None:
        self.images, self.unreadable, self.fault = images, unreadable, fault

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        from ganaudit.errors import ImageError

        if self.fault:
            raise KeyError(self.fault)
        if index < self.unreadable:
            raise ImageError(f"image {index} is torn")
        grey = 255 * index // self.images
        pixels = np.full((SIDE, SIDE, 3), grey, np.uint8)
        pixels[: SIDE // 2] //= 2
        return Image(pixels, f"image {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "ramp", "images": self.images, "unreadable": self.unreadable}


class Blots:
    """Real images: middle grey, most with a dark blot and a few with a bright one, nowhere the same."""

    def __init__(self, images: int, seed: int = 0) -> None:
        self.images, self.seed = images, seed

    def __len__(self) -> int:
        return self.images

    def image(self, index: int) -> Image:
        draws = np.random.default_rng([self.seed, index])
        pixels = draws.integers(115, 140, (SIDE, SIDE, 3))
        for share, low, high in ((0.8, 10, 60), (0.25, 200, 250)):
            top, left, height, width = (*draws.integers(0, 4, 2), *draws.integers(3, 6, 2))
            if draws.random() < share:
                pixels[top : top + height, left : left + width] = draws.integers(low, high, 3)
        return Image(pixels.astype(np.uint8), f"blots {index}")

    def recipe(self) -> Mapping[str, Any]:
        return {"kind": "blots", "images": self.images, "seed": self.seed}
