"""Formats of images beside those that Pillow brings: each by a package of its own, an extra of this one.

Which are taken for images, in folders and archives alike, follows from the packages that are there.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec


@dataclass(frozen=True)
class Format:
    """extra: of this package, which brings `module`. name: Pillow's. register: the module's function that tells Pillow; None
    where importing it does."""

    extra: str
    module: str
    name: str
    register: str | None = None


BY_SUFFIX: Mapping[str, Format] = {
    ".heic": (heif := Format("heic", "pillow_heif", "HEIF", "register_heif_opener")),
    ".heif": heif,
    ".jxl": Format("jxl", "pillow_jxl", "JXL"),
}


@cache
def suffixes() -> frozenset[str]:
    """Of the formats that can be read here."""
    return frozenset(suffix for suffix, form in BY_SUFFIX.items() if find_spec(form.module) is not None)


@cache
def registered() -> tuple[str, ...]:
    """Pillow's names of them, once Pillow knows them."""
    names = []
    for form in dict.fromkeys(BY_SUFFIX[suffix] for suffix in sorted(suffixes())):
        module = importlib.import_module(form.module)
        if form.register is not None:
            getattr(module, form.register)()
        names.append(form.name)
    return tuple(names)


def advice(suffixes_met: Mapping[str, int]) -> str | None:
    """How to have files of these suffixes read, in words; None where no package would."""
    extras = sorted({BY_SUFFIX[suffix].extra for suffix in suffixes_met if suffix in BY_SUFFIX})
    return f"pip install 'ganaudit[{','.join(extras)}]'" if extras else None
