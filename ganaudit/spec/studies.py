"""What an audit file asks of the studies beyond the census: how photos are inverted, and how far samples are steered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializeAsAny, model_validator

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.fields import Decimal, Name, PathText, Photos, Whole
from ganaudit.kinds import options_at
from ganaudit.kinds.mistakes import nearest
from ganaudit.options import Part, Source

RealSpec = Annotated[SerializeAsAny[Source], options_at("real")]


def _method(name: str) -> str:
    if name not in (valid := kinds.names("inverters")):
        raise ValueError(f"unknown inverter {name!r}{nearest(name, valid)}")
    return name


Method = Annotated[str, AfterValidator(_method)]
RECONSTRUCTIONS = "reconstructions"
"""The kind of inverter that is somebody else's."""
Perceptual = Literal[
    "none",
    "pyramid",
    "lpips-alex",
    "lpips-vgg",
    "lpips-squeeze",
    "vgg16",
    "vgg16-raw",
    "vgg16-raw-mse",
    "efficientnet-lite0",
    "inverter",
]
"""`perceptual.KINDS`, and the trained inverter's own estimate of z, which presets alone name."""


def _check_once(key: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{key}: {', '.join(twice)} stands there twice; once is enough")


class Reconstructed(Part):
    """What somebody else's inverter made of the held-out photos in one generator."""

    generator: Name
    """The generator that was inverted."""
    images: RealSpec
    """The reconstructions: a folder or any collection, named like the photos but for the ending. Its `name` is that of the
    inverter; `resize`: without it they keep their size."""
    free: Annotated[Whole, Field(gt=0, lt=2**40)] | None = None
    """Numbers that were free for each photo, such as 9216 for 18 styles of 512: where they are more than a quarter of the pixel
    values, what comes back is no evidence. Default: not known, and taken to be few."""


class Invert(Part):
    """How held-out photos are inverted in each generator."""

    images: Photos = 200
    """About how many; more where a class would be in too few, fewer where there are not as many."""
    own: Annotated[Whole, Field(ge=8, le=100_000)] = 64
    """About how many own samples of each generator, of eight times as many, more where a class would be in too few: they show
    what the search can find. The first so many set the residuals' penalty."""
    masked: Annotated[Whole, Field(ge=0, le=100_000)] = 8
    """Own samples that are also inverted with a patch greyed out: what is around it should come back."""
    train: RealSpec | None = None
    """Photos that the generators were trained on, as a source of its own: do they come back better than those held out?"""
    train_images: Photos = 200
    """About how many of them."""
    preset: str | None = None
    """A reference's exact settings, such as bau-2019: its method, search, losses, penalty and restarts."""
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("layerwise",)
    reconstructions: tuple[Reconstructed, ...] = ()
    """For the method `reconstructions`: {generator: NAME, images: {name: e4e, kind: folder, path: …}}, one or more."""
    layer: Name = "auto"
    """r. auto: the first layers get residuals as long as together they are a quarter of the pixel values or less."""
    steps: Annotated[Whole, Field(gt=0, le=1_000_000)] = 500
    restarts: Annotated[Whole, Field(gt=0, le=1000)] = 1
    """Random starts of `latent`."""
    perceptual: Perceptual = "pyramid"
    perceptual_weights: PathText | None = None
    """A local file of the perceptual network's weights; default: the usual download."""
    batch: Annotated[Whole, Field(gt=0, le=1024)] = 32
    precision: Literal["auto", "float32"] = "auto"
    """What searches compute in. auto: bfloat16 where the device computes in it itself, but for the last tenth of the steps."""
    inverter: Literal["shipped", "auto"] = "shipped"
    """auto: where none ships for a generator, a small one is trained first, in the store."""
    inverter_minutes: Annotated[Decimal, Field(gt=0.0, le=7 * 24 * 60)] | None = None
    """Minutes, by the wall clock, that such a small one is trained; default: 3 for a layered one, 2 for an encoder."""
    keep: Literal["latents", "residuals"] = "latents"
    """What is kept of every reconstruction: its latent, or its residuals too."""

    @model_validator(mode="before")
    @classmethod
    def _of_the_preset(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("preset") is None:
            return given
        from ganaudit.inversion.presets import filled

        try:
            return filled(given)
        except RequestError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _each_once(self) -> Invert:
        _check_once("methods", self.methods)
        return self

    @model_validator(mode="after")
    def _somebody_elses(self) -> Invert:
        if bool(self.reconstructions) != (RECONSTRUCTIONS in self.methods):
            raise ValueError(
                f"methods names {RECONSTRUCTIONS!r} and the key reconstructions says where they lie: give both, or neither"
            )
        whose = [(each.generator, each.images.name) for each in self.reconstructions]
        for generator, name in whose:
            if whose.count((generator, name)) > 1:
                raise ValueError(f"reconstructions: two of {generator!r} are called {name!r}; give each its own name")
            if name in kinds.names("inverters"):
                raise ValueError(f"reconstructions: {name!r} is a method of this audit; give images the name of their inverter")
        return self

    @property
    def searched(self) -> tuple[str, ...]:
        """The methods that this audit searches by."""
        return tuple(method for method in self.methods if method != RECONSTRUCTIONS)

    @model_validator(mode="after")
    def _weights_of_a_network(self) -> Invert:
        if self.perceptual_weights is not None and self.perceptual in ("none", "pyramid", "inverter"):
            raise ValueError(f"perceptual {self.perceptual!r} has no weights; leave perceptual_weights out")
        if self.perceptual == "inverter" and self.preset is None:
            raise ValueError("perceptual 'inverter' stands only in a preset; ask for the preset, such as bau-2019-latent")
        return self


class Steer(Part):
    """How far each generator can be moved along walks in its latents, and where it stops."""

    edits: Annotated[tuple[Name, ...], Field(min_length=1)] = ("zoom", "shift-x", "luminance")
    """What walks are to do to the image, such as zoom, shift-x, shift-y, rotate, luminance, red."""
    spaces: Annotated[tuple[Name, ...], Field(min_length=1)] = ("auto",)
    """Where walks move: z, w, w+. auto: w where a generator has it, else z."""
    walks: Annotated[tuple[Name, ...], Field(min_length=1)] = ("linear",)
    """linear, or residual (a small network, step after step)."""
    alphas: Annotated[Whole, Field(ge=3, le=101)] = 11
    """Strengths of each edit, an odd number: at equal steps of its slider, the one that changes nothing in their middle."""
    at: dict[Name, Annotated[tuple[Decimal, ...], Field(min_length=3)]] = Field(default_factory=dict)
    """Edit → its strengths, in its own unit, instead: {shift-x: [-16, -8, 0, 8, 16]}."""
    reach: Annotated[Decimal, Field(gt=0.0, le=10.0)] = 1.0
    """How far the strengths go, as a share of the edit's range."""
    trained: Annotated[Decimal, Field(gt=0.0, le=1.0)] = 0.5
    """Share of the edit's range that walks are trained on. Less of a shift, where much of its target is not known."""
    images: Annotated[Whole, Field(ge=8, le=1_000_000)] = 1000
    """Samples of each generator that are moved, and real images that they are held against."""
    shard: Annotated[Whole, Field(ge=1, le=1024)] = 128
    """Images of one shard; a multiple of sample.batch is worked on without waste."""
    steps: Annotated[Whole, Field(gt=0, le=1_000_000)] = 200
    """Optimiser steps of a walk that is trained first, where the store has none."""
    margin: Annotated[Decimal, Field(gt=0.0)] = 1.0
    """A walk's images are as real as the generator's own where their corrected distance is at most so much larger, in (percent
    of pixels)²: this far the walk reaches."""
    least: Annotated[Decimal, Field(ge=0.0, lt=100.0)] = 0.1
    """A class is there from this percentage of an image's pixels on; below, or without any, it is lost."""

    @model_validator(mode="after")
    def _each_once(self) -> Steer:
        for key in ("edits", "spaces", "walks"):
            _check_once(key, getattr(self, key))
        if self.alphas % 2 == 0:
            raise ValueError(f"alphas: {self.alphas} is even; in the middle of an odd number is the one that changes nothing")
        for name in self.at:
            if name not in self.edits:
                raise ValueError(f"at.{name}: edits does not ask for it{nearest(name, self.edits)}")
        return self
