"""Images with label maps that were made elsewhere: kind `masks`.

Beside each image `a/b.jpg` lies its label map `a/b.labels.png`, or in a folder or file of its own `a/b.png`. Both may lie in
folders, zip or tar archives, Parquet files or LMDBs. What the values of a map mean: `label_maps`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ganaudit import images
from ganaudit.context import Context
from ganaudit.datasets import contents, packed
from ganaudit.datasets.folder import FolderShelf, digest_cache
from ganaudit.datasets.grouped import Grouped, GroupedSource, Way, located
from ganaudit.datasets.label_maps import GREY, Meaning, read_panoptic, resample
from ganaudit.datasets.listing import Named, check_not_empty, names_version
from ganaudit.datasets.packed import Format, PackedShelf, files_at
from ganaudit.datasets.protocol import Image
from ganaudit.datasets.stored import Shelf, checked_fit, fingerprint, place, shuffled, size_in_pixels
from ganaudit.errors import ImageError, RequestError
from ganaudit.fields import PathText, Place, Seed, Side, Whole
from ganaudit.kinds import Kind

ColumnName = Annotated[str, Field(min_length=1)]
ColourText = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
ClassNumber = Annotated[Whole, Field(ge=0, le=32_767)]


class MasksSource(GroupedSource):
    """Images whose label maps were made elsewhere: a label PNG beside each image."""

    path: Place
    """The images: a folder, a zip, tar or Parquet file, a pattern such as shards/*.tar, or an LMDB."""
    labels: Place | None = None
    """Folder or file of label maps with the images' relative names; default: beside the images."""
    suffix: PathText = ".labels.png"
    """What a label map's name ends in, where it lies beside its image."""
    column: ColumnName | None = None
    """In Parquet: the column of the label maps, beside that of the images in the same rows."""
    void: Annotated[Whole, Field(ge=0, le=65_535)] | None = None
    """A label value that means `no label`, such as 255; it becomes class 0."""
    offset: Annotated[Whole, Field(ge=0, le=32_767)] = 0
    """Added to all other values: 1 where the label maps count classes from 0, which is void here."""
    colours: dict[ColourText, ClassNumber] | Literal["grey"] | None = None
    """For maps in colour: {"#804080": 1, …}, the class of each colour; or grey, where three equal channels are one value."""
    panoptic: Place | None = None
    """COCO's panoptic json: the maps are its PNGs, whose colours are numbers of segments."""
    size: tuple[Side, Side] | None = None
    """[height, width] to which label maps are resampled (nearest); default: they must all have one size."""
    seed: Seed = 0
    """Of the order."""


class MasksDataset:
    """The images at `path`, each with its label map.

    `suffix` replaces the image's own suffix and names the label map beside it; with a folder or file `labels` the maps lie
    there under the image's name with `.png`; either may be written in capitals. column: of the maps, in Parquet. Label maps
    are no images of the collection; `contents` counts those that no image has. A label `void` becomes 0, and `offset` is added
    to all others: 1 makes ids that count from 0 count from 1. colours, panoptic: see MasksSource.
    Label maps have one size: `size` (height, width), to which all are resampled by nearest neighbour, or else the size
    of the first readable one in the sorted listing. They always cover the whole photo: `resize` and `how` are about
    the pixels only.

    Raises RequestError where the images cannot be listed, and where no image has a label map.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        labels: Path | None = None,
        suffix: str = ".labels.png",
        void: int | None = None,
        offset: int = 0,
        size: int | Sequence[int] | None = None,
        seed: int = 0,
        how: images.Fit = "crop",
        resize: int | Sequence[int] | None = None,
        cache: Path | None = None,
        label: Way = "folder",
        cluster: Way | None = None,
        colours: Mapping[str, int] | Literal["grey"] | None = None,
        panoptic: Path | None = None,
        column: str | None = None,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.seed = seed
        self.size = size_in_pixels("size", size)
        self.resize = size_in_pixels("resize", resize)
        self.how = checked_fit(how)
        self._coded: dict[str, Any] = {}
        self._meaning = self._meant(void, offset, colours, panoptic)
        self._apart = labels is not None or column is not None
        self._tree = None if labels is None else Path(os.path.abspath(labels))
        self._suffix = ".png" if self._apart else suffix
        if not self._suffix.lower().endswith(".png"):
            raise RequestError(f"suffix is {suffix!r}: label maps are PNG files, so it has to end in .png")
        if any(part in self._suffix for part in ("/", "\\", "..", "\0")):
            raise RequestError(f"suffix is {suffix!r}: it is the end of a file's name; a folder of label maps goes into labels")
        if self._tree is not None and not self._tree.exists() and not self._tree.suffix:
            raise RequestError(f"there is no folder {self._tree}: labels has to be the folder of the label maps")
        self._shelf = shelf_at(self.path, cache, column=None)
        beside = (self._tree is None and column is None) or self._tree == self.path
        self._maps = self._shelf if beside else shelf_at(self._tree or self.path, cache, column)
        taken = [position for position, file in enumerate(self._shelf.files) if not self._is_label(file.name)]
        if not taken:
            raise RequestError(f"{self.path} holds no images, but label maps alone")
        self._files = Part(self._shelf.files, taken)
        own = {key: said.at(taken) for key, said in self._shelf.own.items()}
        self._grouped = Grouped(self._files, label, cluster, {key: said for key, said in own.items() if said.any})
        self.notes = [*self._shelf.notes, *self._grouped.notes]
        self._labels = self._paired(column)
        if not any(label is not None for label in self._labels):
            first = (self._tree or self.path) / self._label_name(self._files[0])
            raise RequestError(f"none of the {len(self)} images in {self.path} has a label map: expected {first}")
        self.contents = self._held()
        self._order = shuffled(len(self._files), seed)
        self._recipe: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Name of image `index`, readable or not."""
        file: Named = self._files[place(self._order, index)]
        return file.shown

    def image(self, index: int) -> Image:
        """Image `index` with its labels, (h, w) int32; ImageError where either file cannot be used."""
        return self.reading([index])[0]()

    def reading(self, indices: Sequence[int]) -> Sequence[Callable[[], Image]]:
        """The same of several as something that another process can do."""
        return [self._reading(place(self._order, index)) for index in indices]

    def _reading(self, position: int) -> Callable[[], Image]:
        file, label = self._files[position], self._labels[position]
        if label is None:
            where = "in the folder of label maps" if self._apart else "beside it"
            return partial(_none, f"{file.shown} has no label map: expected {self._label_name(file)} {where}")
        decode = partial(images.decode, size=self.resize, how=self.how)
        read = self._shelf.reading(self._files.places[position], decode)
        label_name = self._maps.files[label].shown
        said = {"name": file.shown, **self._grouped.of(position)}
        return partial(_masked, read, self._label(label), label_name, self.label_size, self.size is not None, **said)

    def _label(self, label: int) -> Callable[[], NDArray[np.int32]]:
        return self._maps.reading(label, self._meaning.of(self._maps.files[label].name).decode)

    def recipe(self) -> Mapping[str, Any]:
        """Content of the collection, label maps included; where those lie does not matter."""
        if self._recipe is None:
            pairs = [(file, label) for file, label in zip(self._files, self._labels, strict=True) if label is not None]
            named = [replace(self._maps.files[label], name=file.name) for file, label in pairs]
            self._recipe = {
                "kind": "masks",
                "files": fingerprint(self._files, self._shelf.digests(self._files.places)),
                "labels": fingerprint(named, self._maps.digests([label for _, label in pairs])),
                "images": len(self),
                "seed": self.seed,
                "void": self._meaning.void,
                # keys without one are those of before there were any
                **({"offset": self._meaning.offset} if self._meaning.offset else {}),
                **self._coded,
                "size": None if self.size is None else list(self.size),
                "resize": None if self.resize is None else list(self.resize),
                "how": None if self.resize is None else self.how,
                "decoding": images.VERSION,
                **names_version(self._files),
                **self._grouped.recipe,
            }
        return dict(self._recipe)

    @cached_property
    def label_size(self) -> tuple[int, int]:
        """(height, width) of every label map; ImageError where none can be read."""
        if self.size is not None:
            return self.size
        reason = ""  # not the error itself, which would keep the image that it is about in memory
        for label in self._labels:
            if label is None:
                continue
            try:
                height, width = self._label(label)().shape
            except ImageError as error:
                reason = reason or str(error)
            else:
                return height, width
        raise ImageError(f"no label map in {self.path} can be read, the first because {reason}")

    def _meant(
        self, void: int | None, offset: int, colours: Mapping[str, int] | Literal["grey"] | None, panoptic: Path | None
    ) -> Meaning:
        if colours is not None and panoptic is not None:
            raise RequestError("colours and panoptic both say what the colours of label maps are; keep one of them")
        if panoptic is not None:
            segments, self._coded["panoptic"] = read_panoptic(panoptic)
            return Meaning(void, offset, None, segments)
        if colours is None:
            return Meaning(void, offset)
        if colours == GREY:
            self._coded["colours"] = GREY
            return Meaning(void, offset, GREY)
        assert not isinstance(colours, str)
        table = {int(colour[1:], 16): number for colour, number in colours.items()}
        self._coded["colours"] = {f"#{colour:06x}": number for colour, number in sorted(table.items())}
        return Meaning(void, offset, table)

    def _is_label(self, name: str) -> bool:
        if not self._apart or self._tree == self.path:
            return name.lower().endswith(self._suffix.lower())
        return self._tree is not None and self.path.is_dir() and (self.path / name).is_relative_to(self._tree)

    def _label_name(self, file: Named) -> str:
        return str(PurePosixPath(file.name).with_suffix("")) + self._suffix

    def _paired(self, column: str | None) -> list[int | None]:
        """The place of each image's label map: of this very name, or else the one whose name differs in capitals alone."""
        exact = {file.name: position for position, file in enumerate(self._maps.files)}
        if column is not None:  # the maps of rows have the images' names
            return [exact.get(file.name) for file in self._files]
        alike: dict[str, list[int]] = {}
        for name, position in exact.items():
            if self._maps is not self._shelf or self._is_label(name):
                alike.setdefault(_lower(name), []).append(position)
        paired: list[int | None] = []
        for file in self._files:
            name = self._label_name(file)
            others = alike.get(_lower(name), [])
            paired.append(exact.get(name, others[0] if len(others) == 1 else None))
        return paired

    def _held(self) -> contents.Contents:
        """What the images' place holds, label maps apart; those that no image has are left out."""
        paired = [self._maps.files[label] for label in self._labels if label is not None]
        used = {getattr(file, "path", file.name) for file in paired}
        images_here = set(self._files.places)
        unused = Counter(
            contents.suffix_of(file.name) for position, file in enumerate(self._shelf.files)
            if position not in images_here and getattr(file, "path", file.name) not in used
        )  # fmt: skip
        names = [file.shown for file in self._files]
        left_out = {**self._shelf.contents.left_out, **{(contents.LABELS, suffix): n for suffix, n in unused.items()}}
        return replace(
            self._shelf.contents, taken=contents.counted(names), left_out=left_out, aside=contents.aside(names)
        )  # fmt: skip


class Part(Sequence[Any]):
    """Some of the files of a shelf. places: where they stand there."""

    def __init__(self, files: Sequence[Named], places: Sequence[int]) -> None:
        self._files, self.places = files, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, position: Any) -> Any:
        return self._files[self.places[position]]


def _lower(name: str) -> str:
    """The folder as it is, the file's own name in lower case."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.lower()


def _none(why: str) -> Image:
    raise ImageError(why)


def _masked(
    read: Callable[[], NDArray[np.uint8]], read_labels: Callable[[], NDArray[np.int32]], label_name: str,
    size: tuple[int, int], resampled: bool, **said: Any,
) -> Image:  # fmt: skip
    """An image with its label map of `size` = (height, width), to which it may have to be resampled."""
    labels = read_labels()
    if labels.shape != size:
        if not resampled:
            raise ImageError(
                f"{label_name} is {labels.shape[0]} x {labels.shape[1]} (height x width), the collection's label "
                f"maps are {size[0]} x {size[1]}: `size: [{size[0]}, {size[1]}]` resamples them by nearest neighbour"
            )
        labels = resample(labels, size)
    return Image(read(), labels=labels, **said)


def shelf_at(path: Path, cache: Path | None, column: str | None) -> Shelf:
    """The files at a path: of a folder, archives, Parquet files (column: of the images, where it is not the usual one) or an
    LMDB. Raises RequestError."""
    files = _packed(path, column)
    if files is None:
        return FolderShelf(path, cache)
    return PackedShelf(*files, None if cache is None else cache.parent, None if column is None else ["beside", column])


def _packed(path: Path, column: str | None) -> tuple[Format, list[Path]] | None:
    """The format and the files of what is packed at a path; None of a folder of images. Raises RequestError."""
    suffix = path.suffix.lower()
    if suffix in (".zip", ".tar", ".parquet") and not path.is_dir():
        from ganaudit.datasets import parquet, tar, zip

        form = {".zip": zip.FORMAT, ".tar": tar.FORMAT}.get(suffix) or parquet.format_of(column, beside=column is not None)
        if column is not None and suffix != ".parquet":
            raise RequestError(f"{path} has no columns: column is about Parquet files")
        return form, files_at(path, (suffix,))
    if column is not None:
        raise RequestError(f"{path} has no columns: column is about Parquet files")
    if suffix == ".mdb" or (path / "data.mdb").is_file():
        from ganaudit.datasets import lmdb

        return lmdb.FORMAT, [lmdb.database(path)]
    return None


def look(options: MasksSource, context: Context) -> None:
    """Raises RequestError where there are no images, or no label maps."""
    path = context.path(options.path)
    labels = path if options.labels is None else context.path(options.labels)
    for where, column in ((path, None), (labels, options.column)):
        files = _packed(where, column)
        if files is None:
            check_not_empty(where)
        else:
            packed.check_not_empty(*files)


def open_masks(options: MasksSource, context: Context) -> MasksDataset:
    """Its images and label maps."""
    return MasksDataset(
        context.path(options.path), None if options.labels is None else context.path(options.labels), suffix=options.suffix,
        void=options.void, offset=options.offset, size=options.size, seed=options.seed, cache=digest_cache(context),
        label=located(options.label, context), cluster=located(options.cluster, context), colours=options.colours,
        panoptic=None if options.panoptic is None else context.path(options.panoptic), column=options.column,
    )  # fmt: skip


KIND = Kind(
    "masks", MasksSource, open_masks, "images and label maps made elsewhere: a label PNG beside each image",
    offers=frozenset({"labels", "maps"}), look=look,
)  # fmt: skip
