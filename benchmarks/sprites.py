"""A generator whose range is known exactly: z → scene parameters → soft sprites → image, all of it differentiable.

Each kind of sprite can be switched off: then no latent, no residual on the scene and no search makes it, and an inversion of
an image that holds it has a right answer. Class colours are far apart, so that the nearest one tells what a pixel shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaudit.errors import RequestError
from ganaudit.generators.protocol import State
from ganaudit.parsers.protocol import ClassInfo, Labels
from ganaudit.random import normals

SIDE = 64
EDGE = 0.4
"""Softness of every outline, in pixels."""
STEEP = 12.0
"""How fast a sprite appears as its presence latent crosses its threshold."""

Range = tuple[float, float]


@dataclass(frozen=True)
class SpritePart:
    """One shape of a sprite, in units of the sprite's size: centre (x, y), half width, half height, its class."""

    shape: str
    x: float
    y: float
    width: float
    height: float
    name: str


@dataclass(frozen=True)
class Sprite:
    """One kind: how often it stands in a scene, where (pixels, y downwards) and how large (pixels) it may be."""

    name: str
    prevalence: float
    x: Range
    y: Range
    size: Range
    parts: tuple[SpritePart, ...]


SPRITES = (
    Sprite("sun", 0.5, (8, 56), (5, 12), (3, 4.5), (SpritePart("ellipse", 0, 0, 1, 1, "sun"),)),
    Sprite("cloud", 0.6, (8, 56), (8, 18), (6, 9), (SpritePart("ellipse", 0, 0, 1, 0.4, "cloud"),)),
    Sprite("road", 0.7, (32, 32), (48, 56), (3, 4.5), (SpritePart("box", 0, 0, 20, 1, "road"),)),
    Sprite(
        "house",
        0.9,
        (14, 50),
        (29, 33),
        (8, 11),
        (SpritePart("box", 0, 0, 1, 0.7, "building"), SpritePart("triangle", 0, -1.1, 1.15, 0.45, "roof")),
    ),
    Sprite("tree", 0.7, (6, 58), (28, 36), (7, 10), (SpritePart("triangle", 0, 0, 0.6, 1, "tree"),)),
    Sprite("fence", 0.4, (14, 50), (43, 46), (8, 11), (SpritePart("box", 0, 0, 1, 0.2, "fence"),)),
    Sprite(
        "car",
        0.4,
        (8, 56),
        (50, 57),
        (5, 6.5),
        (SpritePart("box", 0, 0, 1, 0.35, "car"), SpritePart("box", 0, -0.5, 0.5, 0.3, "car")),
    ),
    Sprite(
        "person",
        0.4,
        (6, 58),
        (44, 55),
        (5, 7),
        (SpritePart("box", 0, 0.25, 0.3, 0.75, "person"), SpritePart("ellipse", 0, -0.75, 0.25, 0.25, "person")),
    ),
)
"""Back to front."""

COLOURS: dict[str, tuple[float, float, float]] = {
    "sky": (120, 180, 245), "grass": (95, 165, 60), "sun": (255, 230, 40), "cloud": (250, 250, 250), "road": (70, 30, 110),
    "building": (255, 150, 60), "roof": (170, 50, 35), "tree": (15, 85, 55), "fence": (125, 75, 20), "car": (35, 60, 190),
    "person": (215, 30, 150),
}  # fmt: skip
"""None is near a mixture of two that stand side by side: an outline or a sprite that is half there is not another class."""
NAMES = tuple(COLOURS)
PARAMETERS = ("presence", "x", "y", "size", "light")
LATENT = 2 + len(PARAMETERS) * len(SPRITES)
"""The horizon, the light of sky and grass, then five numbers a sprite."""
LIGHT = (0.85, 1.0)
"""How bright a sprite may be, relative to its class's colour."""


