"""Names of audits, sources, classes and slices: one line of text that people can read."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ganaudit.paths import shown

NAME_LENGTH = 200


def first_few(names: Sequence[str], most: int, between: str = ", ") -> str:
    """a, b and 3 more; what a terminal would act on, such as a line's end in a name that a file says, as it is escaped."""
    named = [name if name.isprintable() else repr(name)[1:-1] for name in names[:most]]
    return between.join(named) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def printable(text: str) -> str:
    """`text`, a name. Raises ValueError for one that no line can show: control characters and halves of characters."""
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
    if bad is not None:
        raise ValueError(f"{shown(text)} holds the control character U+{ord(bad):04X}; a name is one line of text")
    if text and not text.strip():
        raise ValueError("a name of spaces alone; nobody would see it")
    return text


def as_read(name: str) -> str:
    """A name as a reader tells it from others: without case, and in one Unicode form."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
