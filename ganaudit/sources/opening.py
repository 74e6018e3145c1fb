"""Real and generated images alike: anything the audit file can name, opened and read in batches of 8-bit pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganaudit import factory, images, trial
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.masks import MasksDataset, fitted
from ganaudit.datasets.own import OwnDataset
from ganaudit.datasets.protocol import Dataset, Image
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.foreign_code import asking
from ganaudit.generators.opening import OpenGenerator, open_generator
from ganaudit.generators.protocol import Generator
from ganaudit.generators.shapes import choose_layers, read_shape
from ganaudit.keys import canonical
from ganaudit.parsers.opening import OpenParser
from ganaudit.registry import opener
from ganaudit.sources.roles import GENERATED, OWN, TRUTH, Asked
from ganaudit.spec import AnySource, AuditSpec, FactorySource, FolderSource, MasksSource, VillageSource, WeightsSource
from ganaudit.village.classes import NAMES as VILLAGE_CLASSES

Fit = images.Fit


@dataclass(frozen=True)
class Batch:
    """Consecutive images. errors[i] says why image i cannot be used; its pixels are then black.

    pixels: (N, H, W, 3) uint8 at the parser's resolution. labels: one (h, w) label map for each image, for kind masks.
    truth: (N, h, w) true class ids of what the parser is to parse, for the role truth; 0 where there is none.
    """

    names: Sequence[str]
    pixels: Tensor
    errors: Sequence[str | None]
    digests: Sequence[str | None]
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
    def length(self) -> int | None:
        """Images it has; None where it has as many as one asks for."""
        ...

    def read(self, indices: Sequence[int]) -> Batch: ...


def open_source(role: Asked, spec: AuditSpec, parser: OpenParser, device: str) -> OpenSource:
    """Opens one source of the audit file, in its role. Raises RequestError."""
    asked, generated = role.source(spec), role.role in (GENERATED, OWN)
    masks_only = spec.parser.kind == "masks"
    if masks_only and not isinstance(asked, MasksSource):
        raise RequestError(
            f"source {asked.name!r} is of kind {asked.kind!r}; with parser kind 'masks' every source is of kind 'masks'"
        )
    if isinstance(asked, WeightsSource) or (isinstance(asked, FactorySource) and generated):
        opened = open_generator(asked, spec, device)
        if role.seed is None:
            return GeneratorSource(opened, parser, asked)
        own = replace(opened, seed=role.seed, recipe={**opened.recipe, "seed": role.seed})
        return GeneratorSource(own, parser, asked, "stretch")  # all of an own sample is to be found again
    if role.role == TRUTH and isinstance(asked, VillageSource) and asked.seed is None:
        asked = asked.model_copy(update={"seed": TRUTH_SEED})
    made_by: Mapping[str, Any] = {}
    if isinstance(asked, FactorySource):
        dataset, made_by = _own(asked, spec, parser)
    else:
        dataset = _dataset(asked, spec, parser, generated)
    if role.role == TRUTH:
        _check_truth(asked, parser)
    source = DatasetSource(dataset, asked, parser, made_by, truth=role.role == TRUTH, through=role.through)
    _check_room(asked, source.shape, spec.sample.batch)
    return source


def _check_room(asked: AnySource, shape: tuple[int, ...], batch: int) -> None:
    """Raises RequestError where a batch of 8-bit images or label maps of one shape is more than BATCH_BYTES."""
    fits = BATCH_BYTES // max(1, int(np.prod(shape)))
    if batch > fits:
        raise RequestError(
            f"source {asked.name!r}: {batch} images or label maps of {shape[0]:,} x {shape[1]:,} pixels take more than "
            f"{BATCH_BYTES >> 30} GB; make them smaller (resize, or size of label maps) or set sample.batch to "
            f"{1 << max(0, fits.bit_length() - 1)}"
        )


def _check_truth(asked: AnySource, parser: OpenParser) -> None:
    """True labels and the parser's are about the same classes, and the images can be given to the parser."""
    first = [info for info in parser.parser.classes if info.head == parser.heads[0] and info.id]
    if isinstance(asked, VillageSource) and [(info.id, info.name) for info in first] != list(enumerate(VILLAGE_CLASSES, 1)):
        raise RequestError(
            f"truth {asked.name!r} has the classes of the village and the parser has others; "
            "give truth images whose label maps hold the parser's class ids (kind masks)"
        )
    if isinstance(asked, MasksSource) and parser.resolution is None:
        raise RequestError(f"truth {asked.name!r}: the parser does not say which resolution it wants; give it one")