class SpriteVillage(nn.Module):
    """A generator as the protocol asks. `scene` is (N, 42, 1, 1): every parameter; `sprites` is (N, 4 shapes, 64, 64):
    for each shape, back to front, how much of a pixel it covers and its colour in [-1, 1]."""

    resolution = SIDE
    layers: tuple[str, ...] = ("scene", "sprites")
    latent = LATENT

    def __init__(self, off: Sequence[str] = (), prevalence: Mapping[str, float] | None = None) -> None:
        """off: sprites that no latent makes. prevalence: how often a sprite stands in a scene, where not as usual; a sprite may
        be so rare that samples do not show it, and is within reach all the same."""
        super().__init__()
        kinds, often = [sprite.name for sprite in SPRITES], dict(prevalence or {})
        for name in (*off, *often):
            if name not in kinds:
                raise RequestError(f"the sprite village has no sprite {name!r}; it has {', '.join(kinds)}")
        self.parts = tuple((number, part) for number, sprite in enumerate(SPRITES) for part in sprite.parts)
        shown = [float(sprite.name not in off) for sprite in SPRITES]
        low = [[0.0, s.x[0], s.y[0], s.size[0], LIGHT[0]] for s in SPRITES]
        high = [[1.0, s.x[1], s.y[1], s.size[1], LIGHT[1]] for s in SPRITES]
        absent = torch.special.ndtri(
            1.0 - torch.tensor([often.get(s.name, s.prevalence) for s in SPRITES], dtype=torch.float64)
        )
        for name, value in (("shown", shown), ("low", low), ("high", high), ("absent", absent)):
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        self.register_buffer("colours", torch.tensor([COLOURS[name] for name in NAMES]) / 127.5 - 1.0)
        self.shown: Tensor
        self.low: Tensor
        self.high: Tensor
        self.absent: Tensor
        self.colours: Tensor
        self.eval()

    def latents(self, seed: int, indices: Tensor) -> State:
        """Standard normal `z`, (N, 42) float32 on the generator's device."""
        z = torch.from_numpy(normals(seed, "latent z", indices.cpu().numpy(), LATENT))
        return MappingProxyType({"z": z.to(self.low.device)})

    def run(self, state: State, after: str | None = None, upto: str | None = None) -> State:
        """See `Generator.run`. Raises RequestError for a layer that does not exist."""
        for name in (after, upto):
            if name is not None and name not in self.layers:
                raise RequestError(f"layer {name!r} does not exist; this generator has {', '.join(self.layers)}")
        scene = state["scene"] if after == "scene" else self.scene(state["z"]) if after is None else None
        if upto == "scene":
            assert scene is not None
            return MappingProxyType({**state, "scene": scene})
        if upto == "sprites":
            return MappingProxyType({**state, "sprites": state["sprites"] if scene is None else self.sprites(scene)})
        image = self.compose(state["sprites"]) if scene is None else self._painted(*self._shapes(scene))
        return MappingProxyType({**state, "image": image})

    def scene(self, z: Tensor) -> Tensor:
        """Latents (N, 42) -> parameters (N, 42, 1, 1): positions and sizes in pixels, uniform over their spans."""
        ground = torch.stack([30.0 + 6.0 * torch.special.ndtr(z[:, 0]), 0.85 + 0.15 * torch.special.ndtr(z[:, 1])], dim=1)
        rest = z[:, 2:].reshape(-1, len(SPRITES), len(PARAMETERS))
        placed = self.low + (self.high - self.low) * torch.special.ndtr(rest)
        presence = torch.sigmoid(STEEP * (rest[..., 0] - self.absent))
        whole = torch.cat([presence[..., None], placed[..., 1:]], dim=2)
        return torch.cat([ground, whole.flatten(1)], dim=1)[:, :, None, None]

    def _shapes(self, scene: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters (N, 42, 1, 1) -> coverage (N, shapes, 64, 64) and colour (N, shapes, 3, 1, 1) of each shape."""
        values = scene.flatten(1)
        axis = torch.arange(SIDE, device=scene.device, dtype=scene.dtype) + 0.5
        down, across = axis.view(1, 1, SIDE, 1), axis.view(1, 1, 1, SIDE)
        of_sprite = values[:, 2:].reshape(-1, len(SPRITES), len(PARAMETERS))
        places = torch.tensor([number for number, _ in self.parts], device=scene.device)
        presence, x, y, size, light = (part_of[:, :, None, None] for part_of in of_sprite[:, places].unbind(2))
        cover = []
        for number, (sprite, part) in enumerate(self.parts):
            own = slice(number, number + 1)
            dx = across - x[:, own] - part.x * size[:, own]
            dy = down - y[:, own] - part.y * size[:, own]
            inside = _inside(part.shape, dx, dy, part.width * size[:, own], part.height * size[:, own])
            cover.append(presence[:, own] * self.shown[sprite] * inside)
        grass = torch.sigmoid((down - values[:, :1, None, None]) / EDGE).expand(-1, -1, SIDE, SIDE)
        bright = torch.cat([values[:, 1:2, None, None], light], dim=1)
        shades = torch.stack([self.colours[NAMES.index(name)] for name in ("grass", *(part.name for _, part in self.parts))])
        return torch.cat([grass, *cover], dim=1), bright[:, :, None] * (shades[None, :, :, None, None] + 1.0) - 1.0

    def sprites(self, scene: Tensor) -> Tensor:
        """Parameters (N, 42, 1, 1) -> coverage and colour of each shape, the grass first, (N, 4 shapes, 64, 64)."""
        covers, colours = self._shapes(scene)
        return torch.cat([covers, colours.expand(-1, -1, -1, SIDE, SIDE).flatten(1, 2)], dim=1)

    def compose(self, sprites: Tensor) -> Tensor:
        """Shapes painted over the sky, back to front: (N, 3, 64, 64) in [-1, 1]."""
        shapes = sprites.shape[1] // 4
        return self._painted(sprites[:, :shapes], sprites[:, shapes:].reshape(-1, shapes, 3, SIDE, SIDE))

    def _painted(self, covers: Tensor, colours: Tensor) -> Tensor:
        """colours: (N, shapes, 3, 64, 64), or (…, 1, 1) where each shape has one. Front to back: a shape shows through what is
        left by those before it, so that no image is painted over and over."""
        left, weights = torch.ones_like(covers[:, 0]), []
        for cover in reversed(covers.unbind(1)):
            weights.append(cover * left)
            left = left - weights[-1]
        shown = torch.stack([left, *reversed(weights)], dim=1)
        sky = self.colours[0].view(1, 1, 3, 1, 1).expand(len(covers), 1, 3, *colours.shape[3:])
        everything = torch.cat([sky, colours], dim=1)
        if colours.shape[3] == 1:
            image = (everything.flatten(2).mT @ shown.flatten(2)).reshape(-1, 3, SIDE, SIDE)
        else:
            image = (everything * shown[:, :, None]).sum(dim=1)
        clamped: Tensor = image.clamp(-1.0, 1.0)
        return clamped

    @torch.no_grad()
    def labels(self, state: State) -> Tensor:
        """The true class of each pixel, (N, 64, 64): the frontmost shape that covers more than half of it; sky is 1."""
        sprites = self.run(state, upto="sprites")["sprites"]
        names = ("grass", *(part.name for _, part in self.parts))
        seen = torch.full((len(sprites), SIDE, SIDE), 1 + NAMES.index("sky"), device=sprites.device)
        for number, name in enumerate(names):
            seen = torch.where(sprites[:, number] > 0.5, 1 + NAMES.index(name), seen)
        return seen


def _inside(shape: str, dx: Tensor, dy: Tensor, width: Tensor, height: Tensor) -> Tensor:
    """How far a pixel lies inside a shape with these half sizes, from 0 to 1. A triangle stands on its base."""
    if shape == "ellipse":
        radius = ((dx / width).square() + (dy / height).square() + 1e-6).sqrt()
        return torch.sigmoid((1.0 - radius) * torch.minimum(width, height) / EDGE)
    if shape == "triangle":
        at = width * (dy + height) / (2.0 * height)
        return torch.sigmoid((at - dx.abs()) / EDGE) * torch.sigmoid((height - dy.abs()) / EDGE)
    return torch.sigmoid((width - dx.abs()) / EDGE) * torch.sigmoid((height - dy.abs()) / EDGE)


FAR, NEIGHBOURS = 0.2, 4
"""A pixel is of no class where its colour is further than this (of 1) from all, or fewer pixels of the nine around it agree."""


class SpriteParser:
    """Reads a sprite image by its colours: each pixel is the class whose colour, at the best brightness, is nearest; or of
    none, 0, where it is a mixture: an outline, or a sprite that is half there."""

    classes = tuple(ClassInfo(number, name) for number, name in enumerate(NAMES, start=1))
    resolution = SIDE

    @torch.no_grad()
    def parse(self, images: Tensor) -> Labels:
        """Images (N, 3, 64, 64) in [-1, 1] -> maps (N, 64, 64) and a confidence that falls with the distance."""
        colours = torch.tensor([COLOURS[name] for name in NAMES], device=images.device) / 255.0
        pixels = ((images + 1.0) / 2.0).permute(0, 2, 3, 1).unsqueeze(3)
        lights = ((pixels * colours).sum(dim=4) / colours.square().sum(dim=1)).clamp(*LIGHT)
        distance = (pixels - lights[..., None] * colours).square().sum(dim=4)
        confidence = torch.softmax(-distance / 0.01, dim=3).amax(dim=3)
        least, nearest = distance.min(dim=3)
        chosen = torch.where(least <= FAR**2, nearest + 1, 0)
        votes = F.one_hot(chosen, len(NAMES) + 1).permute(0, 3, 1, 2).float()
        agree = F.avg_pool2d(F.pad(votes, (1, 1, 1, 1), mode="replicate"), 3, 1) * 9.0
        sure = agree.gather(1, chosen[:, None])[:, 0] > NEIGHBOURS - 0.5
        return Labels(torch.where(sure, chosen, 0), confidence)
