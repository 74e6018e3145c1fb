"""What files an audit names, which of them are not there, and what a look at the others tells. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganaudit import kinds
from ganaudit.errors import RequestError
from ganaudit.located import BUILTIN, SNAPSHOT, located
from ganaudit.options import Origin, Part
from ganaudit.spec import AuditSpec, ParserPart, Source


@dataclass(frozen=True)
class Wanted:
    """A file that an audit names. who: what it is, for people. urls: where it can be had, in the order to try. sha256, size:
    how it is known, where the audit file says so."""

    who: str
    path: Path
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    size: int | None = None
    images: bool = False
    """Whether it is a folder or file of images, or of what goes with them; a pattern too, where its kind takes one."""

    @property
    def halves(self) -> Sequence[Path]:
        """What earlier downloads of it left."""
        return sorted(self.path.parent.glob(f".{self.path.name}.*.part"))


def named(spec: AuditSpec) -> list[Wanted]:
    """Every file and folder of an audit that may be missing, each once; a folder of fetched files is those files."""
    files: dict[Path, Wanted] = {}
    for wanted in _named(spec):
        known = files.get(wanted.path)
        if known is None or (wanted.urls and not known.urls):
            files[wanted.path] = wanted
    holding = {folder for wanted in files.values() if wanted.urls for folder in wanted.path.parents}
    return [wanted for wanted in files.values() if wanted.path not in holding]


def _parts(spec: AuditSpec) -> Iterator[tuple[str, str, Source | ParserPart]]:
    """(place, who it is, options) of every parser and source of an audit."""
    yield "parser", "the parser", spec.parser
    if spec.second_parser is not None:
        yield "parser", "the second parser", spec.second_parser
    further = [("truth", spec.truth), ("heldout", spec.heldout), ("train", spec.train)]
    theirs = () if spec.invert is None else spec.invert.reconstructions
    sources = [
        ("real", spec.real), *(("generators", each) for each in spec.generators), *further,
        *(("real", each.images) for each in theirs),
    ]  # fmt: skip
    yield from ((place, f"{source.name!r}", source) for place, source in sources if source is not None)


def _paths(part: Part) -> Iterator[tuple[str, Path]]:
    """(key, path) of every path among options, those of the parts in them included."""
    for name, value in part:
        if isinstance(value, Part):
            yield from ((f"{name}.{key}", path) for key, path in _paths(value))
        elif isinstance(value, Path):
            yield name, value


def _named(spec: AuditSpec) -> Iterator[Wanted]:
    for _, who, part in _parts(spec):
        weights = getattr(part, "weights", None)
        if isinstance(weights, str) and not weights.startswith(BUILTIN) and "://" not in weights:  # a name, not a path
            yield _of(spec, f"weights of {who}", weights, part)
        for key, path in _paths(part):
            yield Wanted(f"{key} of {who}", spec.path(path), images=True)
        for file in getattr(part, "files", ()):
            yield Wanted(f"files of {who}", spec.path(file))
    for place, file in enumerate(spec.fetch):
        yield _of(spec, f"fetch[{place}]", file.path, file)


def _of(spec: AuditSpec, who: str, path: str, part: object) -> Wanted:
    if not isinstance(part, Origin):
        return Wanted(who, spec.path(path))
    return Wanted(who, spec.path(path), part.url, part.sha256, part.bytes)


def check_files(spec: AuditSpec) -> None:
    """Raises RequestError for files that are not there, and for what each kind tells by a look at those that are: before
    anything is opened, so that a command says it before it starts a server."""
    refuse_missing(spec)
    context = spec.context("cpu", "float32")
    for place, _, part in _parts(spec):
        weights = getattr(part, "weights", None)
        if isinstance(weights, str) and weights.startswith((BUILTIN, SNAPSHOT)):
            located(weights, spec.folder)
        look = kinds.at(place, part.kind).look
        if look is not None:
            look(part, context)


def refuse_missing(spec: AuditSpec) -> None:
    """Raises RequestError, a sentence for each, where files that the audit names are not there or of another size."""
    lines = [line for line in map(missing, named(spec)) if line is not None]
    if len(lines) == 1:
        raise RequestError(lines[0])
    if lines:
        raise RequestError(
            "\n".join([f"{len(lines)} files or folders of the audit are missing:", *(f"  {line}" for line in lines)])
        )


def missing(wanted: Wanted) -> str | None:
    """What is wrong with a file, and what to do; None where it is there."""
    path = wanted.path
    if path.exists():
        size = path.stat().st_size
        if wanted.size is None or size == wanted.size or not path.is_file():
            return None
        return (
            f"{wanted.who}: {path} has {size:,} bytes, the audit file says {wanted.size:,}: half-downloaded, or another file; "
            f"remove it{' and call ganaudit fetch' if wanted.urls else ' and get it again'}"
        )
    if wanted.images:
        if next(path.parent.glob(path.name), None) is not None:
            return None  # a pattern
        what = "file or folder" if path.suffix else "folder"
        return f"{wanted.who}: there is no {what} {path}: correct the path or create it"
    if not wanted.urls:
        return f"{wanted.who}: {path} do not exist (or are no file)"
    does = "goes on with" if wanted.halves else "downloads"
    how_much = "" if wanted.size is None else f" ({wanted.size / 1e6:,.1f} MB)"
    return f"{wanted.who}: {path} do not exist; ganaudit fetch {does} them{how_much} from {wanted.urls[0]}"
