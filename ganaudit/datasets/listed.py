"""Some of the images of a shelf, by a list of their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ganaudit.datasets import contents
from ganaudit.datasets.contents import Contents
from ganaudit.datasets.grouped import Listed, Said, names_in
from ganaudit.datasets.listing import Named, inside, names_version
from ganaudit.datasets.stored import Shelf, fingerprint
from ganaudit.errors import ImageError, RequestError

T = TypeVar("T")


class ListedShelf(Shelf):
    """The images that a file names, one a line, sorted, each once; those that are not on the shelf are set aside, one by one.
    Raises RequestError where it names none, and where none is there."""

    def __init__(self, shelf: Shelf, said: Listed) -> None:
        self._shelf = shelf
        names, listed = names_in(said)
        at = {file.name: position for position, file in enumerate(shelf.files)}
        wanted = sorted({inside(name, listed) for name in names}, key=os.fsencode)
        self._places = [at.get(name) for name in wanted]
        if not any(place is not None for place in self._places):
            raise RequestError(
                f"{listed} names no image of the {len(at):,} that there are"
                + (f": it says {wanted[0]!r}, they are called such as {shelf.files[0].shown!r}" if wanted else "")
            )
        self.files = [
            Named(name, -1) if place is None else shelf.files[place]
            for name, place in zip(wanted, self._places, strict=True)
        ]  # fmt: skip
        self.decodes, self.notes = shelf.decodes, shelf.notes
        self.contents = Contents(contents.counted(file.shown for file in self.files))
        own = {
            key: Said.of([None if place is None else said.values[place] for place in self._places])
            for key, said in shelf.own.items()
        }  # fmt: skip
        self.own = {key: said for key, said in own.items() if said.any}

    def reading(self, position: int, decode: Callable[..., T]) -> Callable[[], T]:
        place = self._places[position]
        if place is None:
            return partial(_not_there, self.files[position].shown)
        return self._shelf.reading(place, decode)

    def pixels(self, position: int, size: Any, how: Any) -> Any:
        place = self._places[position]
        return _not_there(self.files[position].shown) if place is None else self._shelf.pixels(place, size, how)

    def digests(self, positions: Sequence[int]) -> Sequence[str | None]:
        places = [self._places[position] for position in positions]
        known = iter(self._shelf.digests([place for place in places if place is not None]))
        return [None if place is None else next(known) for place in places]

    def content(self) -> Mapping[str, Any]:
        whole = self._shelf.content()
        if whole["kind"] != "folder":  # arrays have one digest for all
            return {**whole, "list": fingerprint(self.files, ["" for _ in self.files])}
        files = fingerprint(self.files, self.digests(range(len(self.files))))
        return {"kind": "folder", "files": files, **names_version(self.files)}


def _not_there(name: str) -> Any:
    raise ImageError(f"{name} is not there")
