"""Your own generator, parser or dataset: `module:factory`, found beside the audit file, its source part of the content key."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import inspect
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from ganaudit import weights
from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.foreign_code import asking, guard, opening, said
from ganaudit.identity import check_options, content_digest, object_digest, stamp
from ganaudit.kinds import Opened
from ganaudit.modules import frozen
from ganaudit.state import state_digest

OURS = ("ganaudit", "flows", "tasks")
"""Packages of this project: their insides are no factories."""
_PARSING = threading.Lock()
"""`ast.parse` of CPython 3.11 keeps its depth once for all threads, and two at a time can fail with a SystemError."""
_TRIES = 20
"""Where a thread of another library parses, which knows of no lock."""
_KIND = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class FactoryOptions(Protocol):
    """What an audit file says about a user's own part. weights, files: files or folders."""

    @property
    def kind(self) -> str: ...
    @property
    def weights(self) -> str | None: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def options(self) -> dict[str, Any]: ...
    @property
    def files(self) -> Sequence[str]: ...
    @property
    def threads(self) -> int | None: ...


@dataclass(frozen=True)
class Made:
    """A user's own object, frozen and guarded, with what it adds to a content key.

    recipe: which function of which source, and its options. content: what it is made of and what it holds.
    """

    object: Any
    recipe: Mapping[str, Any]
    content: Mapping[str, Any]
    weights: Path | None


def make(asked: FactoryOptions, folder: Path, by_what_it_holds: bool = True) -> Made:
    """Opens a user's own part. `weights` and `files` are digested, and passed to the factory as absolute paths.

    by_what_it_holds: numbers, texts and arrays among its attributes enter the key; not for a collection, whose `recipe()` says
    what decides its images and which may hold a list of millions.

    Raises RequestError for what cannot be made, and for an option that names a file whose content would be in no key.
    """
    folder = folder.resolve()
    _check_kind(asked.kind, folder)
    keywords, content = dict(asked.options), dict[str, Any]()
    path = None if asked.weights is None else weights.located(asked.weights, folder)
    files = [weights.located(name, folder, "files") for name in asked.files]
    given = [*files, *filter(None, [path])]
    check_options(asked.kind, asked.options, folder, given)
    stamps = [stamp(file) for file in given]
    if path is not None:
        content["weights"] = weights.insisted(path, content_digest(path), asked.sha256)
        keywords["weights"] = str(path)
    if files:
        content["files"] = [content_digest(file) for file in files]
        keywords["files"] = [str(file) for file in files]
    source = recipe(asked.kind, folder, asked.options)
    made = call(asked.kind, folder, keywords)
    for file, before in zip(given, stamps, strict=True):
        if stamp(file) != before:
            raise RequestError(f"{asked.kind}: {file} changed while it was read; run it again when it is written")
    with asking(folder, asked.kind):
        switched = frozen(made)
        content["state"] = state_digest(made)
        digest_of_values = object_digest(made, [*given, folder]) if by_what_it_holds else None
        guarded = guard(made, folder, asked.kind, asked.threads)
    content |= ({"held": digest_of_values} if digest_of_values is not None else {}) | ({"eval": True} if switched else {})
    return Made(guarded, source, content, path)


def opened(asked: FactoryOptions, context: Context) -> Opened:
    """`make`, as a kind opens it."""
    made = make(asked, context.folder)
    recipe = {**made.recipe, **made.content}
    return Opened(made.object, recipe, {name: recipe[name] for name in ("weights", "source") if name in recipe}, made.weights)


def call(kind: str, folder: Path, keywords: dict[str, Any]) -> Any:
    """What `module:factory` makes of `keywords`. Raises RequestError when it cannot be imported, found or called."""
    folder = folder.resolve()
    _check_kind(kind, folder)
    with opening(folder, kind):
        return _called(kind, folder, keywords)


def _check_kind(kind: str, folder: Path) -> None:
    """A factory lies in the audit's folder or in an installed package: not in Python itself, not in this project."""
    if not _KIND.fullmatch(kind):
        raise RequestError(f"{kind!r} is no module:factory: names joined by dots, a colon, the name of a function")
    name = kind.split(":")[0]
    top = name.partition(".")[0]
    if name == "__main__" or (_beside(top, folder) is None and _beside(name, folder) is None):
        if name == "__main__" or top in sys.stdlib_module_names:
            raise RequestError(
                f"{kind}: {top} is a module of Python itself; a factory lies beside the audit file or is installed"
            )
        if top in OURS:
            raise RequestError(f"{kind}: {top} is this program; write a factory of your own beside the audit file")


