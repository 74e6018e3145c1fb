"""Standard input, output and error as a command meets them: closed, a pipe that nobody reads, a full disk, an old encoding.

A run that is done stays done whoever listens: what nobody reads is dropped. Results that a full disk did not take are an error.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from ganaudit.errors import AuditError


class OutputStream(io.FileIO):
    """A descriptor that outlives its reader. `needed`: whether what cannot be written is an error."""

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._needed = needed
        self.dropping = False

    def write(self, data: Any) -> int:
        """Bytes that were written, or dropped because nobody reads them. Raises AuditError where a disk is full."""
        if not self.dropping:
            try:
                return super().write(data)
            except BrokenPipeError:
                self.dropping = True
            except OSError as error:
                self.dropping = True  # also of what is left when the process ends
                if self._needed:
                    raise AuditError(f"the results cannot be written to standard output ({error.strerror})") from None
        return len(memoryview(data).cast("B"))


def unread(stream: Any) -> bool:
    """Whether nobody reads any more what is written to a stream that was prepared here."""
    return bool(getattr(getattr(getattr(stream, "buffer", None), "raw", None), "dropping", False))


def prepare() -> None:
    """Opens what is closed, before a file or socket gets its number, and makes text of any alphabet writable."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # as long as the process
    sys.stdout = _text(1, sys.stdout, needed=True)
    sys.stderr = _text(2, sys.stderr, needed=False)


def _text(descriptor: int, before: Any, needed: bool) -> io.TextIOWrapper:
    if before is not None:
        before.flush()
    buffer = io.BufferedWriter(OutputStream(descriptor, needed))
    return io.TextIOWrapper(
        buffer, encoding=getattr(before, "encoding", None) or "utf-8", errors="backslashreplace",
        line_buffering=not needed or buffer.isatty(),
    )  # fmt: skip
