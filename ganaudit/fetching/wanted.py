"""What files an audit names, and which of them are not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganaudit.errors import RequestError
from ganaudit.options import Origin
from ganaudit.spec import AuditSpec
from ganaudit.weights import BUILTIN


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
    """Whether it is a folder of images."""

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


def _named(spec: AuditSpec) -> Iterator[Wanted]:
    sources = [spec.real, *spec.generators, *(each for each in (spec.truth, spec.heldout, spec.train) if each is not None)]
    parsers = [
        ("the parser", spec.parser),
        *([] if spec.second_parser is None else [("the second parser", spec.second_parser)]),
    ]
    for who, part in [*parsers, *((f"{source.name!r}", source) for source in sources)]:
        weights = getattr(part, "weights", None)
        if isinstance(weights, str) and not weights.startswith(BUILTIN) and "://" not in weights:  # a name, not a path
            yield _of(spec, f"weights of {who}", weights, part)
        for key in ("path", "labels"):
            if getattr(part, key, None) is not None:
                yield Wanted(f"{key} of {who}", spec.path(getattr(part, key)), images=True)
        for file in getattr(part, "files", ()):
            yield Wanted(f"files of {who}", spec.path(file))
    for place, file in enumerate(spec.fetch):
        yield _of(spec, f"fetch[{place}]", file.path, file)


def _of(spec: AuditSpec, who: str, path: str, part: object) -> Wanted:
    if not isinstance(part, Origin):
        return Wanted(who, spec.path(path))
    return Wanted(who, spec.path(path), part.url, part.sha256, part.bytes)


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
        return f"{wanted.who}: there is no folder {path}: correct the path or create it"
    if not wanted.urls:
        return f"{wanted.who}: {path} do not exist (or are no file)"
    does = "goes on with" if wanted.halves else "downloads"
    how_much = "" if wanted.size is None else f" ({wanted.size / 1e6:,.1f} MB)"
    return f"{wanted.who}: {path} do not exist; ganaudit fetch {does} them{how_much} from {wanted.urls[0]}"
