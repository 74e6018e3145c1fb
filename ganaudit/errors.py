"""The errors a person may see. Each message is one sentence: what was found, where, and what would be right."""


class GanauditError(Exception):
    """Any error that ganaudit raises on purpose."""


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
