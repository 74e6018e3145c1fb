"""The findings of a run, computed from its records alone and written beside them.

Every denominator is the number of images that were read: an image set aside is in no mean.
"""

from ganaudit.findings.materialise import materialise

__all__ = ["materialise"]
