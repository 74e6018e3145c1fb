"""The errors a person may see. Each message is one sentence: what was found, where, and what would be right."""

import re

LONGEST_WORD, LONGEST_LINE = 1000, 10_000
"""Characters of a name, and of a line, that a message shows whole: nobody reads more, and what is named may be a whole file."""
_LONG = tuple(re.compile(f"{kind}{{{longest + 1},}}") for kind, longest in ((r"\S", LONGEST_WORD), (".", LONGEST_LINE)))


class GanauditError(Exception):
    """Any error that ganaudit raises on purpose. Of what is too long its message shows the beginning and the end."""

    def __str__(self) -> str:
        message = super().__str__()
        for long in _LONG:
            message = long.sub(lambda found: f"{found[0][:150]} … {found[0][-150:]} ({len(found[0]):,} characters)", message)
        return message


class RequestError(GanauditError):
    """The request is wrong (audit file, weights, a path, a store): exit code 2."""


class AuditError(GanauditError):
    """The audit failed although the request was right: exit code 1."""


class StoreError(AuditError):
    """The store takes no more files: its disk is full, or the store is gone."""


class ReadOnlyError(RequestError):
    """The store does not let files be written."""


STORE_FAULTS = (StoreError, ReadOnlyError)
"""After one of these no other shard can be kept either."""


class ImageError(GanauditError):
    """One image cannot be used. The image is set aside with this reason; the audit goes on."""
