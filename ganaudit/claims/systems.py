"""The systems whose papers' claims are put to the test: a new one is a line here, and a module with its CLAIMS."""

from __future__ import annotations

from importlib import import_module

from ganaudit.claims.claim import Claim
from ganaudit.errors import RequestError
from ganaudit.kinds.mistakes import nearest

SYSTEMS: dict[str, str] = {"ogan": "ogan", "lia": "lia", "steerability": "steerability"}
"""Modules of `ganaudit.claims`, by the system's name; each has `CLAIMS`, a tuple of `Claim`."""


def claims_of(system: str, only: str | None = None) -> tuple[Claim, ...]:
    """The claims of a system, or the one of that name. Raises RequestError with the nearest name that exists."""
    if system not in SYSTEMS:
        raise RequestError(f"there are no claims of {system!r}{nearest(system, SYSTEMS)}")
    claims: tuple[Claim, ...] = import_module(f"ganaudit.claims.{SYSTEMS[system]}").CLAIMS
    chosen = tuple(claim for claim in claims if only in (None, claim.name))
    if not chosen:
        names = [claim.name for claim in claims]
        raise RequestError(f"there is no claim {only!r} of {system}{nearest(str(only), names)}")
    return chosen
