"""Content keys: a hash of everything that decides the records, never of a name, a path or a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RECORDS_VERSION = 3
"""Raised when the same images and the same parser would give other records: counting, resizing, rounding."""


def canonical(value: Any) -> str:
    """JSON with one spelling for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """24 hexadecimal digits of the SHA-256 of a JSON-able value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:24]


def source_key(recipe: Mapping[str, Any], version: int = RECORDS_VERSION) -> str:
    """Key of the records of one source read by one parser. version: of an older ganaudit, for records that it wrote."""
    return "k" + digest({"records": version, **recipe})


def overlap_key(key: str, second_key: str, further_heads: bool = False) -> str:
    """Key of what two parsers say of the same images, whose records have these keys. further_heads: whether classes beyond
    their first heads have one name."""
    return "k" + digest({"overlap": [key, second_key], **({"heads": "all"} if further_heads else {})})


def parser_key(recipe: Mapping[str, Any]) -> str:
    """Key of a parser: what `classes` and `run_sources` join on."""
    return "p" + digest(recipe)