def _called(kind: str, folder: Path, keywords: dict[str, Any]) -> Any:
    name, attribute = kind.split(":")
    module = _module(kind, folder)
    factory: Any = getattr(module, attribute, None)
    if not _makes(factory):
        offered = [key for key, value in vars(module).items() if _makes(value) and not key.startswith("_")]
        what = "" if factory is None else f" ({attribute} is a {type(factory).__name__}, not a function or class written there)"
        raise RequestError(f"{kind}: {name} has no function {attribute!r}; it has {', '.join(offered) or 'none'}{what}")
    try:
        inspect.signature(factory).bind(**keywords)
    except TypeError as error:
        raise RequestError(f"{kind}: the factory does not take these options: {error}") from None
    except ValueError:
        pass  # a builtin without a signature
    try:
        return factory(**keywords)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise RequestError(f"{kind}: the factory raised {said(error)}") from error


def _makes(value: Any) -> bool:
    """Whether it is a function or a class, and not one of Python's own that a module merely imported."""
    plain = value.func if isinstance(value, functools.partial) else value
    if not (inspect.isroutine(plain) or inspect.isclass(plain) or callable(getattr(plain, "__wrapped__", None))):
        return False
    return str(getattr(plain, "__module__", "")).partition(".")[0] not in sys.stdlib_module_names


def _module(kind: str, folder: Path) -> ModuleType:
    name = kind.split(":")[0]
    file = _beside(name, folder)
    if file is None or "." in name:
        try:
            imported = importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except ImportError as error:
            if file is None:
                raise RequestError(f"module {name!r} is neither in {folder} nor installed ({error})") from None
            raise RequestError(f"{file} cannot be imported: {said(error)}") from error
        except BaseException as error:
            raise RequestError(f"module {name!r} cannot be imported: {said(error)}") from error
        if file is not None and imported.__file__ != str(file):
            raise RequestError(f"{file} is hidden by the installed module {imported.__file__}; give it another name")
        return imported
    # Two folders may hold modules of one name, and one may be named like a library: it is known by its source.
    source = f"{file}\0{source_digest(kind, folder)}"
    known = f"_ganaudit_factory_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    if known in sys.modules:
        return sys.modules[known]
    locations = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(known, file, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise RequestError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[known]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise RequestError(f"{file} cannot be imported: {said(error)}") from error
    return module


def recipe(kind: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What `module:factory` contributes to a content key: which function of the source, the source, the options."""
    return {"kind": "factory", "factory": kind.split(":")[1], "options": options, "source": source_digest(kind, folder)}


def source_digest(kind: str, folder: Path) -> str:
    """SHA-256 over the factory's file and every file beside it that it imports, directly or not.

    An installed module counts with its own file alone: name its version in the options if that matters.
    """
    name = kind.split(":")[0]
    pending, seen = [name], dict[str, bytes]()
    while pending:
        current = pending.pop()
        file = _beside(current, folder)
        if file is None or current in seen:
            continue
        seen[current] = file.read_bytes()
        parent = current.rpartition(".")[0]  # a package's own code runs before that of its modules
        pending += [*_imports(seen[current], current if file.name == "__init__.py" else parent), *[parent] * bool(parent)]
    if not seen:
        with asking(folder, kind):  # of a package's module, the package is imported
            try:
                spec = importlib.util.find_spec(name)
            except ImportError:
                spec = None
        if spec and spec.origin and Path(spec.origin).is_file():
            seen[name] = Path(spec.origin).read_bytes()
    total = hashlib.sha256()
    for module in sorted(seen):
        total.update(f"{module}\0{len(seen[module])}\0".encode() + seen[module])
    return total.hexdigest()


def _beside(name: str, folder: Path) -> Path | None:
    base = folder.joinpath(*name.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def _parsed(source: bytes) -> ast.Module:
    with _PARSING:
        for _ in range(_TRIES):
            with contextlib.suppress(SystemError):
                return ast.parse(source)
        return ast.parse(source)


@functools.lru_cache(maxsize=256)
def _imports(source: bytes, inside: str) -> tuple[str, ...]:
    """Names of the modules that a module of the package `inside` may import."""
    imported: list[str] = []
    package = inside.split(".") if inside else []
    try:
        tree = _parsed(source)
    except (SyntaxError, ValueError):  # ValueError: a NUL
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = (
                ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
                if node.level
                else node.module or ""
            )
            imported += [start, *(f"{start}.{alias.name}" for alias in node.names)]
    return tuple(filter(None, imported))