def _own(asked: FactorySource, spec: AuditSpec, parser: OpenParser) -> tuple[Dataset, Mapping[str, Any]]:
    """A user's own collection, and what it adds to its recipe: the factory's source, options and weights, and its state."""
    made = factory.make(asked, spec.folder, by_what_it_holds=False)
    with asking(spec.folder, asked.kind):
        if not isinstance(made.object, Dataset):
            raise RequestError(f"{asked.kind}: a dataset has __len__, image(index) and recipe()")
        dataset = OwnDataset(made.object, asked.kind, asked.count, resized=bool(asked.resize or parser.resolution))
        try:
            canonical(dict(dataset.recipe()))
        except Exception as error:
            raise RequestError(f"{asked.kind}: recipe() is a mapping that JSON can hold: {error}") from error
        made_by = {**made.content, "code": made.recipe}
        attempt = partial(trial.try_dataset, dataset, asked.kind, asked.threads)
        trial.once([made_by, dict(dataset.recipe()), asked.threads], attempt)
    return dataset, made_by


def _dataset(asked: AnySource, spec: AuditSpec, parser: OpenParser, generated: bool) -> Dataset:
    cache = spec.path(spec.store) / "cache" / "digests.json"
    opened: Any
    if isinstance(asked, VillageSource):
        seed = asked.seed if asked.seed is not None else spec.sample.seed if generated else 0
        opened = opener("datasets", "village")(seed, asked.prevalence, asked.style, asked.artefact)
    elif isinstance(asked, FolderSource):
        size = asked.resize or parser.resolution
        if size is None:
            raise RequestError(
                f"source {asked.name!r}: the parser does not say which resolution it wants; set resize: [height, width]"
            )
        opened = opener("datasets", "folder")(spec.path(asked.path), asked.seed, size, asked.how, cache)
    elif isinstance(asked, MasksSource):
        opened = opener("datasets", "masks")(
            spec.path(asked.path), None if asked.labels is None else spec.path(asked.labels), suffix=asked.suffix,
            void=asked.void, offset=asked.offset, size=asked.size, seed=asked.seed, cache=cache,
        )  # fmt: skip
    else:
        raise RequestError(f"source {asked.name!r}: kind {asked.kind!r} is no collection of images")
    found: Dataset = opened
    return found


