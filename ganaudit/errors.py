"""The errors a person may see. Each message is one sentence: what was found, where, and what would be right."""


class GanauditError(Exception):
    """Any error that ganaudit raises on purpose."""


class RequestError(GanauditError):
    """The request is wrong (audit file, weights, a path, a store): exit code 2."""


class AuditError(GanauditError):
    """The audit failed although the request was right: exit code 1."""


class ImageError(GanauditError):
    """One image cannot be used. The image is set aside with this reason; the audit goes on."""
