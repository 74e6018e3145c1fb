"""Real and generated images alike: anything the audit file can name, opened and read in batches of 8-bit pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import devices, images, kinds, resizing
from ganaudit.context import Context
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.protocol import Dataset, Image
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.generators.opening import OpenGenerator, open_generator
from ganaudit.generators.outputs import faults, wrong_images
from ganaudit.generators.protocol import Generator, size_of
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.kinds import Kind
from ganaudit.options import Source, in_pixels
from ganaudit.parsers.opening import OpenParser
from ganaudit.phash import phashes, thumbnail
from ganaudit.sources.looking import Look, Looked
from ganaudit.sources.readers import Readers
from ganaudit.sources.roles import GENERATED, OWN, TRUTH, SourceRole

Fit = images.Fit


@dataclass(frozen=True)
class Batch:
    """Consecutive images. errors[i] says why image i cannot be used; its pixels are then black. phashes: as in `phash`.

    pixels: (N, H, W, 3) uint8 at the parser's resolution. labels: one (h, w) label map for each image, for kind masks.
    truth: (N, h, w) true class ids of what the parser is to parse, for the role truth; 0 where there is none.
    """

    names: Sequence[str]
    pixels: Tensor
    errors: Sequence[str | None]
    digests: Sequence[str | None]
    phashes: Sequence[int | None]
    clusters: Sequence[str | None]
    tags: Sequence[str | None]
    labels: NDArray[np.int16] | None = None
    truth: NDArray[np.int64] | None = None


class OpenSource(Protocol):
    """A source ready to be read."""

    @property
    def kind(self) -> str: ...

    @property
    def recipe(self) -> Mapping[str, Any]: ...

    @property
    def digests(self) -> Mapping[str, str]: ...

    @property
    def resolution(self) -> int | None:
        """Short side of its images as they are made, in pixels; None where unknown."""
        ...

    @property
    def training_step(self) -> int | None: ...

    @property
    def truncation(self) -> float | None: ...

    @property
    def noise(self) -> str | None:
        """How a generator's noise is drawn, where it has some."""
        ...

    @property
    def maps(self) -> bool:
        """Whether it brings label maps that are taken as the parser's."""
        ...

    @property
    def length(self) -> int | None:
        """Images it has; None where it has as many as one asks for."""
        ...

    def read(self, indices: Sequence[int]) -> Batch: ...


def open_source(role: SourceRole, options: Source, parser: OpenParser, context: Context) -> OpenSource:
    """Opens one source of an audit, in its role. Raises RequestError."""
    generated = role.role in (GENERATED, OWN)
    kind = kinds.at("generators" if generated else "real", options.kind)
    if not parser.reads and "maps" not in kind.offers:
        raise RequestError(
            f"source {options.name!r} is of kind {options.kind!r}; with parser kind {parser.recipe['kind']!r} every source "
            "brings its label maps (kind masks)"
        )
    if generated and kind is kinds.live(options.kind):
        generator = open_generator(options, context)
        if role.seed is None:
            return GeneratorSource(generator, parser, options, context.device)
        own = replace(generator, seed=role.seed, recipe={**generator.recipe, "seed": role.seed})
        return GeneratorSource(own, parser, options, context.device, "stretch")  # all of an own sample is to be found again
    seed = context.seed if generated else TRUTH_SEED if role.role == TRUTH else 0
    opened = kind.open(options, replace(context, seed=seed, size=parser.resolution))
    if role.role == TRUTH:
        _check_truth(options, kind, opened, parser)
    maps = "maps" in kind.offers and role.role != TRUTH
    source = DatasetSource(opened, options, parser, maps, truth=role.role == TRUTH, resized_through=role.resized_through)
    _check_room(options, source.shape, context.batch)
    return source