class DatasetSource:
    """A collection: decoded, resized, each image that cannot be read set aside.

    truth: its label maps are not taken as the parser's, they are what the parser is measured by. through: images go through
    this resolution (short side, pixels) and back, by the same resizing that a generator's images get.
    """

    training_step = None

    def __init__(
        self,
        dataset: Dataset,
        asked: AnySource,
        parser: OpenParser,
        made_by: Mapping[str, Any],
        truth: bool = False,
        through: int | None = None,
    ) -> None:
        self.kind = asked.kind
        self._dataset = dataset
        self._truth, self._through = truth, through
        self._masks = isinstance(asked, MasksSource) and not truth
        self._classes = parser.class_count
        self._names = {info.id for info in parser.parser.classes} | {0}
        self._size = None if self._masks else _size(getattr(asked, "resize", None)) or parser.resolution
        self._how: Fit = getattr(asked, "how", "crop")
        self.length = None if isinstance(asked, VillageSource) else len(dataset)
        self.resolution: int | None = through or getattr(dataset, "resolution", None)
        recipe = {**dataset.recipe(), **made_by}
        role = {"truth": TRUTH_VERSION} if truth else {"through": through} if through is not None else {}
        self.recipe = {"source": recipe, "size": self._size, "how": self._how, **role}
        self.digests = {name: recipe[name] for name in ("files", "labels") if isinstance(recipe.get(name), str)}
        contents = getattr(dataset, "contents", None)
        self.notes = tuple(contents.sentences()) if isinstance(contents, Contents) else ()
        self._void_is_free = isinstance(asked, MasksSource) and asked.void is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Bytes along each axis of one image, or of one label map where those alone are counted; () where unknown."""
        if not self._masks:
            return () if self._size is None else (*self._size, 3)
        assert isinstance(self._dataset, MasksDataset)
        try:
            return (*self._dataset.label_size, 2)
        except ImageError:
            return ()

    def read(self, indices: Sequence[int]) -> Batch:
        """Images `indices` of the collection's order."""
        read = [self._one(index) for index in indices]
        good = [each[0] for each in read if not isinstance(each, str)]
        shape: tuple[int, ...] = (1, 1) if self._masks else self._size or (good[0].pixels.shape[:2] if good else (1, 1))
        pixels = np.zeros((len(read), *shape, 3), dtype=np.uint8)
        labels = truth = None
        if self._masks:
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
                self._name(index) if isinstance(each, str) else each[0].name
                for each, index in zip(read, indices, strict=True)
            ],
            pixels=torch.from_numpy(pixels), errors=[each if isinstance(each, str) else None for each in read],
            digests=[None if isinstance(each, str) else each[1] for each in read],
            clusters=[None if isinstance(each, str) else each[0].cluster for each in read],
            tags=[None if isinstance(each, str) else each[0].label for each in read],
            labels=labels, truth=truth,
        )  # fmt: skip

    def picture(self, index: int) -> Image:
        """Image `index` as people look at it."""
        return self._dataset.image(index)

    def _name(self, index: int) -> str:
        name = getattr(self._dataset, "name", None)
        return str(name(index)) if callable(name) else f"image {index}"

    def _one(self, index: int) -> tuple[Image, str] | str:
        """An image at the parser's resolution with its digest, or why it is set aside: not the error, which would keep what was
        decoded in memory. Where label maps alone are counted, one pixel of it is left."""
        try:
            image = self._dataset.image(index)
            if (self._masks or self._truth) and image.labels is not None:
                self._check_labels(image.name, image.labels)
            if self._masks:
                return replace(image, pixels=np.zeros((1, 1, 3), np.uint8)), images.digest(image.pixels)
            if self._size is not None:
                pixels = images.resize(image.pixels, self._size, self._how)
                labels = None
                if self._truth and image.labels is not None:
                    labels = fitted(image.labels, image.pixels.shape[:2], self._size, self._how)
                image = Image(pixels, image.name, labels, image.cluster, image.label)
            if self._through is not None:
                image = replace(image, pixels=through(image.pixels, self._through))
        except ImageError as error:
            return str(error)
        return image, images.digest(image.pixels)

    def _check_labels(self, name: str, labels: NDArray[np.integer[Any]]) -> None:
        unknown = sorted(set(np.unique(labels).tolist()) - self._names)
        if unknown:
            void = self._void_is_free and unknown in ([255], [65_535])
            advice = f"; if it means that there is no label, set void: {unknown[0]}" if void else ""
            raise ImageError(f"{name}: its label map holds {unknown[:5]}, no class ids of the parser{advice}")


BATCH_BYTES = 2**32
"""Of the images or label maps of a batch: more is a mistake in the audit file, not a need."""
TRUTH_SEED = 5
"""Of village scenes with their labels, where the audit file names none: not those of the real side."""
TRUTH_VERSION = 1
"""Enters the keys of true label maps: raised when they would be fitted to the images otherwise."""


