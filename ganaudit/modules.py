"""The networks that an object holds, wherever it holds them: found, frozen, put into eval mode."""

from __future__ import annotations

import argparse
import functools
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from ganaudit.foreign_code import siblings

MOST = 100_000
"""Objects that are looked through at most."""
MODAL = (
    nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, nn.RReLU, nn.RNNBase, nn.MultiheadAttention,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip
"""Torch's modules that compute something else in train mode."""
PLAIN = (SimpleNamespace, argparse.Namespace)
"""Python's own objects that are there to hold others."""


def modules_in(root: Any) -> Iterator[tuple[str, nn.Module]]:
    """(name, module) of the networks that an object holds: in attributes, lists, mappings, objects within it, functions, and
    the globals of the module its class is written in. Each once, submodules of a network not by themselves."""
    seen, within = set[int](), set[int]()
    waiting = deque[tuple[str, Any]]([("", root)])
    while waiting and len(seen) < MOST:
        name, value = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module) and id(value) not in within:
            yield name, value
            within |= {id(module) for module in value.modules()}
        waiting += [(f"{name}{step}".lstrip("."), part) for step, part in _parts(value)]


def _parts(value: Any) -> list[tuple[str, Any]]:
    """What a value holds that may hold a network, and how it is written."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", part) for key, part in list(value.items()) if _may_hold(part)]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{place}]", part) for place, part in enumerate(value) if _may_hold(part)]
    if isinstance(value, functools.partial):
        return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    if isinstance(value, MethodType):
        return [(".__self__", value.__self__)]
    if isinstance(value, FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
        within = [(f".{name}", cell.cell_contents) for name, cell in cells if _filled(cell)]
        return within + [(f".{name}", part) for name, part in _globals(value.__module__)]
    if type(value).__module__ in sys.stdlib_module_names and not isinstance(value, PLAIN):
        return []  # a logger, a lock, a file: through them one comes everywhere
    return [(f".{name}", part) for name, part in attributes(value) + _of_class(value) if _may_hold(part)]


def attributes(value: Any) -> list[tuple[str, Any]]:
    """(name, value) of an object's own attributes, those in slots too; properties are not asked."""
    values_by_name = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            try:
                values_by_name.setdefault(name, object.__getattribute__(value, name))
            except AttributeError:
                continue  # a slot that was never filled, or a private name
    return list(values_by_name.items())


def _of_class(value: Any) -> list[tuple[str, Any]]:
    """Attributes of a user's class, and the networks among the globals of the module that it is written in."""
    values_by_name: list[tuple[str, Any]] = []
    for kind in type(value).__mro__:
        if is_users(kind.__module__):
            values_by_name += [(name, part) for name, part in list(vars(kind).items()) if not name.startswith("__")]
            values_by_name += _globals(kind.__module__)
    return values_by_name


def _globals(module: str | None) -> list[tuple[str, Any]]:
    """The networks among the globals of a user's module."""
    if module is None or not is_users(module) or module not in sys.modules:
        return []
    return [(name, part) for name, part in list(vars(sys.modules[module]).items()) if isinstance(part, nn.Module)]


def is_users(module: str) -> bool:
    """Whether a module lies beside an audit file."""
    return module.startswith("_ganaudit_factory_") or module.partition(".")[0] in siblings()


def _may_hold(value: Any) -> bool:
    plain = (str, bytes, int, float, complex, type, ModuleType, torch.Tensor, torch.device, torch.dtype)
    return value is not None and not isinstance(value, plain)


def _filled(cell: Any) -> bool:
    try:
        return _may_hold(cell.cell_contents)
    except ValueError:
        return False


def frozen(root: Any) -> bool:
    """Puts every network that an object holds into eval mode, its parameters frozen. True where that may change what comes out:
    a network that is not the object itself was in train mode, with parts that then compute something else."""
    changes = False
    for _, module in modules_in(root):
        if module is not root:
            changes |= any(part.training and _modal(part) for part in module.modules())
        module.eval()
        module.requires_grad_(False)
    return changes


def training(root: Any) -> str | None:
    """The first network part in train mode, in words; None where all are in eval mode."""
    for name, module in modules_in(root):
        for inner, part in module.named_modules():
            if part.training and _modal(part):
                where = ".".join(filter(None, [name, inner]))
                return f"its module {f'`{where}` ' if where else ''}({type(part).__name__}) is in train mode"
    return None


def _modal(part: nn.Module) -> bool:
    return isinstance(part, MODAL) or not type(part).__module__.startswith("torch.")
