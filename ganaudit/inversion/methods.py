"""The kinds of inverters that ship: what each is called, what it starts from, where its algorithm is."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ganaudit import kinds
from ganaudit.context import Context
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


def over_z(method: str) -> bool:
    """Whether it searches over z, and may do so from several starts: another package's kind too, which says so."""
    return "z" in kinds.find("inverters", method).offers


def source_digest(method: str) -> str | None:
    """Digest of the file in which another kind stands; None for those that ship, whose versions are in the keys."""
    if any(kind.name == method for kind in KINDS):
        return None
    opens = kinds.find("inverters", method).open
    return hashlib.sha256(inspect.getsource(inspect.getmodule(opens) or opens).encode()).hexdigest()


def _from(function: str) -> Callable[[Any, Context], Any]:
    return lambda options, context: getattr(importlib.import_module("ganaudit.inversion.inverters"), function)


_Z = frozenset({"z"})

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
        "layerwise", NoOptions, _from("layerwise"), "the layered encoder's z, then residuals on early layers", needs="layered"
    ),
    Kind("feature", NoOptions, _from("feature"), "r itself is free: an upper bound, no evidence", needs="layered"),
)  # fmt: skip
