"""Your own generator, parser or dataset: `module:factory`, found beside the audit file, its source part of the content key."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ganaudit.context import Context
from ganaudit.errors import RequestError
from ganaudit.kinds import Opened
from ganaudit.options import FactoryParser, FactorySource

_SIBLINGS: set[str] = set()
"""Modules that were imported from beside an audit file, under their plain names."""
_IMPORTING = threading.RLock()


def made(options: FactorySource | FactoryParser, context: Context) -> Opened:
    """What `module:factory` makes of its options, on the context's device, frozen where it is a network, with its recipe."""
    import torch

    from ganaudit import weights
    from ganaudit.state import state_digest

    said, keywords, path = recipe(options.kind, context.folder, options.options), dict(options.options), None
    digests = {"source": said["source"]}
    if options.weights is not None:
        path = weights.locate(options.weights, context.folder)
        said["weights"] = digests["weights"] = weights.verified(path, options.sha256)
        keywords["weights"] = str(path)
    model = call(options.kind, context.folder, keywords)
    if isinstance(model, torch.nn.Module):
        model = model.to(context.device).eval().requires_grad_(False)
    said["state"] = state_digest(model)
    return Opened(model, said, digests, path)


def call(kind: str, folder: Path, keywords: dict[str, Any]) -> Any:
    """What `module:factory` makes of `keywords`. Raises RequestError when it cannot be imported, found or called."""
    folder = folder.resolve()
    with _first(folder):
        return _called(kind, folder, keywords)


def _called(kind: str, folder: Path, keywords: dict[str, Any]) -> Any:
    name, attribute = kind.split(":")
    module = _module(kind, folder)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        offered = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise RequestError(f"{kind}: {name} has no function {attribute!r}; it has {', '.join(offered) or 'none'}")
    try:
        inspect.signature(factory).bind(**keywords)
    except TypeError as error:
        raise RequestError(f"{kind}: the factory does not take these options: {error}") from None
    except ValueError:
        pass  # a builtin without a signature
    try:
        return factory(**keywords)
    except Exception as error:
        raise RequestError(f"{kind}: the factory raised {type(error).__name__}: {error}") from error


@contextmanager
def _first(folder: Path) -> Iterator[None]:
    """What is imported here is looked for in `folder` first, and read anew: the code that runs is the code in the digest."""
    with _IMPORTING:
        for name in _SIBLINGS:
            sys.modules.pop(name, None)
        _SIBLINGS.clear()
        importlib.invalidate_caches()
        before = set(sys.modules)
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file is not None and Path(file) == _beside(name, folder):
                    _SIBLINGS.add(name)


def _module(kind: str, folder: Path) -> ModuleType:
    name = kind.split(":")[0]
    file = _beside(name, folder)
    if file is None or "." in name:
        try:
            found = importlib.import_module(name)
        except ImportError as error:
            if file is None:
                raise RequestError(f"module {name!r} is neither in {folder} nor installed ({error})") from None
            raise RequestError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
        except Exception as error:
            raise RequestError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error
        if file is not None and found.__file__ != str(file):
            raise RequestError(f"{file} is hidden by the installed module {found.__file__}; give it another name")
        return found
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
    except Exception as error:
        del sys.modules[known]
        raise RequestError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
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
        pending += _imports(seen[current], current if file.name == "__init__.py" else parent) + [parent] * bool(parent)
    if not seen:
        spec = importlib.util.find_spec(name.split(".")[0]) and importlib.util.find_spec(name)
        if spec and spec.origin and Path(spec.origin).is_file():
            seen[name] = Path(spec.origin).read_bytes()
    total = hashlib.sha256()
    for module in sorted(seen):
        total.update(f"{module}\0{len(seen[module])}\0".encode() + seen[module])
    return total.hexdigest()


def _beside(name: str, folder: Path) -> Path | None:
    base = folder.joinpath(*name.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def _imports(source: bytes, inside: str) -> list[str]:
    """Names of the modules that a module of the package `inside` may import."""
    found: list[str] = []
    package = inside.split(".") if inside else []
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = (
                ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
                if node.level
                else node.module or ""
            )
            found += [start, *(f"{start}.{alias.name}" for alias in node.names)]
    return [name for name in found if name]
