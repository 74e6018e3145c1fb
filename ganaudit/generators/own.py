"""Kind `module:factory`: your own generator, from a Python file beside the audit file."""

from __future__ import annotations

from ganaudit.context import Context
from ganaudit.kinds import OWN, Kind, Opened
from ganaudit.options import FactorySource


def open_own(options: FactorySource, context: Context) -> Opened:
    """What the factory makes."""
    from ganaudit import factory

    return factory.opened(options, context)


KIND = Kind(OWN, FactorySource, open_own, "your own generator, from a Python file beside the audit file")