def through(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An image (H, W, 3) sent through the resolution whose short side is `side` pixels, and back."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    small = images.resize(pixels, (max(1, height * side // short), max(1, width * side // short)), "stretch")
    return images.resize(small, (height, width), "stretch")


class GeneratorSource:
    """A live generator: sampled, checked, clamped and rounded to 8 bits, resized to what the parser wants."""

    length = None

    def __init__(
        self, opened: OpenGenerator, parser: OpenParser, asked: WeightsSource | FactorySource, how: Fit | None = None
    ) -> None:  # fmt: skip
        self.kind = asked.kind
        self._opened = opened
        self._size = _size(getattr(asked, "resize", None)) or parser.resolution
        self._how: Fit = getattr(asked, "how", "crop") if how is None else how
        self.resolution: int | None = opened.generator.resolution
        self.recipe = {"source": dict(opened.recipe), "size": self._size, "how": self._how}
        self.digests = opened.digests
        self.training_step = opened.training_step
        self._name = asked.name

    @property
    def generator(self) -> Generator:
        return self._opened.generator

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
        n, side = len(indices), self._opened.generator.resolution
        try:
            state = self._opened.generator.latents(self._opened.seed, torch.tensor(indices))
            image = self._opened.generator.run(state)["image"]
        except (torch.OutOfMemoryError, AuditError):
            raise
        except Exception as error:
            raise AuditError(
                f"the generator raised {type(error).__name__} at images {indices[0]}-{indices[-1]}: {error}"
            ) from error
        if tuple(image.shape) != (n, 3, side, side):
            found = "×".join(str(length) for length in image.shape)
            reason = f"the generator gave {found} values for a batch of {n}, not {n}×3×{side}×{side} as its resolution says"
            return _unusable(indices, [reason] * n, self._size or (side, side))
        errors = _faults(image)
        pixels = images.to_bytes(torch.nan_to_num(image.clamp(-1.0, 1.0)))
        if self._size is not None and self._size != (side, side):
            resized = [images.resize(one, self._size, self._how) for one in pixels.cpu().numpy()]
            pixels = torch.from_numpy(np.stack(resized)).to(image.device)
        seen = pixels.cpu().numpy()
        return Batch(
            names=[f"sample {index}" for index in indices], pixels=pixels, errors=errors,
            digests=[None if error else images.digest(one) for one, error in zip(seen, errors, strict=True)],
            clusters=[None] * n, tags=[None] * n,
        )  # fmt: skip


def _faults(image: Tensor) -> list[str | None]:
    """Why each image (N, 3, H, W) is no picture in [-1, 1], or None. A little overshoot is clamped, not refused."""
    flat = image.float().flatten(1)
    finite = flat.isfinite().all(dim=1).tolist()
    outside = ((flat.abs() > 1.0 + 1e-3).float().mean(dim=1) > 0.5).tolist()
    low, high = flat.amin(dim=1).tolist(), flat.amax(dim=1).tolist()
    return [
        "the generator gave values that are not finite" if not fine
        else f"the generator gave values from {a:.3g} to {b:.3g}; images are in [-1, 1]" if far
        else None
        for fine, far, a, b in zip(finite, outside, low, high, strict=True)
    ]  # fmt: skip


def _unusable(indices: Sequence[int], errors: Sequence[str], size: tuple[int, int]) -> Batch:
    n = len(indices)
    black = torch.zeros((n, *size, 3), dtype=torch.uint8)
    return Batch([f"sample {i}" for i in indices], black, errors, [None] * n, [None] * n, [None] * n)


def _size(resize: int | Sequence[int] | None) -> tuple[int, int] | None:
    if resize is None:
        return None
    return (resize, resize) if isinstance(resize, int) else (resize[0], resize[1])