def _check_room(asked: Source, shape: tuple[int, ...], batch: int) -> None:
    """Raises RequestError where a batch of 8-bit images or label maps of one shape is more than BATCH_BYTES."""
    fits = BATCH_BYTES // max(1, int(np.prod(shape)))
    if batch > fits:
        raise RequestError(
            f"source {asked.name!r}: {batch} images or label maps of {shape[0]:,} x {shape[1]:,} pixels take more than "
            f"{BATCH_BYTES >> 30} GB; make them smaller (resize, or size of label maps) or set sample.batch to "
            f"{1 << max(0, fits.bit_length() - 1)}"
        )


def _check_truth(options: Source, kind: Kind, dataset: Dataset, parser: OpenParser) -> None:
    """True labels and the parser's are about the same classes, and the images can be given to the parser."""
    first = [info for info in parser.parser.classes if info.head == parser.heads[0] and info.id]
    classes: Sequence[str] | None = getattr(dataset, "classes", None)
    if "labels" not in kind.offers:
        raise RequestError(f"truth {options.name!r} is of kind {options.kind!r}, which brings no label maps")
    if classes is not None and [(info.id, info.name) for info in first] != list(enumerate(classes, 1)):
        raise RequestError(
            f"truth {options.name!r} has the classes of the {options.kind} and the parser has others; "
            "give truth images whose label maps hold the parser's class ids (kind masks)"
        )
    if parser.resolution is None and getattr(dataset, "resolution", None) is None:
        raise RequestError(f"truth {options.name!r}: the parser does not say which resolution it wants; give it one")


