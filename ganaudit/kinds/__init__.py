"""The registries: a kind of generator, parser, dataset, feature network or inverter is one file that describes itself.

A file of a registry's folder that says `KIND = Kind(…)` adds a kind (`KINDS: tuple[Kind, ...] = (…)` several); so does an
entry point of another package, in the registry's group, such as `ganaudit.generators`, named like its kind. The audit file's
parts, its mistakes, `ganaudit list` and the table in docs/audit-file.md follow. A registry is searched when an audit file is
loaded or listed; a package's entry point is imported only when its kind is named, or listed. The kinds that ship import torch
in `open`, not at their top, so that a wrong audit file is refused at once.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest
from ganaudit.options import Part

Registry = Literal["generators", "parsers", "datasets", "inverters", "features"]
REGISTRIES: tuple[Registry, ...] = get_args(Registry)
FOLDERS: dict[Registry, str] = {name: f"ganaudit.{name}" for name in REGISTRIES} | {"inverters": "ganaudit.inversion"}
"""The packages whose files are searched, and the groups of entry points."""
OWN = "module:factory"
"""The kind that any `module:factory` is of."""

PLACES: dict[str, tuple[Registry, ...]] = {
    "parser": ("parsers",), "real": ("datasets",), "heldout": ("datasets",), "train": ("datasets",), "truth": ("datasets",),
    "generators": ("generators", "datasets"),
}  # fmt: skip
"""The registries whose kinds may stand at a place of the audit file; of two kinds of one name, that of the first registry."""


@dataclass(frozen=True)
class Kind:
    """One kind. open: of a generator, parser or feature network, returns it, or `Opened` with what enters its key; of a
    dataset, returns the collection; of an inverter, returns what inverts a task. needs: the trained inverter that it starts
    from. offers: `labels` (true label maps), `maps` (label maps that stand for the parser's), `precision` (computes in the
    run's), `no images` (a parser that reads none), `trial` (a parser of anybody's making: tried as a user's own), `overlaps`
    (a parser whose classes may lie on each other), `z` (a search
    over z, or over the space of the generator's own encoder), `residuals` (a search that frees them).
    layouts: of a family of generators, gives those that its files come in (`generators.layouts`): `kind: auto` finds it so.
    holds: whether a file or folder is certainly of this kind, likewise. files: further files that decide its images.
    look: raises RequestError for what a look at its files tells, such as a folder without images. It is asked when every Path
    among its options is there, before anything is opened or started, so it takes no more than the first image, and no torch."""

    name: str
    options: type[Part]
    open: Callable[[Any, Context], Any]
    summary: str
    offers: frozenset[str] = field(default=frozenset())
    needs: str | None = None
    layouts: Callable[[], Sequence[Any]] | None = None
    holds: Callable[[Path], bool] | None = None
    files: Callable[[Any, Context], Sequence[Path]] | None = None
    look: Callable[[Any, Context], None] | None = None


@dataclass(frozen=True)
class Opened:
    """A model with what enters its content key, digests of what it was made from, its weights file, and notes: what a person
    should know of how it was read, in sentences."""

    model: Any
    recipe: Mapping[str, Any]
    digests: Mapping[str, str] = field(default_factory=dict)
    weights: Path | None = None
    notes: tuple[str, ...] = ()


def find(registry: Registry, name: str) -> Kind:
    """The kind of that name; `module:factory` of any name with a colon. Raises RequestError with the nearest valid name."""
    name = OWN if ":" in name else name
    kinds = _shipped(registry)
    if name in kinds:
        return kinds[name]
    offered = _offered(registry, tuple(sys.path))
    if name not in offered:
        raise RequestError(f"there is no {name!r} among the {registry}{nearest(name, names(registry))}")
    return _loaded(registry, name, offered[name])


def at(place: str, name: str) -> Kind:
    """The kind of that name at a place of the audit file. Raises RequestError likewise."""
    registries, kind = PLACES[place], OWN if ":" in name else name
    return find(next((registry for registry in registries if kind in names(registry)), registries[0]), name)


def live(name: str) -> Kind | None:
    """The kind of that name where it is a generator that can be run, not images that one has made."""
    return find("generators", name) if (OWN if ":" in name else name) in names("generators") else None


def names(registry: Registry) -> list[str]:
    """Every kind of a registry, those of other packages too, none of which is imported."""
    return list(dict.fromkeys([*_shipped(registry), *_offered(registry, tuple(sys.path))]))


def names_at(place: str) -> list[str]:
    """Every kind that may stand at a place of the audit file, `module:factory` last."""
    offered = dict.fromkeys(name for registry in PLACES[place] for name in names(registry))
    return sorted((name for name in offered if _allowed(place, name)), key=lambda name: name == OWN)


def _allowed(place: str, name: str) -> bool:
    """A truth has label maps of its own; of another package's kind that is asked when it is opened."""
    if place != "truth":
        return True
    shipped = _shipped("datasets")
    return name not in shipped or "labels" in shipped[name].offers


def summaries(registry: Registry) -> dict[str, str]:
    """Name → one line about every kind that a place for `registry` takes; of one that cannot be loaded, why."""
    summary_of: dict[str, str] = {}
    for each in PLACES["generators"] if registry == "generators" else (registry,):
        for name in names(each):
            if name not in summary_of:
                try:
                    summary_of[name] = find(each, name).summary
                except RequestError as error:
                    summary_of[name] = str(error)
    return dict(sorted(summary_of.items(), key=lambda item: item[0] == OWN))


def is_shipped(kind: Kind) -> bool:
    """Whether it is one of this package's own."""
    return any(kind is each for registry in REGISTRIES for each in _shipped(registry).values())


def options_at(place: str) -> BeforeValidator:
    """What turns a mapping at a place of the audit file into its kind's options."""

    def options(value: Any) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
        if not isinstance(kind, str):
            raise _mistake("no_kind", "missing; every source and parser has one", value)
        valid = names_at(place)
        if (OWN if ":" in kind else kind) not in valid:
            raise _mistake("unknown_kind", f"unknown kind {kind!r}{nearest(kind, valid)}", value)
        try:
            model = at(place, kind).options
        except RequestError as error:
            raise _mistake("broken_kind", str(error), value) from None
        return value if isinstance(value, model) else model.model_validate(value)

    return BeforeValidator(options)


def _mistake(name: Any, sentence: str, value: Any) -> ValidationError:
    error = PydanticCustomError(name, "{sentence}", {"sentence": sentence})
    return ValidationError.from_exception_data("kind", [InitErrorDetails(type=error, loc=("kind",), input=value)])


_DESCRIBED = re.compile(r"^KIND(S: tuple\[Kind, \.\.\.\])? = ", re.MULTILINE)
"""A file without this is not imported."""
_FILES: dict[str, tuple[Kind, ...]] = {}
"""The kinds of every file that was looked at."""


def _shipped(registry: Registry) -> dict[str, Kind]:
    """The kinds in the files of a registry's folder, sorted by name, `module:factory` last."""
    folders = importlib.import_module(FOLDERS[registry]).__path__
    return _listed(registry, tuple((folder, os.stat(folder).st_mtime_ns) for folder in folders))


@lru_cache
def _listed(registry: Registry, folders: tuple[tuple[str, int], ...]) -> dict[str, Kind]:
    """The same; folders: with when a file came to each or went."""
    kinds: dict[str, Kind] = {}
    for iter_module in pkgutil.iter_modules([folder for folder, _ in folders]):
        module = f"{FOLDERS[registry]}.{iter_module.name}"
        if module not in _FILES:
            spec = iter_module.module_finder.find_spec(module, None)
            loader: Any = None if spec is None else spec.loader
            source = loader.get_source(module) if hasattr(loader, "get_source") else None
            _FILES[module] = _of(importlib.import_module(module)) if _DESCRIBED.search(source or "") else ()
        kinds |= {kind.name: kind for kind in _FILES[module]}
    return dict(sorted(kinds.items(), key=lambda item: (item[0] == OWN, item[0])))


def _of(module: Any) -> tuple[Kind, ...]:
    return (*getattr(module, "KINDS", ()), *((module.KIND,) if hasattr(module, "KIND") else ()))


@lru_cache
def _offered(registry: Registry, path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """The entry points of other packages, by name. path: sys.path, on which they are looked for."""
    offered: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"ganaudit.{registry}"):
        if point not in offered.setdefault(point.name, []):
            offered[point.name].append(point)
    return offered


def _loaded(registry: Registry, name: str, points: list[EntryPoint]) -> Kind:
    """The kind of an entry point. Raises RequestError where its package is broken, whatever it raises."""
    who = f"the kind {name!r} of the package {points[0].dist.name if points[0].dist else '?'} ({points[0].value})"
    if len(points) > 1:
        others = " and ".join(point.value for point in points)
        raise RequestError(f"two packages bring a kind {name!r} of {registry} ({others}); uninstall one of them")
    try:
        kind = points[0].load()
    except (Exception, SystemExit) as error:
        raise RequestError(f"{who} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(kind, Kind) or kind.name != name:
        what = f"the kind {kind.name!r}" if isinstance(kind, Kind) else type(kind).__name__
        raise RequestError(f"{who} is {what}, not a ganaudit.kinds.Kind of that name")
    return kind
