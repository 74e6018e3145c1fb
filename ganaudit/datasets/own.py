"""Kind `module:factory`: a user's own collection. Every image is what an image has to be, or is set aside with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets.listing import plain
from ganaudit.datasets.protocol import Dataset, Image
from ganaudit.errors import AuditError, ImageError, RequestError
from ganaudit.keys import canonical
from ganaudit.kinds import OWN, Kind
from ganaudit.options import FactorySource

MOST_IMAGES = 10**9
"""A collection of more says no number of images but that it does not end: how many are meant has to be said."""
_LONGEST = 1000
"""Characters of a name or a reason that are kept."""


class UnfitError(ImageError):
    """An image that its own collection gave, and that is none."""


class OwnDataset:
    """`own`, as the factory `kind` made it. count: images that the audit file asks for. resized: whether all get one size;
    otherwise they must have that of the first that can be used. made_by: what else enters its recipe.

    Raises RequestError where its length is none, and where of its first, middle and last image none can be used because of
    what the collection does; an ImageError of its own sets that image aside.
    """

    def __init__(
        self, own: Dataset, kind: str, count: int | None, resized: bool, made_by: Mapping[str, Any] | None = None
    ) -> None:
        self.own, self._kind, self._made_by = own, kind, made_by or {}
        self._shape: tuple[int, ...] | None = None
        self._length = _length(own, kind, count)
        self.resolution = _resolution(own, kind)
        unfit = None
        for index in sorted({0, self._length // 2, self._length - 1}) if self._length else []:
            try:
                shape = self.image(index).pixels.shape
            except UnfitError as error:
                unfit = unfit or str(error)
            except ImageError:
                continue
            except (OSError, MemoryError) as error:
                raise AuditError(f"{kind}: image {index} cannot be read now: {error}") from error
            else:
                self._shape = None if resized else shape
                return
        if unfit is not None:
            raise RequestError(f"{kind}: {unfit}")

    def __len__(self) -> int:
        return self._length

    def image(self, index: int) -> Image:
        """Image `index`; ImageError where there is none, whatever the collection does instead."""
        try:
            image = self.own.image(index)
        except ImageError as error:
            raise ImageError(_short(str(error))) from None
        except AuditError as error:  # what its guard says of an exit, or of a thread that died
            raise UnfitError(_short(f"image {index} of the dataset: {error}")) from None
        except (Exception, SystemExit) as error:
            if images.may_pass(error):
                raise
            raise UnfitError(_short(f"the dataset raised {type(error).__name__} at image {index}: {error}")) from None
        fault = _fault(image)
        if fault is None and self._shape not in (None, image.pixels.shape):
            assert self._shape is not None
            height, width = self._shape[:2]
            fault = f"its pixels are {image.pixels.shape}, those of other images {self._shape}; set resize: [{height}, {width}]"
        if fault is not None:
            raise UnfitError(_short(f"image {index} of the dataset: {fault}"))
        cluster, label = (None if text is None else _short(text) for text in (image.cluster, image.label))
        pixels = np.array(image.pixels)  # a copy: the collection may use one buffer for all of its images
        return replace(image, pixels=pixels, name=_short(image.name), cluster=cluster, label=label)

    def name(self, index: int) -> str:
        """What the collection calls an image that cannot be used, or its number."""
        try:
            return _short(str(self.own.name(index)))  # type: ignore[attr-defined]
        except Exception:
            return f"image {index}"

    def recipe(self) -> Mapping[str, Any]:
        """What the collection says about itself, and what made it."""
        return {**self.own.recipe(), **self._made_by}


def open_own(options: FactorySource, context: Context) -> OwnDataset:
    """What the factory makes, tried. Raises RequestError where that is no collection, or its recipe cannot enter a key."""
    from ganaudit import factory, trial
    from ganaudit.foreign_code import asking

    made = factory.make(options, context.folder, by_what_it_holds=False)
    made_by = {**made.content, "code": made.recipe}
    with asking(context.folder, options.kind):
        if not isinstance(made.object, Dataset):
            raise RequestError(f"{options.kind}: a dataset has __len__, image(index) and recipe()")
        resized = bool(options.resize or context.size)
        dataset = OwnDataset(made.object, options.kind, options.count, resized, made_by)
        try:
            recipe = canonical(dict(dataset.recipe()))
        except Exception as error:
            raise RequestError(f"{options.kind}: recipe() is a mapping that JSON can hold: {error}") from error
        attempt = partial(trial.try_dataset, dataset, options.kind, options.threads)
        trial.once([recipe, options.threads], attempt)
    return dataset


def _length(own: Dataset, kind: str, count: int | None) -> int:
    try:
        length = len(own)
    except OverflowError:
        length = MOST_IMAGES + 1
    except (Exception, SystemExit) as error:
        raise RequestError(f"{kind}: the dataset's __len__ has to give its number of images, 0 or more: {error}") from error
    if length > MOST_IMAGES and count is None:
        raise RequestError(f"{kind}: the dataset has more than {MOST_IMAGES:,} images; set count to how many are to be audited")
    return length


def _resolution(own: Dataset, kind: str) -> int | None:
    try:
        side = getattr(own, "resolution", None)
    except Exception as error:
        raise RequestError(f"{kind}: the dataset's resolution raised {type(error).__name__}: {error}") from error
    if side is None:
        return None
    if isinstance(side, bool) or not isinstance(side, int | np.integer) or not 0 < side <= images.MAX_SIDE:
        raise RequestError(
            f"{kind}: the dataset's resolution is {side!r}; it is the short side of its images in pixels, or None"
        )
    return int(side)


def _fault(image: object) -> str | None:
    """What keeps it from being an image, or None."""
    if not isinstance(image, Image):
        return f"it is {_article(image)}, not a ganaudit.Image(pixels, name)"
    pixels, labels = image.pixels, image.labels
    if not isinstance(pixels, np.ndarray):
        return f"its pixels are {_article(pixels)}, not a numpy array of uint8 (H, W, 3)"
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        return f"its pixels are {pixels.dtype} {pixels.shape}, not uint8 (H, W, 3){_advice(pixels)}"
    if 0 in pixels.shape:
        return f"its pixels are {pixels.shape}: it has none"
    if pixels.size > 3 * images.MAX_PIXELS or max(pixels.shape) > images.MAX_SIDE:
        return f"its pixels are {pixels.shape}, at most {images.MAX_PIXELS:,} pixels, {images.MAX_SIDE:,} a side, are read"
    if not isinstance(image.name, str):
        return f"its name is {image.name!r}, which is no text"
    for key, text in (("cluster", image.cluster), ("label", image.label)):
        if text is not None and not isinstance(text, str):
            return f"its {key} is {text!r}, which is neither text nor None"
    if labels is not None:
        if not isinstance(labels, np.ndarray):
            return f"its labels are {_article(labels)}, not a numpy array of integers (h, w)"
        if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 2 or 0 in labels.shape:
            return f"its labels are {labels.dtype} {labels.shape}, not integers (h, w)"
    return None


def _advice(pixels: np.ndarray[Any, Any]) -> str:
    if pixels.dtype != np.uint8:
        return ": scale it to 0 … 255 and round"
    if pixels.ndim == 2 or pixels.shape[-1] == 1:
        return ": grey stands three times"
    if pixels.ndim == 3 and pixels.shape[0] == 3:
        return ": colour comes last"
    return ": lay it over a background" if pixels.ndim == 3 and pixels.shape[2] == 4 else ""


def _article(value: object) -> str:
    return "None" if value is None else f"a {type(value).__module__}.{type(value).__name__}".replace("builtins.", "")


def _short(text: str) -> str:
    """One line that a table can hold; a very long one loses its middle."""
    text = plain(text[: 4 * _LONGEST])
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 101]}…{text[-100:]}"


KIND = Kind(OWN, FactorySource, open_own, "your own collection, from a Python file beside the audit file")