class DatasetSource:
    """A collection: decoded, resized, each image that cannot be read set aside.

    maps: its label maps are taken as the parser's. truth: they measure the parser. resized_through: images go
    through this resolution (short side, pixels) and back, by the same resizing that a generator's images get.
    """

    training_step = truncation = noise = None

    def __init__(
        self,
        dataset: Dataset,
        asked: Source,
        parser: OpenParser,
        maps: bool,
        truth: bool = False,
        resized_through: int | None = None,
    ) -> None:
        self.kind = asked.kind
        self._dataset = dataset
        self._truth = truth
        self.maps = maps
        self._size = None if self.maps else in_pixels(getattr(asked, "resize", None)) or parser.resolution
        how: Fit = getattr(asked, "how", "crop")
        self.length = None if getattr(dataset, "endless", False) else len(dataset)
        self.resolution: int | None = resized_through or getattr(dataset, "resolution", None)
        recipe = dict(dataset.recipe())
        role = {"truth": TRUTH_VERSION} if truth else {"through": resized_through} if resized_through is not None else {}
        self.recipe = {"source": recipe, "size": self._size, "how": how, **role}
        self.digests = {name: recipe[name] for name in ("files", "labels") if isinstance(recipe.get(name), str)}
        contents = getattr(dataset, "contents", None)
        said = contents.sentences() if isinstance(contents, Contents) else ()
        self.notes = (*said, *getattr(dataset, "notes", ()))
        self._look = Look(
            self._size, how, self.maps, truth, frozenset(info.id for info in parser.parser.classes) | {0}, resized_through,
            void_is_free=getattr(asked, "void", 0) is None,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """Bytes along each axis of one image, or of one label map where those alone are counted; () where unknown."""
        if not self.maps:
            return () if self._size is None else (*self._size, 3)
        try:
            return (*getattr(self._dataset, "label_size", ()), 2)
        except ImageError:
            return ()

    def read(self, indices: Sequence[int]) -> Batch:
        """Images `indices` of the collection's order."""
        return self._batch(indices, [self._look.at(partial(self._dataset.image, index)) for index in indices])

    @property
    def ahead(self) -> bool:
        """Whether other processes can read its images."""
        return self._reading([]) is not None

    def _reading(self, indices: Sequence[int]) -> Sequence[Callable[[], Image]] | None:
        reading = getattr(self._dataset, "reading", None)
        works: Sequence[Callable[[], Image]] | None = reading(indices) if callable(reading) else None
        return works

    def begin(self, indices: Sequence[int], readers: Readers) -> Callable[[], Batch]:
        """The same as `read`, begun in other processes: what waits for it."""
        works = self._reading(indices) or ()
        pieces = [works[first : first + PIECE] for first in range(0, len(works), PIECE)]
        begun = [readers.submit(partial(self._look.each, piece)) for piece in pieces]
        return lambda: self._batch(indices, [each for piece in begun for each in piece.result()])

    def _batch(self, indices: Sequence[int], read: Sequence[Looked]) -> Batch:
        good = [each[0] for each in read if not isinstance(each, str)]
        shape: tuple[int, ...] = (1, 1) if self.maps else self._size or (good[0].pixels.shape[:2] if good else (1, 1))
        pixels = np.zeros((len(read), *shape, 3), dtype=np.uint8)
        labels = truth = None
        if self.maps:
            shape = next((image.labels.shape for image in good if image.labels is not None), (1, 1))
            labels = np.zeros((len(read), *shape), dtype=np.int16)
        if self._truth:
            truth = np.zeros(pixels.shape[:3], dtype=np.int64)
        for place, each in enumerate(read):
            if isinstance(each, str):
                continue
            pixels[place] = each[0].pixels
            for maps in (labels, truth):
                if maps is not None and each[0].labels is not None:
                    maps[place] = each[0].labels
        return Batch(
            names=[
                self.name(index) if isinstance(each, str) else each[0].name
                for each, index in zip(read, indices, strict=True)
            ],
            pixels=torch.from_numpy(pixels), errors=[each if isinstance(each, str) else None for each in read],
            digests=[None if isinstance(each, str) else each[1] for each in read],
            phashes=phashes([None if isinstance(each, str) else each[2] for each in read]),
            clusters=[None if isinstance(each, str) else each[0].cluster for each in read],
            tags=[None if isinstance(each, str) else each[0].label for each in read],
            labels=labels, truth=truth,
        )  # fmt: skip

    def picture(self, index: int) -> Image:
        """Image `index` as people look at it."""
        return self._dataset.image(index)

    def name(self, index: int) -> str:
        """What the collection calls image `index`, readable or not."""
        name = getattr(self._dataset, "name", None)
        return str(name(index)) if callable(name) else f"image {index}"


PIECE = 16
"""Images that a process decodes before it answers."""
BATCH_BYTES = 2**32
"""Of the images or label maps of a batch: more is a mistake in the audit file, not a need."""
TRUTH_SEED = 5
"""Of village scenes with their labels, where the audit file names none: not those of the real side."""
TRUTH_VERSION = 1
"""Enters the keys of true label maps: raised when they would be fitted to the images otherwise."""


class GeneratorSource:
    """A live generator: sampled, checked, clamped and rounded to 8 bits, resized to what the parser wants."""

    length = None
    maps = False

    def __init__(self, opened: OpenGenerator, parser: OpenParser, asked: Source, device: str, how: Fit | None = None) -> None:
        self.kind = asked.kind
        self._opened = opened
        self._size = in_pixels(getattr(asked, "resize", None)) or parser.resolution
        self._how: Fit = getattr(asked, "how", "crop") if how is None else how
        self._made = size_of(opened.generator)
        self.resolution: int | None = min(self._made)
        self._rounding: images.Rounding = getattr(asked, "rounding", "nearest") if how is None else "nearest"
        self.recipe = {"source": dict(opened.recipe), "size": self._size, "how": self._how}
        if self._rounding != "nearest":
            self.recipe["rounding"] = self._rounding
        self.digests = opened.digests
        self.training_step, self.truncation, self.noise = opened.training_step, opened.truncation, opened.noise
        self.notes, self._name, self._device = opened.notes, asked.name, device

    @property
    def generator(self) -> Generator:
        return self._opened.generator

    @property
    def seed(self) -> int:
        """Of its latents."""
        return self._opened.seed

    def check_layer(self, layer: str) -> None:
        """Raises RequestError where a generator that can be inverted has no such layer."""
        try:
            shape = read_shape(self._opened.generator)
        except RequestError:
            return  # it is not inverted, and a note says why
        try:
            choose_layers(shape, layer)
        except RequestError as error:
            raise RequestError(f"invert.layer: {self._name!r}: {error}") from None

    @torch.inference_mode()
    def read(self, indices: Sequence[int]) -> Batch:
        """Images whose latents are numbers `indices`."""
        parts = devices.parts(len(indices), *self._made, self._device, devices.GENERATED)
        sampled = [self._sampled(indices[part]) for part in parts]
        pixels = torch.cat([part for part, _, _ in sampled])
        errors = [error for _, part, _ in sampled for error in part]
        seen = pixels.cpu().numpy()  # for digests and hashes, beside the way to the parser
        return Batch(
            names=[f"sample {index}" for index in indices], pixels=pixels, errors=errors,
            digests=[None if error else images.digest(image) for image, error in zip(seen, errors, strict=True)],
            phashes=phashes([None if error else thumbnail(image) for image, error in zip(seen, errors, strict=True)]),
            clusters=self.clusters(indices), tags=[label for _, _, part in sampled for label in part],
        )  # fmt: skip

    def _sampled(self, indices: Sequence[int]) -> tuple[Tensor, Sequence[str | None], Sequence[str | None]]:
        """8-bit pixels (n, H, W, 3) at the parser's resolution, on the device; why each cannot be used, or None; its class, or
        None."""
        n, generator = len(indices), self._opened.generator
        try:
            state = generator.run(generator.latents(self._opened.seed, torch.tensor(indices)))
        except (torch.OutOfMemoryError, AuditError):
            raise
        except Exception as error:
            raise AuditError(
                f"the generator raised {type(error).__name__} at images {indices[0]}-{indices[-1]}: {error}"
            ) from error
        size = self._size or self._made
        reason = wrong_images(state, n, self._made)
        if reason is not None:
            return torch.zeros((n, *size, 3), dtype=torch.uint8, device=self._device), [reason] * n, [None] * n
        return *self.shown(state["image"]), _classes(state, n)

    def shown(self, image: Tensor) -> tuple[Tensor, list[str | None]]:
        """Images (N, 3, h, w) as 8-bit pixels (N, H, W, 3) at the parser's resolution, and why each cannot be used, or None."""
        errors = faults(image)
        image = torch.nan_to_num(image.clamp(-1.0, 1.0)) if any(errors) else image
        pixels = images.to_bytes(image, self._rounding).to(self._device)
        return resizing.resized(pixels, self._size or self._made, self._how), errors

    def clusters(self, indices: Sequence[int]) -> Sequence[str | None]:
        """What the generator says of its images, None where nothing. Raises AuditError where that is not one text or None for
        each."""
        ask = getattr(self._opened.generator, "clusters", None)
        if not callable(ask):
            return [None] * len(indices)
        try:
            clusters = list(ask(self._opened.seed, torch.tensor(indices)))
        except AuditError:
            raise
        except Exception as error:
            raise AuditError(f"the generator's clusters() raised {type(error).__name__}: {error}") from error
        if len(clusters) != len(indices) or not all(each is None or isinstance(each, str) for each in clusters):
            raise AuditError(f"the generator's clusters() gave no text or None for each of {len(indices)} images")
        return clusters


def _classes(state: Mapping[str, Any], n: int) -> list[str | None]:
    """The class of each image, where a generator's state says one: `label`, (N,) whole numbers."""
    label = state.get("label")
    if not isinstance(label, torch.Tensor) or label.shape != (n,) or label.is_floating_point():
        return [None] * n
    return [str(each) for each in label.tolist()]
