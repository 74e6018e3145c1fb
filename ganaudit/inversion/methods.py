"""The kinds of inverters that ship: what each is called, what it starts from, where its algorithm is."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaudit import kinds
from ganaudit.context import Context
from ganaudit.encoders import OWN_ENCODER
from ganaudit.errors import RequestError
from ganaudit.kinds import Kind
from ganaudit.options import Part

if TYPE_CHECKING:
    from ganaudit.inversion.inverters import Inverter


class NoOptions(Part):
    """An inverter has none of its own: those of `invert` are for all."""


def inverter(method: str) -> Inverter:
    """What inverts a task by a method. Raises RequestError with the nearest name that exists."""
    opened: Inverter = kinds.find("inverters", method).open(NoOptions(), Context())
    return opened


def needs(method: str) -> str | None:
    """The trained inverter that it starts from."""
    return kinds.find("inverters", method).needs


def over_z(method: str) -> bool:
    """Whether it searches over z, and may do so from several starts: another package's kind too, which says so."""
    return "z" in kinds.find("inverters", method).offers


def frees_residuals(method: str) -> bool:
    """Whether it frees residuals on early layers, at a penalty that own samples set."""
    return "residuals" in kinds.find("inverters", method).offers


def source_digest(method: str) -> str | None:
    """Digest of the package in which another kind stands, every file of Python in it, or of its one file; None for those that
    ship, whose versions are in the keys."""
    if any(kind.name == method for kind in KINDS):
        return None
    opens = kinds.find("inverters", method).open
    module = inspect.getmodule(opens)
    package = None if module is None else sys.modules.get(module.__name__.partition(".")[0])
    if package is None or getattr(package, "__file__", None) is None or not hasattr(package, "__path__"):
        return hashlib.sha256(inspect.getsource(module or opens).encode()).hexdigest()
    total = hashlib.sha256(inspect.getsource(module or opens).encode())  # which may lie elsewhere
    for folder in package.__path__:
        for file in sorted(Path(folder).rglob("*.py")):
            content = file.read_bytes()
            total.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _from(function: str) -> Callable[[Any, Context], Any]:
    return lambda options, context: getattr(importlib.import_module("ganaudit.inversion.inverters"), function)


def _not_searched(options: NoOptions, context: Context) -> Inverter:
    raise RequestError("reconstructions are images that somebody else's inverter made: an audit reads them, nothing searches")


_Z = frozenset({"z"})
_RESIDUALS = frozenset({"residuals"})

KINDS: tuple[Kind, ...] = (
    Kind("latent", NoOptions, _from("latent"), "gradient descent on z from random starts", _Z),
    Kind("encoder", NoOptions, _from("encoder"), "one trained network: image to z", needs="encoder"),
    Kind(
        "layered", NoOptions, _from("layered"), "the layered encoder: image to r, then layer by layer to z", needs="layered"
    ),
    Kind(
        "encoder+latent", NoOptions, _from("encoder_latent"), "search on z from the network's guess", _Z, needs="encoder"
    ),
    Kind(
        "layered+latent", NoOptions, _from("layered_latent"), "search on z from the layered encoder's guess", _Z,
        needs="layered",
    ),
    Kind(
        "layerwise", NoOptions, _from("layerwise"), "the layered encoder's z, then residuals on early layers", _RESIDUALS,
        needs="layered",
    ),
    Kind(OWN_ENCODER, NoOptions, _from("own"), "the generator's own encoder: image to z or w", needs=OWN_ENCODER),
    Kind(
        f"{OWN_ENCODER}+latent", NoOptions, _from("own_latent"), "search from its code, in its space", _Z, needs=OWN_ENCODER
    ),
    Kind(
        f"{OWN_ENCODER}+layerwise", NoOptions, _from("own_layerwise"), "its code, then residuals on early layers", _RESIDUALS,
        needs=OWN_ENCODER,
    ),
    Kind("feature", NoOptions, _from("feature"), "r itself is free: an upper bound, no evidence", needs="layered"),
    Kind("reconstructions", NoOptions, _not_searched, "images that somebody else's inverter made, paired with photos by name"),
)  # fmt: skip
