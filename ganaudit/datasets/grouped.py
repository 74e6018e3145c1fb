"""The label and the cluster of each image below a folder: its own folder, a pattern over its name, or a column of a CSV file.

A cluster is what images have in common that are not independent of each other: a scene, a burst, a seed, a prompt. Neither
changes a pixel; both are in the records, so what they come to enters the content key, however it was said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ganaudit.context import Context
from ganaudit.datasets.listing import Named, lines_of, plain
from ganaudit.errors import RequestError
from ganaudit.fields import Place
from ganaudit.names import first_few
from ganaudit.options import Part, Source

Values = list[str | None]
"""One for each file; None where an image has none."""

_LONGEST = 1000
_WAYS = "say folder, {name: 'a pattern with one group'} or {csv: a file, column: one of its columns}"


def _one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    if groups != 1:
        raise ValueError(
            f"{pattern!r} has {groups or 'no'} groups; it needs one, in parentheses, around what the images have in common, "
            r"such as 'scene(\d+)_'"
        )
    return pattern


class Column(Part):
    """What says it, if not the folder: a pattern over the name, or a column of a CSV file."""

    name: Annotated[str, AfterValidator(_one_group)] | None = None
    """A regular expression with one group, searched in the name below the folder."""
    csv: Place | None = None
    """A file with a line of column names; with tabs where it ends in .tsv; CelebA's list_attr_celeba.txt, or
    identity_CelebA.txt, whose column is `identity`."""
    column: Annotated[str, Field(min_length=1)] | None = None
    """The column of the labels or clusters; an empty cell is none."""
    names: Annotated[str, Field(min_length=1)] = "name"
    """The column of the images' names below the folder."""

    @model_validator(mode="after")
    def _one_way(self) -> Column:
        if (self.name is None) == (self.csv is None) or (self.csv is None) != (self.column is None):
            raise ValueError(_WAYS)
        return self


class Rows(Part):
    """The images of those lines of a table whose column holds a value, such as a split."""

    csv: Place
    """A file with a line of column names; with tabs where it ends in .tsv; CelebA's list_eval_partition.txt."""
    column: Annotated[str, Field(min_length=1)]
    """The column that says it."""
    value: Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
    """What it has to hold."""
    names: Annotated[str, Field(min_length=1)] = "name"
    """The column of the images' names below the folder."""


def _listed(value: Any) -> Any:
    return Rows.model_validate(value) if isinstance(value, Mapping) else value


Listed = Annotated[Place | Rows, BeforeValidator(_listed)]
"""Which images are taken: a file of their names, one a line, or lines of a table."""


def names_in(listed: Listed) -> tuple[list[str], Path]:
    """The names that it says, and the file that says them. Raises RequestError."""
    if not isinstance(listed, Rows):
        return lines_of(listed), listed
    held: dict[str, list[str]] = {}
    for name, (value,) in said_in("list", listed.csv, [listed.names, listed.column]).items():
        held.setdefault(value, []).append(name)
    if listed.value not in held:
        raise RequestError(
            f"list: no line of {listed.csv} has {listed.value!r} in its column {listed.column!r}; it has "
            f"{first_few(sorted(map(repr, held)), 5) or 'no lines'}"
        )
    return held[listed.value], listed.csv


def _way(value: Any) -> Any:
    if not isinstance(value, Mapping | Column) and value != "folder":
        raise ValueError(_WAYS)
    return value if isinstance(value, str) else Column.model_validate(value)


Way = Annotated[Literal["folder"] | Column, BeforeValidator(_way)]


class GroupedSource(Source):
    """A source whose images have names."""

    label: Way = "folder"
    """The label of each image: folder (its own where the collection says one, else the folder that it lies in),
    {name: 'pattern with one group'} or {csv: file, column: …}."""
    cluster: Way | None = None
    """Said in the same ways: what images share that are not independent, such as a scene; default: what the collection says,
    else each stands for itself."""


@dataclass(frozen=True)
class Said:
    """Labels or clusters in the order of the names, and the digest by which they enter a key."""

    values: Sequence[str | None]
    digest: str

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Said:
        """Those values, digested."""
        return cls(values, digest_of(values))

    @property
    def any(self) -> bool:
        """Whether it says one at all."""
        return any(value is not None for value in self.values)

    def at(self, places: Sequence[int]) -> Said:
        """Those of some of the names, by where they stand: places ascend, and each stands once."""
        return self if len(places) == len(self.values) else Said.of([self.values[place] for place in places])


def digest_of(values: Iterable[str | None]) -> str:
    """SHA-256 of labels or clusters in their order."""
    whole = hashlib.sha256()
    for value in values:
        whole.update(b"-\0" if value is None else b"+" + value.encode("utf-8", "backslashreplace") + b"\0")
    return whole.hexdigest()


class Grouped:
    """Labels and clusters of named images, in their order. Raises RequestError for what cannot be found out.

    own: what the collection itself says of `label` and `cluster`; it stands where nothing else is asked for.
    """

    def __init__(
        self,
        files: Sequence[Named],
        label: Way = "folder",
        cluster: Way | None = None,
        own: Mapping[str, Said] | None = None,
    ) -> None:
        self._files, self.notes = files, list[str]()
        said = dict(own or {})
        if label != "folder":
            said["label"] = self._said("label", label)
        if cluster is not None:
            said["cluster"] = self._said("cluster", cluster)
        self._values = {key: each.values for key, each in said.items()}
        self.recipe = {key: each.digest for key, each in said.items()}
        """What they add to a recipe; nothing where labels are folders and there are no clusters."""

    def of(self, position: int) -> dict[str, Any]:
        """Of the image at a place of the listing."""
        labels, clusters = self._values.get("label"), self._values.get("cluster")
        return {
            "label": self._files[position].label if labels is None else labels[position],
            "cluster": None if clusters is None else clusters[position],
        }

    def _said(self, key: str, way: Way) -> Said:
        files = self._files
        if isinstance(way, str):
            return Said.of(_folders(files))
        values = _by_name(key, files, way.name) if way.csv is None else _by_table(key, files, way)
        lacking = sum(value is None for value in values)
        if lacking:
            self.notes.append(f"{lacking:,} of its {len(files):,} images have no {key}: {_why(way)}")
        return Said.of(values)


def located(way: Way | Listed | None, context: Context) -> Any:
    """The same with the path of its file from the audit file's folder."""
    if isinstance(way, Path):
        return context.path(way)
    if isinstance(way, Column | Rows) and way.csv is not None:
        return way.model_copy(update={"csv": context.path(way.csv)})
    return way


def _folders(files: Sequence[Named]) -> Values:
    return [file.label for file in files]


def _why(way: Column) -> str:
    return f"{way.name!r} does not match" if way.csv is None else f"the column {way.column!r} says none"


def _by_name(key: str, files: Sequence[Named], text: str | None) -> Values:
    pattern = re.compile(text or "")
    matches = (pattern.search(file.shown) for file in files)
    values = [None if match is None else match[1] or None for match in matches]
    if not any(values):
        raise RequestError(f"{key}: {text!r} matches no name below the folder, such as {files[0].shown!r}")
    return values


def _by_table(key: str, files: Sequence[Named], way: Column) -> Values:
    assert way.csv is not None and way.column is not None
    told = said_in(key, way.csv, [way.names, way.column])
    missing = [file.shown for file in files if file.shown not in told]
    if missing:
        raise RequestError(
            f"{key}: {way.csv} has no line of the image {missing[0]!r} ({len(missing):,} of {len(files):,} have none); "
            f"its column {way.names!r} has to hold names below the folder"
        )
    return [plain(told[file.shown][0])[:_LONGEST] or None for file in files]


def said_in(key: str, path: Path, columns: Sequence[str], named: Callable[[str], str] = str) -> dict[str, tuple[str, ...]]:
    """What a CSV file says of each image, its columns read as in `cells`; named: the image that a name in it means. Raises
    RequestError, as for two lines of one image that say different things."""
    told: dict[str, tuple[str, ...]] = {}
    for name, *values in cells(key, path, columns):
        image, said = named(name), tuple(values)
        if told.setdefault(image, said) != said:
            first, second = next((a, b) for a, b in zip(told[image], said, strict=True) if a != b)
            raise RequestError(
                f"{key}: {path} says {first!r} and {second!r} of the image {plain(image)!r}; keep one line of it"
            )
    return told


def cells(key: str, path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """These columns of a CSV file as texts, row by row, the first that of names. key: of the audit file, for sentences. A file
    .txt is one of CelebA's: a count, the columns without that of the names, then a name and its values a line; or a name and a
    number a line, as its identities and its partition are. Raises RequestError."""
    if path.suffix.lower() == ".txt":
        return _celeba(key, path, columns)
    import pyarrow as pa
    from pyarrow import csv

    parsing = csv.ParseOptions(delimiter="\t" if path.suffix.lower() == ".tsv" else ",", newlines_in_values=True)
    try:
        with csv.open_csv(path, parse_options=parsing) as file:
            known = file.schema.names
        for column in columns:
            if known.count(column) != 1:
                how_often = "no column" if column not in known else "two columns"
                raise RequestError(f"{key}: {path} has {how_often} {column!r}; it has {', '.join(map(repr, known))}")
        types = dict.fromkeys(columns, pa.string())
        texts = csv.ConvertOptions(include_columns=list(types), column_types=types)
        table = csv.read_csv(path, parse_options=parsing, convert_options=texts)
    except OSError as error:
        raise RequestError(f"{key}: {path} cannot be read: {error.strerror or error}") from None
    except pa.ArrowException as error:
        raise RequestError(f"{key}: {path} is no CSV file: {' '.join(str(error).split())}") from None
    return zip(*(table[column].to_pylist() for column in columns), strict=True)


_CELEBA = {"identity_CelebA.txt": "identity", "list_eval_partition.txt": "partition"}
"""What the column is called of its files that have no line of columns."""


def _celeba(key: str, path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeError) as error:
        raise RequestError(f"{key}: {path} cannot be read: {error}") from None
    if lines and all(len(line) == 2 and line[1].isdigit() for line in lines):
        lines = [[], [_CELEBA.get(path.name, "value")], *lines]
    elif len(lines) < 3 or len(lines[0]) != 1 or any(len(line) != len(lines[1]) + 1 for line in lines[2:]):
        raise RequestError(
            f"{key}: {path} is not as CelebA's: a count, a line of columns, then a name and its values a line; or a name and a "
            "number a line"
        )
    known = lines[1]
    for column in columns[1:]:
        if known.count(column) != 1:
            raise RequestError(f"{key}: {path} has no column {column!r}; it has {', '.join(map(repr, known))}")
    places = [0, *(known.index(column) + 1 for column in columns[1:])]
    return (tuple(line[place] for place in places) for line in lines[2:])
